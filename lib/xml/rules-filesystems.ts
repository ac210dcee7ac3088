/** Rules on shared directories. */
import type { Filesystem } from '../domain/devices.ts';
import { isPlainVirtio } from '../domain/virtio.ts';
import { devicesAt, valueAt, type Known } from './known.ts';
import { quote, type Problem } from './problems.ts';
import { each, repeats, when, type Ruled, type Told } from './rule.ts';
import { isInMemfd, sharesMemory } from './shared-memory.ts';

const key = '/domain/devices/filesystem';

/** What is wrong with filesystems. */
export function brokenFilesystems(known: Known, domain: Ruled): Problem[] {
  const { filesystems } = domain;
  const isRepeated = repeats(filesystems.map(({ target }) => target));
  const isShared = isInMemfd(domain) && sharesMemory(domain);
  const unshared = "virtiofs needs the guest's memory shared";
  const share = "add <memoryBacking><source type='memfd'/><access mode='shared'/></memoryBacking>";
  return [
    ...devicesAt(known, key).flatMap((element, index) => {
      const taken = `another filesystem is ${quote(filesystems[index]?.target ?? '')} already`;
      const needsSharing = filesystems[index]?.plan9 === null;
      return [
        ...when(needsSharing && !isShared, element, key, unshared, share),
        ...when(isRepeated(index), element, `${key}/target`, taken, 'give each a tag of its own'),
      ];
    }),
    ...each(known, key, filesystems, (one) => [brokenPlan9(one), brokenServed(one)]),
    ...devicesAt(known, key).flatMap((element, index) => brokenWords(element, filesystems[index])),
  ];
}

/** What is said of 9p alone, and would be lost on virtiofs. */
function brokenWords(element: Known, one: Filesystem | undefined): Problem[] {
  const isMapped = (valueAt(element, `${key}/@accessmode`) ?? 'passthrough') !== 'passthrough';
  const words = ['@multidevs', '@fmode', '@dmode', 'driver/@wrpolicy'] as const;
  const isTold = isMapped || words.some((word) => (valueAt(element, `${key}/${word}`) ?? null) !== null);
  const hint = "remove it, or write <driver type='path'/>";
  return when(
    one?.plan9 === null && isTold,
    element,
    key,
    'virtiofs knows accessmode passthrough only, and no modes',
    hint,
  );
}

const plan9TagBytes = 31;

/** What only virtiofsd can do, and what 9p cannot. */
function brokenPlan9({ plan9, queueSize, binary, server, target, bootOrder }: Filesystem): Told | null {
  if (plan9 === null) return null;
  if (bootOrder !== null)
    return ['firmware reads no kernel over 9p', "remove <boot>, or write <driver type='virtiofs'/>"];
  const { xattr, cache, sandbox, threads } = server;
  const isServed = [queueSize, binary, xattr, cache, sandbox, threads].some((each) => each !== null);
  if (isServed) return ['only virtiofs has a <binary> and a queue', "remove them, or write <driver type='virtiofs'/>"];
  if (plan9.accessMode !== 'mapped' && (plan9.fileMode !== null || plan9.directoryMode !== null))
    return ["modes of new files are for accessmode='mapped'", 'remove fmode and dmode'];
  return Buffer.byteLength(target) > plan9TagBytes
    ? [`a tag of 9p has ${plan9TagBytes} bytes at most`, 'choose a shorter one']
    : null;
}

function brokenServed({ plan9, model, virtio }: Filesystem): Told | null {
  if (plan9 !== null || (model === 'virtio' && isPlainVirtio(virtio))) return null;
  return ['QEMU has one model of virtiofs, without options', 'remove the model and what <driver> says of virtio'];
}
