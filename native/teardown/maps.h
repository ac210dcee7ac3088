/* /proc/self/maps, as a stream: however many mappings there are, it needs one small buffer. */
#ifndef ASYNC_TEARDOWN_MAPS_H
#define ASYNC_TEARDOWN_MAPS_H

#include "control.h"

enum MappingKind {
  kLeave,          /* stacks, what the kernel maps itself, program text */
  kAnonymous,      /* private memory of this process alone, e.g. its heap */
  kPrivateFile,    /* private and writable: what was written is memory of this process */
  kSharedMemory,   /* may outlive the process: never emptied */
  kDevice,         /* pins a device, a descriptor or a System V segment, and holds hardly any memory itself */
  kAioContext,
};

struct Mapping {
  uintptr_t start;
  uintptr_t end;
  char permissions[4];
  /* As much of the name as the kinds are told by; zeros after it. */
  char name[24];
};

enum MappingKind kindOf(const struct Mapping *mapping);

/* Calls `visit` for each mapping in order of address; it may unmap what it is shown. */
void visitMappings(struct Control *control, void (*visit)(struct Control *, const struct Mapping *));

#endif
