/** Room for memory, and the modules in it -> XML. */
import type { Domain } from '../domain/definition.ts';
import type { MemoryModule } from '../domain/numa.ts';
import { addressTag } from './addresses.ts';
import { memory } from './emit-tuning.ts';
import { tellCpuSet } from './numbers.ts';
import { tag, texted, unlessEmpty, yesNo, type Tag } from './serialize.ts';

/** `<maxMemory>`. */
export function maximum({ maxMemory }: Domain): Tag | null {
  if (maxMemory === null) return null;
  const { bytes, slots } = maxMemory;
  return tag('maxMemory', { slots: slots === 0 ? null : slots, unit: 'KiB' }, Math.ceil(bytes / 1024));
}

/** `<memory>` of `<devices>`. */
export function memoryModule(one: MemoryModule): Tag {
  return tag('memory', { model: one.model, access: one.access, discard: yesNo(one.discard) }, [
    unlessEmpty(
      tag('source', {}, [
        one.pageBytes === null ? null : memory('pagesize', one.pageBytes),
        texted('nodemask', one.nodes && tellCpuSet(one.nodes)),
      ]),
    ),
    target(one),
    one.model === 'dimm'
      ? tag('address', { type: 'dimm', slot: one.slot, base: baseOf(one) })
      : addressTag(one.address),
  ]);
}

function target(one: MemoryModule): Tag {
  const parts = [memory('size', one.sizeBytes), tag('node', {}, one.node)];
  if (one.model === 'dimm') return tag('target', {}, parts);
  const base = baseOf(one);
  return tag('target', { dynamicMemslots: yesNo(one.dynamicSlots) }, [
    ...parts,
    memory('block', one.blockBytes),
    memory('requested', one.requestedBytes),
    base === null ? null : tag('address', { base }),
  ]);
}

function baseOf({ base }: MemoryModule): string | null {
  return base === null ? null : `0x${base.toString(16)}`;
}
