/** Rules on disks. */
import type { Address, Disk } from '../domain/devices.ts';
import { devicesAt, type Known } from './known.ts';
import { quote, type Problem } from './problems.ts';
import { brokenHardware } from './rules-disk-hardware.ts';
import { brokenSources } from './rules-disk-sources.ts';
import { at, each, repeats, type Ruled, type Told } from './rule.ts';

/** What is wrong with disks. */
export function brokenDisks(known: Known, domain: Ruled): Problem[] {
  return [
    ...repeatedTargets(known, domain),
    ...each(known, '/domain/devices/disk', domain.disks, (disk) => [
      brokenSource(disk),
      brokenBus(disk),
      brokenAddress(disk),
      brokenDriver(disk),
      ...brokenHardware(disk),
      ...brokenSources(disk),
    ]),
  ];
}

function repeatedTargets(known: Known, { disks }: Ruled): Problem[] {
  const isRepeated = repeats(disks.map(({ target }) => target));
  return devicesAt(known, '/domain/devices/disk').flatMap((disk, index) => {
    const message = `another disk is ${quote(disks[index]?.target ?? '')} already`;
    const hint = 'give each disk a target of its own';
    return isRepeated(index) ? [at(disk, '/domain/devices/disk/target', message, hint)] : [];
  });
}

function brokenSource({ source, device }: Disk): Told | null {
  if (source !== null || device !== 'disk') return null;
  return ['<source> is missing', "add <source file='...'/>; only a cdrom or floppy may be empty"];
}

function brokenBus({ bus, device, serial, driver }: Disk): Told | null {
  if ((bus === 'fdc') !== (device === 'floppy'))
    return ['floppies are on an fdc bus, and nothing else is', "write device='floppy' and bus='fdc', or neither"];
  const isTold = serial !== null || driver.errorPolicy !== null || driver.readErrorPolicy !== null;
  if (bus === 'fdc' && isTold) return ['a floppy has no serial and no error policy', 'remove them'];
  if (bus !== 'virtio' || device !== 'cdrom') return null;
  return ['there is no cdrom on a virtio bus', "write bus='sata', bus='scsi' or bus='ide'"];
}

const addressTypes = { virtio: 'pci', scsi: 'drive', sata: 'drive', ide: 'drive', usb: 'usb', fdc: 'drive' } as const;

function brokenAddress({ bus, address }: Disk): Told | null {
  if (address === null) return null;
  const type = addressTypes[bus];
  if (address.type !== type)
    return [`a disk on a ${bus} bus has no ${address.type} address`, `write <address type='${type}' .../>`];
  const room = address.type === 'drive' ? whyNoRoom(bus, address) : null;
  return room === null ? null : [room, 'choose a free place on the controller'];
}

function whyNoRoom(bus: Disk['bus'], drive: Extract<Address, { type: 'drive' }>): string | null {
  if (bus === 'fdc') return whyNoFloppy(drive);
  const isIde = drive.target === 0 && drive.bus <= 1 && drive.unit <= 1;
  const isSata = drive.target === 0 && drive.bus === 0 && drive.unit <= 5;
  if (bus === 'ide' && !isIde) return 'an ide controller has bus 0 and 1 with unit 0 and 1 each';
  return bus === 'sata' && !isSata ? 'a sata controller has bus 0 with unit 0 to 5' : null;
}

function whyNoFloppy({ controller, bus, target, unit }: Extract<Address, { type: 'drive' }>): string | null {
  const isThere = controller === 0 && bus === 0 && target === 0 && unit <= 1;
  return isThere ? null : 'the floppy controller has bus 0 with unit 0 and 1';
}

function brokenDriver({ bus, driver }: Disk): Told | null {
  if (driver.queues !== null && bus !== 'virtio')
    return [`a disk on a ${bus} bus has no queues`, 'remove the attribute queues'];
  const isDirect = driver.cache === 'none' || driver.cache === 'directsync';
  return driver.io === 'native' && !isDirect
    ? ["io='native' needs a disk past the host's cache", "add cache='none' or cache='directsync'"]
    : null;
}
