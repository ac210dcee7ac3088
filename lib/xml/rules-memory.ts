/** Rules on room for memory, the modules in it, and vCPUs told of one by one. */
import type { VirtioMem } from '../domain/numa.ts';
import { devicesAt, findAll, valueAt, type Known } from './known.ts';
import { sizeAt } from './memory.ts';
import { maxModules, modulePages, moduleSize } from './parse-memory.ts';
import type { Problem } from './problems.ts';
import { at, repeats, when, type Ruled } from './rule.ts';

/** What is wrong with `<maxMemory>`, `<memory model>` and `<vcpus>`. */
export function brokenModules(known: Known, domain: Ruled): Problem[] {
  return [...brokenMaximum(known, domain), ...brokenSlots(known, domain), ...brokenVcpus(known, domain)];
}

function brokenMaximum(known: Known, { memoryBytes, maxMemory, cpu }: Ruled): Problem[] {
  const isHuge = sizeAt(known, '/domain/maxMemory') === null;
  const isLess = !isHuge && maxMemory !== null && maxMemory.bytes < memoryBytes;
  const isEmpty = maxMemory !== null && (cpu?.numa ?? []).some((cell) => cell.memoryBytes === 0);
  const nothing = 'the modules are all the memory there is';
  return [
    ...when(isHuge, known, '/domain/maxMemory', 'more memory than there is on any host', 'check the unit'),
    ...when(isLess, known, '/domain/maxMemory', 'it is less than there is at once', 'make it more'),
    ...when(isEmpty, known, '/domain/memory', nothing, 'count them in <memory>, or add <cpu><numa>'),
  ];
}

const key = '/domain/devices/memory';

function brokenSlots(known: Known, { memoryModules, maxMemory, cpu, features }: Ruled): Problem[] {
  const elements = devicesAt(known, key);
  const slots = maxMemory?.slots ?? 0;
  const isRepeated = repeats(memoryModules.map((one) => (one.model === 'dimm' ? one.slot : null)));
  if (elements.length > maxModules)
    return [at(known, '/domain/devices', `there are more than ${maxModules} modules`, 'make fewer')];
  return elements.flatMap((element, index) => {
    const module = memoryModules[index];
    if (module === undefined) return [];
    if (module.model === 'virtio-mem') return brokenBlocks(element, module, { maxMemory, cpu });
    const { slot, node } = module;
    const noNode = `the guest has no node ${node}`;
    const tooLarge = 'more memory than there is on any host';
    const pages = modulePages(element) ?? 2 ** 21;
    return [
      ...brokenKind(element, 'dimm'),
      ...when(!features.acpi, element, key, 'a guest finds modules by ACPI', 'add <features><acpi/></features>'),
      ...when(slot >= slots, element, key, `there is no slot ${slot}`, "add <maxMemory slots='...'>, or more slots"),
      ...when(isRepeated(index), element, key, `slot ${slot} is taken already`, 'give each module a slot of its own'),
      ...when(node >= (cpu?.numa.length ?? 0), element, key, noNode, 'add it to <cpu><numa>'),
      ...when(moduleSize(element) === null, element, key, tooLarge, 'check the unit'),
      ...when(
        pages <= 4096 || !Number.isInteger(Math.log2(pages)),
        element,
        key,
        'no huge page has this size',
        "write <pagesize unit='MiB'>2</pagesize>",
      ),
    ];
  });
}

/** An address is of the kind its module has. */
function brokenKind(element: Known, kind: 'dimm' | 'pci'): Problem[] {
  const type = valueAt(element, `${key}/address/@type`);
  const isOther = type !== undefined && type !== kind;
  return when(isOther, element, `${key}/address`, `it has no ${type} address`, `write <address type='${kind}' .../>`);
}

function brokenBlocks(
  element: Known,
  module: VirtioMem,
  { maxMemory, cpu }: Pick<Ruled, 'maxMemory' | 'cpu'>,
): Problem[] {
  const { node, sizeBytes, blockBytes, requestedBytes } = module;
  const isEven = Number.isInteger(Math.log2(blockBytes)) && blockBytes >= 2 ** 20;
  const isWhole = sizeBytes % blockBytes === 0 && requestedBytes % blockBytes === 0;
  const noNode = `the guest has no node ${node}`;
  return [
    ...brokenKind(element, 'pci'),
    ...when(maxMemory === null, element, key, 'there is no room for it', "add <maxMemory unit='GiB'>"),
    ...when(node >= (cpu?.numa.length ?? 0), element, key, noNode, 'add it to <cpu><numa>'),
    ...when(moduleSize(element) === null, element, key, 'more memory than there is on any host', 'check the unit'),
    ...when(
      !isEven,
      element,
      `${key}/target/block`,
      'it is no power of two of 1 MiB or more',
      "write <block unit='MiB'>2",
    ),
    ...when(isEven && !isWhole, element, key, 'size and <requested> are not whole blocks', 'make them multiples'),
    ...when(requestedBytes > sizeBytes, element, `${key}/target/requested`, 'it is more than there is', 'make it less'),
  ];
}

/** QEMU makes the first ones at the start; what libvirt would plug in later, or out of order, is another machine. */
function brokenVcpus(known: Known, { vcpus, currentVcpus }: Ruled): Problem[] {
  const one = '/domain/vcpus/vcpu';
  const elements = findAll(known, '/domain/vcpus', one);
  const isRepeated = repeats(elements.map((element) => valueAt(element, `${one}/@id`) ?? null));
  return elements.flatMap((element, index) => {
    const id = valueAt(element, `${one}/@id`) ?? 0;
    const enabled = valueAt(element, `${one}/@enabled`);
    const isLate = enabled === true && valueAt(element, `${one}/@hotpluggable`) === true;
    const wrong = `vCPU ${id} is not as <vcpu current> has it: the first ${currentVcpus} of ${vcpus}`;
    return [
      ...when(id >= vcpus || enabled !== id < currentVcpus, element, one, wrong, 'remove <vcpus>'),
      ...when(isLate, element, one, `vCPU ${id} would be plugged in`, "write hotpluggable='no', or remove <vcpus>"),
      ...when(isRepeated(index), element, one, `vCPU ${id} is told of twice`, 'keep one of them'),
    ];
  });
}
