/**
 * The guest's devices as QEMU's arguments. Pure. Owns ids, node names and boot indexes;
 * must not know how the process is confined or controlled.
 */
import type { Domain } from '../domain/definition.ts';
import type { Console, Disk, Interface, Serial } from '../domain/devices.ts';

/** Arguments of every device of the domain, controllers first, in the order in which QEMU gives out PCI slots. */
export function deviceArguments(domain: Domain): string[] {
  const ports = domain.consoles.some((each) => each.kind === 'virtio');
  return [
    ...(ports ? device({ driver: 'virtio-serial-pci', id: 'virtio-serial0' }) : []),
    ...diskArguments(domain),
    ...interfaceArguments(domain),
    ...domain.serials.flatMap(serialArguments),
    ...domain.consoles.flatMap(consoleArguments),
    ...(domain.memballoon.model === 'virtio' ? device({ driver: 'virtio-balloon-pci', id: 'balloon0' }) : []),
  ];
}

/** A value inside QEMU's `key=value,key=value` text: a comma would end it, two commas are one. */
export function text(value: string): string {
  return value.replaceAll(',', ',,');
}

/** In order of target, as libvirt keeps them: PCI slots are given out in this order, and so are the guest's names. */
function diskArguments(domain: Domain): string[] {
  const disks = [...domain.disks].sort((a, b) => byTarget(a.target, b.target));
  return disks.flatMap((disk, index) => {
    const node = `libvirt-${disks.length - index}`;
    const blockdevs = disk.format === 'raw' ? rawNodes(disk, node) : qcow2Nodes(disk, node);
    const boot = index === 0 ? bootIndex(domain, 'hd') : {};
    return [...blockdevs.flatMap((each) => json('-blockdev', each)), ...diskDevice(disk, node, index, boot)];
  });
}

/** vdz comes before vdaa. */
function byTarget(a: string, b: string): number {
  return a.length - b.length || (a < b ? -1 : 1);
}

function diskDevice(disk: Disk, node: string, index: number, boot: object): string[] {
  const drive = `${node}-${disk.format === 'raw' ? 'storage' : 'format'}`;
  const share = disk.shareable ? { 'share-rw': true } : {};
  return device({ driver: 'virtio-blk-pci', ...share, drive, id: `virtio-disk${index}`, ...boot });
}

function rawNodes(disk: Disk, node: string): object[] {
  return [{ ...fileNode(disk, node), 'read-only': disk.readonly }];
}

function qcow2Nodes(disk: Disk, node: string): object[] {
  const storage = { ...fileNode(disk, node), 'auto-read-only': true, discard: 'unmap' };
  const format = { 'node-name': `${node}-format`, 'read-only': disk.readonly, driver: 'qcow2' };
  return [storage, { ...format, file: `${node}-storage` }];
}

/** Locking is said, not left to `auto`, which goes without locks where the file system refuses them. */
function fileNode(disk: Disk, node: string): object {
  return { driver: 'file', filename: disk.source?.path, 'node-name': `${node}-storage`, locking: 'on' };
}

const nicDrivers: Readonly<Record<Interface['model'], string>> = {
  virtio: 'virtio-net-pci',
  e1000: 'e1000',
  e1000e: 'e1000e',
  rtl8139: 'rtl8139',
};

function interfaceArguments(domain: Domain): string[] {
  return domain.interfaces.flatMap((nic, index) => {
    const boot = index === 0 ? bootIndex(domain, 'network') : {};
    const names = { netdev: `hostnet${index}`, id: `net${index}` };
    return [
      ...json('-netdev', { type: nic.type, id: names.netdev }),
      ...device({ driver: nicDrivers[nic.model], ...names, mac: nic.mac, ...boot }),
    ];
  });
}

/** Only the first device of a kind is booted from: a place in the boot order is one number, and those are unique. */
function bootIndex(domain: Domain, kind: 'hd' | 'network'): object {
  const place = domain.os.boot.indexOf(kind);
  return place < 0 ? {} : { bootindex: place + 1 };
}

function serialArguments(serial: Serial, index: number): string[] {
  const chardev = `charserial${index}`;
  return [
    ...fileChardev(chardev, serial),
    ...device({ driver: 'isa-serial', chardev, id: `serial${index}`, index: serial.port }),
  ];
}

/** A console of kind serial doubles a serial port that is there already. */
function consoleArguments(console: Console, index: number): string[] {
  if (console.kind === 'serial') return [];
  const chardev = `charconsole${index}`;
  return [...fileChardev(chardev, console), ...device({ driver: 'virtconsole', chardev, id: `console${index}` })];
}

function fileChardev(id: string, { backend }: Pick<Serial, 'backend'>): string[] {
  if (backend.type !== 'file') throw new Error(`${backend.type} is not written yet`);
  const { path, append } = backend;
  const appending = append === null ? '' : `,append=${append ? 'on' : 'off'}`;
  return ['-chardev', `file,id=${id},path=${text(path)}${appending}`];
}

function device(properties: object): string[] {
  return json('-device', properties);
}

function json(option: string, value: object): string[] {
  return [option, JSON.stringify(value)];
}
