/** Rules on how much of the host a domain may have. */
import { findAll, valueAt, type Known } from './known.ts';
import { pageSize, sizeAt } from './memory.ts';
import { maxPins } from './parse-tuning.ts';
import type { Problem } from './problems.ts';
import { at, repeats, when, type Ruled } from './rule.ts';

/** What is wrong with memory, CPUs and limits. */
export function brokenTuning(known: Known, domain: Ruled): Problem[] {
  return [
    ...brokenMemory(known),
    ...brokenPages(known, domain),
    ...brokenMemtune(known, domain),
    ...brokenVcpus(known, domain),
    ...brokenPins(known, domain),
    ...repeatedPaths(known, domain),
  ];
}

function brokenMemory(domain: Known): Problem[] {
  const memory = sizeAt(domain, '/domain/memory');
  const current = sizeAt(domain, '/domain/currentMemory');
  const tooLarge = 'more memory than there is on any host';
  const problems: Problem[] = [];
  if (memory === null) problems.push(at(domain, '/domain/memory', tooLarge, 'check the unit'));
  if (current === null) problems.push(at(domain, '/domain/currentMemory', tooLarge, 'check the unit'));
  // libvirt lowers it without a word.
  if (typeof memory === 'number' && typeof current === 'number' && current > memory) {
    const hint = 'make it at most <memory>, or leave it out';
    problems.push(at(domain, '/domain/currentMemory', 'the current memory is more than <memory>', hint));
  }
  return problems;
}

const pageKey = '/domain/memoryBacking/hugepages/page';

function brokenPages(known: Known, domain: Ruled): Problem[] {
  const pages = findAll(known, '/domain/memoryBacking/hugepages', pageKey);
  const hint = "x86 has pages of 2 MiB and 1 GiB: write for example size='2' unit='MiB'";
  const general = pages.filter((page) => valueAt(page, `${pageKey}/@nodeset`) === undefined);
  return [
    ...pages.flatMap((page) => {
      const bytes = pageSize(page) ?? 0;
      const isNone = bytes <= 4096 || !Number.isInteger(Math.log2(bytes));
      return when(isNone, page, pageKey, 'no huge page has this size', hint);
    }),
    ...general
      .slice(1)
      .map((page) => at(page, pageKey, 'another size is that of every node', 'add a nodeset, or keep one')),
    ...brokenNodePages(known, domain),
  ];
}

function brokenNodePages(known: Known, { cpu, memoryBacking: { nodePages } }: Ruled): Problem[] {
  const cells = nodePages.flatMap((page) => page.cells);
  const count = Math.max(1, cpu?.numa.length ?? 0);
  const isTwice = new Set(cells).size < cells.length;
  const none = cells.find((cell) => cell >= count);
  const twice = 'a node has pages of two sizes';
  return [
    ...when(isTwice, known, '/domain/memoryBacking/hugepages', twice, 'name each node in one nodeset'),
    ...when(none !== undefined, known, pageKey, `the guest has no node ${none}`, 'add it to <cpu><numa>'),
  ];
}

function brokenMemtune(known: Known, { memtune }: Ruled): Problem[] {
  const { hardLimitBytes: hard, softLimitBytes: soft, swapHardLimitBytes: swap } = memtune;
  const softKey = '/domain/memtune/soft_limit';
  const swapKey = '/domain/memtune/swap_hard_limit';
  const withMemory = 'it counts memory and swap together: add <hard_limit>, and make this at least as much';
  return [
    ...when(
      soft !== null && hard !== null && soft > hard,
      known,
      softKey,
      'the soft limit is above <hard_limit>',
      'make it less',
    ),
    ...when(
      swap !== null && (hard === null || swap < hard),
      known,
      swapKey,
      'there is no <hard_limit> below it',
      withMemory,
    ),
  ];
}

function brokenVcpus(known: Known, { vcpus, currentVcpus, cpu }: Ruled): Problem[] {
  const { sockets = 1, dies = 1, cores = 1, threads = 1 } = cpu?.topology ?? {};
  const product = cpu?.topology ? sockets * dies * cores * threads : vcpus;
  const atOnce = `${currentVcpus} vCPUs at the start are more than the ${vcpus} there are`;
  const shaped = `the topology has ${product} CPUs, <vcpu> says ${vcpus}`;
  return [
    ...when(currentVcpus > vcpus, known, '/domain/vcpu', atOnce, 'make the attribute current at most the number'),
    ...when(product !== vcpus, known, '/domain/cpu/topology', shaped, 'make them the same number'),
  ];
}

function brokenPins(known: Known, { vcpus, cputune }: Ruled): Problem[] {
  const elements = findAll(known, '/domain/cputune', '/domain/cputune/vcpupin');
  const isRepeated = repeats(cputune.vcpuPins.map(({ vcpu }) => vcpu));
  const tooMany = `there are more than ${maxPins} pins`;
  return elements.slice(0, maxPins + 1).flatMap((element, index) => {
    const { vcpu } = cputune.vcpuPins[index] ?? {};
    if (vcpu === undefined) return [at(element, '/domain/cputune/vcpupin', tooMany, 'pin fewer vCPUs')];
    const none = `there is no vCPU ${vcpu}; there are ${vcpus}, from 0 on`;
    return [
      ...when(vcpu >= vcpus, element, '/domain/cputune/vcpupin', none, 'remove the pin, or add vCPUs'),
      ...when(isRepeated(index), element, '/domain/cputune/vcpupin', `vCPU ${vcpu} is pinned twice`, 'keep one pin'),
    ];
  });
}

function repeatedPaths(known: Known, { blkiotune }: Ruled): Problem[] {
  const isRepeated = repeats(blkiotune.devices.map(({ path }) => path));
  const elements = findAll(known, '/domain/blkiotune', '/domain/blkiotune/device');
  return elements.flatMap((element, index) => {
    const path = valueAt(element, '/domain/blkiotune/device/path') ?? '';
    const message = `${path} has limits already`;
    return when(isRepeated(index), element, '/domain/blkiotune/device', message, 'keep one <device> for each path');
  });
}
