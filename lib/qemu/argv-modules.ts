/** Modules of memory as QEMU's arguments. Pure. */
import type { Domain } from '../domain/definition.ts';
import type { MemoryModule } from '../domain/numa.ts';
import { memoryBackend } from './argv-memory.ts';
import { device, given, json } from './arguments.ts';

/** A back end and a device for each. */
export function moduleArguments(domain: Domain): string[] {
  return domain.memoryModules.flatMap((one) => [...json('-object', backend(domain, one)), ...module(one)]);
}

function backend(domain: Domain, { slot, sizeBytes, node, access, discard, pageBytes, nodes }: MemoryModule): object {
  const cell = { id: node, access, discard };
  return memoryBackend(domain, { id: backendOf(slot), bytes: sizeBytes, cell, pageBytes, nodes });
}

function module({ slot, node, base }: MemoryModule): string[] {
  const place = { node, memdev: backendOf(slot), id: `dimm${slot}`, slot, ...given('addr', base) };
  return device({ driver: 'pc-dimm', ...place });
}

function backendOf(slot: number): string {
  return `memdimm${slot}`;
}
