/** Room for memory, and the modules in it -> XML. */
import type { Domain } from '../domain/definition.ts';
import type { MemoryModule } from '../domain/numa.ts';
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
  const base = one.base === null ? null : `0x${one.base.toString(16)}`;
  return tag('memory', { model: 'dimm', access: one.access, discard: yesNo(one.discard) }, [
    unlessEmpty(
      tag('source', {}, [
        one.pageBytes === null ? null : memory('pagesize', one.pageBytes),
        texted('nodemask', one.nodes && tellCpuSet(one.nodes)),
      ]),
    ),
    tag('target', {}, [memory('size', one.sizeBytes), tag('node', {}, one.node)]),
    tag('address', { type: 'dimm', slot: one.slot, base }),
  ]);
}
