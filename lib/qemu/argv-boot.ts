/** Which device a guest boots from first. Pure. Owns how `<boot dev>` becomes the order of single devices. */
import type { BootDevice, Domain } from '../domain/definition.ts';
import type { Disk, Filesystem, Interface } from '../domain/devices.ts';
import type { Hostdev } from '../domain/hostdev.ts';
import type { Redirdev } from '../domain/redirection.ts';

/** Place of a device in the boot order; devices that are not there are not booted from. */
export type BootOrder = ReadonlyMap<Disk | Interface | Redirdev | Hostdev | Filesystem, number>;

/**
 * Each device's own `<boot order>`; without any, the first device of each kind in `<os><boot>`: a place is one number,
 * and those are unique. `disks` are in the order of the command line.
 */
export function bootOrder(domain: Domain, disks: readonly Disk[]): BootOrder {
  const devices = [...disks, ...domain.interfaces];
  const ordered = [...devices, ...domain.redirdevs, ...domain.hostdevs, ...domain.filesystems].flatMap((each) =>
    each.bootOrder === null ? [] : [[each, each.bootOrder] as const],
  );
  if (ordered.length > 0) return new Map(ordered);
  return new Map(
    domain.os.boot.flatMap((kind, index) => {
      const first = devices.find((each) => kindOf(each) === kind);
      return first ? [[first, index + 1] as const] : [];
    }),
  );
}

const kinds = { disk: 'hd', cdrom: 'cdrom', floppy: 'fd' } as const;

function kindOf(each: Disk | Interface): BootDevice {
  if (!('device' in each)) return 'network';
  return kinds[each.device];
}
