/** The guest that every contender runs: one vCPU, one disk, all memory touched by QEMU before it starts. */
import { chownSync, truncateSync, writeFileSync } from 'node:fs';
import { accelerator, GiB, type Pages } from '../machine.ts';

export interface Guest {
  readonly gib: number;
  readonly pages: Pages;
  /** False: memory is touched by nobody, as in the next incarnation of a restart. */
  readonly touched: boolean;
}

export const nobody = 65534;

export function guestBytes({ gib }: Guest): number {
  return gib * GiB;
}

/** A raw image that the hypervisor's user may write. */
export function makeImage(path: string): string {
  writeFileSync(path, '');
  truncateSync(path, 2 ** 20);
  chownSync(path, nobody, nobody);
  return path;
}

const backings: Readonly<Record<Pages, string>> = {
  '4k': '',
  thp: '',
  memfd: "<source type='memfd'/><access mode='shared'/>",
  hugetlb: "<hugepages><page size='2' unit='MiB'/></hugepages>",
};

interface Definition {
  readonly name: string;
  readonly image: string;
  readonly guest: Guest;
  /** Of `<features>` and `<metadata>`. */
  readonly features?: string;
  readonly metadata?: string;
}

/** libvirt domain XML, the same for both managers. */
export function guestXml({ name, image, guest, features = '', metadata = '' }: Definition): string {
  const allocation = guest.touched ? "<allocation mode='immediate' threads='2'/>" : '';
  return `<domain type='${accelerator === 'kvm' ? 'kvm' : 'qemu'}'>
  <name>${name}</name>
  <uuid>${uuidOf(name)}</uuid>
  <metadata>${metadata}</metadata>
  <memory unit='GiB'>${guest.gib}</memory>
  <memoryBacking>${backings[guest.pages]}${allocation}</memoryBacking>
  <vcpu>1</vcpu>
  <os><type arch='x86_64' machine='q35'>hvm</type></os>
  <features><acpi/>${features}</features>
  <devices>
    <emulator>/usr/bin/qemu-system-x86_64</emulator>
    <disk type='file' device='disk'>
      <driver name='qemu' type='raw'/><source file='${image}'/><target dev='vda' bus='virtio'/>
    </disk>
    <memballoon model='none'/>
  </devices>
</domain>
`;
}

/** Always the same for a name, so that a definition is replaced. */
function uuidOf(name: string): string {
  const hex = Buffer.from(name.padEnd(16, '.').slice(0, 16)).toString('hex');
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}
