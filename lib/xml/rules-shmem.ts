/** Rules on memory that guests share: what each model has, as libvirt has them. */
import { sharedFiles, type Shmem } from '../domain/shmem.ts';
import { devicesAt, has, type Known } from './known.ts';
import { sharedSize } from './parse-shmem.ts';
import type { Problem } from './problems.ts';
import { type Ruled, type Told, when } from './rule.ts';

const key = '/domain/devices/shmem';

/** What is wrong with it. */
export function brokenShmems(known: Known, { shmems }: Ruled): Problem[] {
  const sizes = new Map(sharedFiles(shmems).map(({ name, sizeBytes }) => [name, sizeBytes]));
  return devicesAt(known, key).flatMap((element, index) => {
    const one = shmems[index];
    if (one === undefined) return [];
    const isTorn = one.model === 'ivshmem-plain' && sizes.get(one.name) !== one.sizeBytes;
    const hint = 'give both the same <size>, or each its own name';
    return [
      ...when(isTorn, element, key, 'another <shmem> is the same file, of another size', hint),
      ...(one.model === 'ivshmem-plain' ? brokenFile(element) : brokenServer(element)),
      ...brokenRole(element, one),
    ];
  });
}

const leastBytes = 2 ** 20;

function brokenFile(element: Known): Problem[] {
  const bytes = sharedSize(element);
  const [server, msi]: [Told, Told] = [
    ['only ivshmem-doorbell has a server', "remove it, or write <model type='ivshmem-doorbell'/>"],
    ['only what has a server has interrupts', 'remove it'],
  ];
  const odd: Told = ['it is no power of two of 1 MiB or more', "write <size unit='MiB'>4</size>"];
  const isOdd = bytes !== null && (bytes < leastBytes || !Number.isInteger(Math.log2(bytes)));
  return [
    ...when(has(element, `${key}/server`), element, `${key}/server`, ...server),
    ...when(has(element, `${key}/msi`), element, `${key}/msi`, ...msi),
    ...when(isOdd, element, `${key}/size`, ...odd),
    ...when(bytes === null, element, `${key}/size`, 'more than there is on any host', 'check the unit'),
  ];
}

function brokenServer(element: Known): Problem[] {
  const none: Told = ['ivshmem-doorbell is served by another program', "add <server path='/run/ivshmem.sock'/>"];
  const sized: Told = ['the server has the memory, and says how much', 'remove it'];
  return [
    ...when(!has(element, `${key}/server`), element, key, ...none),
    ...when(has(element, `${key}/size`), element, `${key}/size`, ...sized),
  ];
}

/** libvirt would not tell QEMU, which then lets no such guest migrate: the very `peer`. */
function brokenRole(element: Known, { model, role }: Shmem): Problem[] {
  const isLost = model === 'ivshmem-doorbell' && role === 'master';
  return when(isLost, element, key, 'only ivshmem-plain can be the master', "write role='peer'");
}
