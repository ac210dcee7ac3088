/* Reads /proc/self/maps character by character, and says what may be done with a mapping by its name. */
#include "maps.h"

#include "syscalls.h"

enum Field { kStartField, kEndField, kPermissionsField, kOffsetField, kDeviceField, kInodeField, kNameField };

struct Parser {
  struct Mapping mapping;
  enum Field field;
  unsigned length; /* of the field so far */
};

static void clearParser(struct Parser *parser) {
  parser->mapping.start = parser->mapping.end = 0;
  for (unsigned i = 0; i < sizeof(parser->mapping.name); i++) ((volatile char *)parser->mapping.name)[i] = '\0';
  parser->field = kStartField;
  parser->length = 0;
}

static uintptr_t withHexDigit(uintptr_t number, char digit) {
  return number << 4 | (uintptr_t)(digit <= '9' ? digit - '0' : digit - 'a' + 10);
}

static void nextField(struct Parser *parser) {
  parser->field++;
  parser->length = 0;
}

static void takeName(struct Parser *parser, char character) {
  /* The name is padded with blanks on its left. */
  if (parser->length == 0 && character == ' ') return;
  if (parser->length < sizeof(parser->mapping.name) - 1) parser->mapping.name[parser->length++] = character;
}

static void takeCharacter(struct Parser *parser, char character) {
  struct Mapping *mapping = &parser->mapping;
  if (parser->field == kNameField) return takeName(parser, character);
  if (character == (parser->field == kStartField ? '-' : ' ')) return nextField(parser);
  if (parser->field == kStartField) mapping->start = withHexDigit(mapping->start, character);
  if (parser->field == kEndField) mapping->end = withHexDigit(mapping->end, character);
  if (parser->field == kPermissionsField && parser->length < sizeof(mapping->permissions))
    mapping->permissions[parser->length++] = character;
}

void visitMappings(struct Control *control, void (*visit)(struct Control *, const struct Mapping *)) {
  struct Parser parser;
  clearParser(&parser);
  long offset = 0;
  for (;;) {
    const long count = call4(SYS_pread64, kMapsFd, (long)control->readBuffer, kReadBytes, offset);
    if (count <= 0) return;
    offset += count;
    for (long i = 0; i < count; i++) {
      if (control->readBuffer[i] != '\n') {
        takeCharacter(&parser, control->readBuffer[i]);
        continue;
      }
      visit(control, &parser.mapping);
      clearParser(&parser);
    }
  }
}

static int beginsWith(const char *text, const char *beginning) {
  while (*beginning && *text == *beginning) text++, beginning++;
  return *beginning == '\0';
}

/* Files below /dev that are memory all the same. */
static int isMemoryBelowDev(const char *name) {
  return beginsWith(name, "/dev/shm/") || beginsWith(name, "/dev/zero") || beginsWith(name, "/dev/hugepages");
}

static enum MappingKind kindOfShared(const char *name) {
  if (beginsWith(name, "/[aio]")) return kAioContext;
  if (beginsWith(name, "/SYSV") || beginsWith(name, "anon_inode:") || beginsWith(name, "socket:")) return kDevice;
  if (beginsWith(name, "/sys/") || beginsWith(name, "/proc/") || beginsWith(name, "/dmabuf:")) return kDevice;
  if (beginsWith(name, "/dev/") && !isMemoryBelowDev(name)) return kDevice;
  return kSharedMemory;
}

enum MappingKind kindOf(const struct Mapping *mapping) {
  const char *name = mapping->name;
  if (mapping->permissions[3] == 's') return kindOfShared(name);
  if (*name == '\0' || beginsWith(name, "[heap]") || beginsWith(name, "[anon:")) return kAnonymous;
  if (*name == '[') return kLeave;
  if (beginsWith(name, "/dev/") && !isMemoryBelowDev(name)) return kDevice;
  return mapping->permissions[1] == 'w' ? kPrivateFile : kLeave;
}
