/** Shared directories as QEMU's arguments. Pure. */
import type { Domain } from '../domain/definition.ts';
import type { Filesystem } from '../domain/devices.ts';
import type { Plan9 } from '../domain/filesystems.ts';
import type { BootOrder } from './argv-boot.ts';
import { virtioDriver, virtioProperties } from './argv-virtio.ts';
import { type Part, given, pciDevice, text } from './arguments.ts';

/** Each behind the socket of its virtiofsd, by index in `filesystems`, or served by the hypervisor itself. */
export function filesystemParts(
  { filesystems }: Domain,
  sockets: ReadonlyMap<number, string>,
  boot: BootOrder,
): Part[] {
  return filesystems.flatMap((one, index) => {
    if (one.plan9 !== null) return servedBy9p(one, one.plan9, index);
    return behindServer(one, { index, socket: sockets.get(index), order: boot.get(one) ?? null });
  });
}

interface Served {
  readonly index: number;
  readonly socket: string | undefined;
  readonly order: number | null;
}

function behindServer({ target, queueSize, address }: Filesystem, { index, socket, order }: Served): Part[] {
  if (socket === undefined) throw new Error(`the directory ${target} has no socket`);
  const chardev = `chr-vu-fs${index}`;
  const properties = { driver: 'vhost-user-fs-pci', id: `fs${index}`, chardev, ...given('queue-size', queueSize) };
  return [
    ...['-chardev', `socket,id=${chardev},path=${text(socket)}`],
    pciDevice('filesystem', address, { ...properties, tag: target, ...given('bootindex', order) }),
  ];
}

const securityModels = { passthrough: 'passthrough', mapped: 'mapped', squash: 'none' } as const;

/** `-fsdev` is text alone: commas in its paths are doubled. */
function servedBy9p(
  { source, target, readonly, model, virtio, address }: Filesystem,
  plan9: Plan9,
  index: number,
): Part[] {
  const fsdev = `fsdev-fs${index}`;
  const settings = [
    `local,security_model=${securityModels[plan9.accessMode]}`,
    ...(plan9.severalDevices === null ? [] : [`multidevs=${plan9.severalDevices}`]),
    ...(plan9.fileMode === null ? [] : [`fmode=${plan9.fileMode}`]),
    ...(plan9.directoryMode === null ? [] : [`dmode=${plan9.directoryMode}`]),
    ...(plan9.writesAtOnce ? ['writeout=immediate'] : []),
    `id=${fsdev},path=${text(source)}`,
    ...(readonly ? ['readonly=on'] : []),
  ];
  const names = { id: `fs${index}`, fsdev, mount_tag: target };
  const properties = { driver: virtioDriver('virtio-9p-pci', model), ...virtioProperties(virtio), ...names };
  return ['-fsdev', settings.join(','), pciDevice('filesystem', address, properties)];
}
