/** Lines of the table: controllers, what one looks at and types on, and the small devices. */
import { address, integer, wholeNumber } from './numbers.ts';
import { driverLines } from './properties-driver.ts';
import { alias, onPci, onPciOrUsb } from './properties-shapes.ts';
import { virtioModel, virtioModels } from './properties-virtio.ts';
import {
  by,
  first,
  holder,
  ignored,
  missing,
  only,
  part,
  required,
  several,
  told,
  under,
  value,
  whole,
  words,
} from './property.ts';
import { flag, orNothing, path, supported } from './values.ts';

const small = value(wholeNumber(0, 255));
const most = Number.MAX_SAFE_INTEGER;

const usbModels = [
  'none',
  'piix3-uhci',
  'qemu-xhci',
  'nec-xhci',
  'ich9-ehci1',
  'ich9-uhci1',
  'ich9-uhci2',
  'ich9-uhci3',
] as const;

const pciModels = [
  'pci-root',
  'pcie-root',
  'pci-bridge',
  'pcie-root-port',
  'pcie-to-pci-bridge',
  'dmi-to-pci-bridge',
  'pcie-switch-upstream-port',
  'pcie-switch-downstream-port',
] as const;

const noShared = 'remove it; what guests share in /dev/shm would stay on the host when all of them are gone';
const noLease = 'remove it; domctl locks images by itself, and asks no sanlock';
const usePorts = 'remove it; domctl gives a virtio-serial controller as many ports as it needs';

export const devices = {
  '/domain/devices': holder,
  '/domain/devices/emulator': value(path('/usr/bin/qemu-system-x86_64')),
  ...under('/domain/devices/controller', {
    '': several(by('type', null, holder)),
    '/@type': required(only('usb', 'scsi', 'sata', 'ide', 'virtio-serial', 'pci')),
    '/@index': small,
    '[usb]/@model': only(...usbModels),
    '[usb]/@ports': value(wholeNumber(1, 15)),
    '[usb]/master': holder,
    '[usb]/master/@startport': required(value(wholeNumber(0, 15))),
    '[scsi]/@model': part(supported('virtio-scsi', 'lsilogic')),
    '[scsi]/driver': holder,
    '[scsi]/driver/@queues': value(wholeNumber(1, 1024)),
    '[virtio-serial]/@ports': missing(usePorts),
    '[virtio-serial]/@vectors': missing(),
    '[pci]/@model': told(only(...pciModels)),
    '[pci]/model': holder,
    '[pci]/model/@name': only(
      'pci-bridge',
      'pcie-root-port',
      'ioh3420',
      'pcie-pci-bridge',
      'i82801b11-bridge',
      'x3130-upstream',
      'xio3130-downstream',
    ),
    '[pci]/target': holder,
    '[pci]/target/@chassis': small,
    '[pci]/target/@port': value(address(0xff)),
    '[pci]/pcihole64': missing(),
    ...onPci,
  }),
  ...under('/domain/devices/input', {
    '': several(by('type', null, holder)),
    '/@type': required(only('tablet', 'mouse', 'keyboard', 'passthrough', 'evdev')),
    '/@bus': only('usb', 'ps2', 'virtio'),
    '[passthrough]/source': required(holder),
    '[passthrough]/source/@evdev': required(value(path('/dev/input/event0'))),
    '[evdev]/source': required(holder),
    '[evdev]/source/@dev': required(value(path('/dev/input/event0'))),
    '[evdev]/source/@grab': words('all'),
    '[evdev]/source/@repeat': value(flag('on', 'off')),
    '[evdev]/source/@grabToggle': words(
      'ctrl-ctrl',
      'alt-alt',
      'shift-shift',
      'meta-meta',
      'scrolllock',
      'ctrl-scrolllock',
    ),
    ...driverLines,
    ...onPciOrUsb,
  }),
  ...under('/domain/devices/tpm', {
    '': first(holder),
    '/@model': only('tpm-crb', 'tpm-tis'),
    '/backend': required(by('type', null, holder)),
    '/backend/@type': required(only('emulator', 'passthrough', 'external')),
    '/backend[emulator]/@version': only('1.2', '2.0'),
    '/backend[passthrough]/device': holder,
    '/backend[passthrough]/device/@path': required(value(path('/dev/tpm0'))),
    '/backend[external]/source': required(holder),
    '/backend[external]/source/@type': required(only('unix')),
    '/backend[external]/source/@mode': required(only('connect')),
    '/backend[external]/source/@path': required(value(path('/run/vm/swtpm.sock'))),
    ...alias,
  }),
  ...under('/domain/devices/watchdog', {
    '': first(holder),
    '/@model': required(only('i6300esb', 'itco', 'ib700')),
    '/@action': only('reset', 'shutdown', 'poweroff', 'pause', 'none', 'inject-nmi'),
    ...onPci,
  }),
  ...under('/domain/devices/memballoon', {
    '': holder,
    '/@model': required(only(...virtioModels, 'none')),
    '/@autodeflate': value(flag('on', 'off')),
    '/@freePageReporting': value(flag('on', 'off')),
    '/stats': holder,
    '/stats/@period': required(value(wholeNumber(0, 999_999_999))),
    ...driverLines,
    ...onPci,
  }),
  ...under('/domain/devices/rng', {
    '': several(holder),
    '/@model': required(virtioModel),
    ...driverLines,
    '/rate': holder,
    '/rate/@bytes': required(value(integer(1, most))),
    '/rate/@period': value(wholeNumber(1, 999_999_999)),
    '/backend': required(by('model', null, holder)),
    '/backend/@model': required(only('random', 'builtin')),
    '/backend[random]': value(orNothing(path('/dev/urandom'))),
    ...onPci,
  }),
  ...under('/domain/devices/panic', {
    '': first(holder),
    '/@model': only('isa', 'pvpanic'),
    '/address': whole(by('type', null, holder)),
    '/address/@type': required(ignored(part(supported('isa')))),
    '/address[isa]/@iobase': ignored(value(supported('0x505'))),
    ...alias,
  }),
  '/domain/devices/shmem': several(missing(noShared)),
  '/domain/devices/lease': several(missing(noLease)),
  '/domain/devices/nvram': missing(),
} as const;
