/** Floppy drives as QEMU's arguments. Pure. Owns how the controller is told what to boot from. */
import type { Domain } from '../domain/definition.ts';
import type { Disk } from '../domain/devices.ts';
import type { BootOrder } from './argv-boot.ts';
import { device, impossible } from './arguments.ts';
import { driveOf } from './drive-address.ts';
import { machineFamily } from './machine-family.ts';

/**
 * The controller and its boot order: the board of `pc` has one by itself, `q35` gets one where a floppy drive or the
 * definition wants it.
 */
export function floppyController(domain: Domain, disks: readonly Disk[], boot: BootOrder): string[] {
  const floppies = disks.filter(({ bus }) => bus === 'fdc');
  const order = Object.fromEntries(floppies.flatMap((each) => bootIndex(each, boot)));
  const family = machineFamily(domain.os.machine);
  if (family === 'pc') return Object.entries(order).flatMap(([name, index]) => ['-global', `isa-fdc.${name}=${index}`]);
  if (floppies.length === 0) return [];
  if (family === 'other') {
    throw impossible('this machine type has no floppy drives', "use machine='q35' or 'pc', or remove the floppies");
  }
  return device({ driver: 'isa-fdc', id: 'fdc0', ...order });
}

function bootIndex(disk: Disk, boot: BootOrder): [string, number][] {
  const index = boot.get(disk);
  return index === undefined ? [] : [[driveOf(disk)?.unit === 0 ? 'bootindexA' : 'bootindexB', index]];
}

/** The drive itself; its bootindex is its controller's. */
export function floppyDrive({ unit }: { readonly unit: number }, settings: object): string[] {
  return device({ driver: 'floppy', unit, ...settings });
}
