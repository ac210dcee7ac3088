/** Rules on devices of the host, the ROMs of cards, the store of errors. */
import {
  type Hostdev,
  type MdevHostdev,
  pciName,
  scsiName,
  type ScsiHostdev,
  usbName,
  type UsbHostdev,
} from '../domain/hostdev.ts';
import type { Rom } from '../domain/rom.ts';
import { devicesAt, find, has, valueAt, type Known } from './known.ts';
import { pstoreSize } from './parse-hostdevs.ts';
import type { Problem } from './problems.ts';
import { brokenNetwork } from './rules-disk-sources.ts';
import { each, repeats, when, type Ruled, type Told } from './rule.ts';

/** What is wrong with them. */
export function brokenHostdevs(known: Known, domain: Ruled): Problem[] {
  const { hostdevs, interfaces } = domain;
  const isRepeated = repeats(hostdevs.map(sourceKey));
  const twice: Told = ['another <hostdev> is the same device of the host', 'keep one of them'];
  return [
    ...each(known, '/domain/devices/hostdev', hostdevs, (hostdev, index) => [
      isRepeated(index) ? twice : null,
      brokenPlace(hostdev),
      hostdev.type === 'pci' ? brokenRom(hostdev.rom) : null,
      hostdev.type === 'usb' ? brokenUsb(hostdev, domain) : null,
      hostdev.type === 'mdev' ? brokenScreen(hostdev, domain) : null,
      hostdev.type === 'scsi' ? brokenTarget(hostdev) : null,
    ]),
    ...halfKinds(known),
    ...brokenScsi(known, domain),
    ...each(known, '/domain/devices/interface', interfaces, ({ rom }) => [brokenRom(rom)]),
    ...brokenPstore(known, domain),
  ];
}

function sourceKey(hostdev: Hostdev): string | null {
  switch (hostdev.type) {
    case 'pci':
      return pciName(hostdev.source);
    case 'usb':
      return hostdev.place === null ? null : usbName(hostdev.place);
    case 'mdev':
      return hostdev.uuid;
    case 'scsi':
      return scsiKey(hostdev);
  }
}

/** A server may have several of one name: which host is meant by another is not known. */
function scsiKey({ source }: ScsiHostdev): string | null {
  return source.type === 'adapter' ? scsiName(source) : null;
}

/** One of the two ways to say which device, and all of it. */
function brokenScsi(known: Known, { hostdevs }: Ruled): Problem[] {
  const key = '/domain/devices/hostdev';
  return devicesAt(known, key).flatMap((element, index) => {
    const one = hostdevs[index];
    if (one?.type !== 'scsi') return [];
    const isServed = one.source.type === 'network';
    const [adapter, place] = [has(element, `${key}/source/adapter`), has(element, `${key}/source/address`)];
    const half: Told = ['<adapter> and <address> go together', "add <adapter name='scsi_host0'/> or the <address>"];
    const both: Told = ['it is of a server, and behind an adapter', 'keep one of them'];
    return [
      ...when(!isServed && !(adapter && place), element, key, ...half),
      ...when(isServed && (adapter || place), element, key, ...both),
    ];
  });
}

function brokenTarget({ source }: ScsiHostdev): Told | null {
  return source.type === 'network' ? brokenNetwork(source) : null;
}

/** What the guest's side of each sits on. */
const buses = { usb: 'usb', scsi: 'drive', pci: 'pci', mdev: 'pci' } as const;

function brokenPlace({ type, address }: Hostdev): Told | null {
  const bus = buses[type];
  if (address === null || address.type === bus) return null;
  return [`a device of type ${type} has no ${address.type} address`, `write <address type='${bus}' .../>`];
}

function brokenRom(rom: Rom | null): Told | null {
  const isTorn = rom?.enabled === false && (rom.bar !== null || rom.file !== null);
  return isTorn ? ['a ROM that is switched off has no bar and no file', "write <rom enabled='no'/> alone"] : null;
}

function brokenUsb({ kind, place }: UsbHostdev, { controllers }: Ruled): Told | null {
  if (kind === null && place === null)
    return ['it does not say which device', "add <vendor id='...'/> and <product id='...'/>, or an <address>"];
  const isOff = controllers.some((one) => one.type === 'usb' && one.model === 'none');
  return isOff ? ["USB is switched off by the controller of model 'none'", 'remove the controller'] : null;
}

/** A vendor makes many things, and a number of a product is nobody's. */
function halfKinds(known: Known): Problem[] {
  const key = '/domain/devices/hostdev';
  return devicesAt(known, key).flatMap((element) => {
    const isNamed = (word: 'vendor' | 'product'): boolean =>
      valueAt(element, `${key}/source/${word}/@id`) !== undefined;
    const isHalf = isNamed('vendor') !== isNamed('product');
    return when(isHalf, element, key, '<vendor> and <product> go together', 'add the other one');
  });
}

function brokenScreen({ display, ramfb }: MdevHostdev, { graphics }: Ruled): Told | null {
  if (display && graphics.length === 0) return ['nobody could see its screen', 'add <graphics>'];
  return ramfb === true && !display ? ['ramfb is of a device with a screen', "add display='on'"] : null;
}

/** QEMU divides it into records of that size. */
const recordBytes = 8192;

function brokenPstore(known: Known, { pstore, features }: Ruled): Problem[] {
  const key = '/domain/devices/pstore';
  const element = find(known, key);
  if (pstore === null || element === undefined) return [];
  const isOdd = pstore.sizeBytes % recordBytes !== 0;
  const tooLarge = 'more than there is on any host';
  return [
    ...when(!features.acpi, element, key, 'a guest finds the store by ACPI', 'add <features><acpi/></features>'),
    ...when(isOdd, element, `${key}/size`, 'it is no multiple of 8 KiB', "write <size unit='KiB'>64</size>"),
    ...when(pstoreSize(element) === null, element, `${key}/size`, tooLarge, 'check the unit'),
  ];
}
