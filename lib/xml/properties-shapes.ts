/** Lines that many devices share: where a device sits, what libvirt calls it, when it is booted from. */
import { address as number, integer, wholeNumber } from './numbers.ts';
import { by, holder, only, required, value, whole } from './property.ts';
import { deviceAlias, flag, orNothing, path, usbPort } from './values.ts';

/** Of every device: the name that the definition has for it. libvirt's own are by order, as are domctl's. */
export const alias = {
  '/alias': holder,
  '/alias/@name': value(deviceAlias),
} as const;

const pci = {
  '/address[pci]/@domain': value(number(0xffff)),
  '/address[pci]/@bus': value(number(0xff)),
  '/address[pci]/@slot': value(number(0x1f)),
  '/address[pci]/@function': value(number(7)),
  '/address[pci]/@multifunction': value(flag('on', 'off')),
} as const;

/** A device on a PCI bus, or of a kind that libvirt puts on one. */
export const onPci = {
  ...alias,
  '/address': whole(by('type', null, holder)),
  '/address/@type': required(only('pci')),
  ...pci,
} as const;

const usb = {
  '/address[usb]/@bus': value(number(0xff)),
  '/address[usb]/@port': required(value(usbPort)),
} as const;

/** A device that is for either. */
export const onPciOrUsb = {
  ...alias,
  '/address': whole(by('type', null, holder)),
  '/address/@type': required(only('pci', 'usb')),
  ...pci,
  ...usb,
} as const;

/** A disk. */
export const onAnyBus = {
  ...alias,
  '/address': whole(by('type', null, holder)),
  '/address/@type': required(only('pci', 'drive', 'usb')),
  ...pci,
  ...usb,
  '/address[drive]/@controller': value(number(0xff)),
  '/address[drive]/@bus': value(number(0xff)),
  '/address[drive]/@target': value(number(0xff)),
  '/address[drive]/@unit': value(number(0x3fff)),
} as const;

const isa = {
  '/address[isa]/@iobase': value(number(0xffff)),
  '/address[isa]/@irq': value(number(0xff)),
} as const;

const virtioSerial = {
  '/address[virtio-serial]/@controller': value(number(0xff)),
  '/address[virtio-serial]/@bus': value(number(0xff)),
  '/address[virtio-serial]/@port': value(number(0x1ff)),
} as const;

/** A device on the ISA bus. */
export const onIsa = {
  ...alias,
  '/address': whole(by('type', null, holder)),
  '/address/@type': required(only('isa')),
  ...isa,
} as const;

/** A serial port, of whatever bus. */
export const onPciUsbOrIsa = {
  ...alias,
  '/address': whole(by('type', null, holder)),
  '/address/@type': required(only('pci', 'usb', 'isa')),
  ...pci,
  ...usb,
  ...isa,
} as const;

/** A console: virtio's own place, or that of the serial port it doubles. */
export const onLine = {
  ...alias,
  '/address': whole(by('type', null, holder)),
  '/address/@type': required(only('virtio-serial', 'pci', 'usb', 'isa')),
  ...virtioSerial,
  ...pci,
  ...usb,
  ...isa,
} as const;

/** A device on a USB bus alone. */
export const onUsb = {
  ...alias,
  '/address': whole(by('type', null, holder)),
  '/address/@type': required(only('usb')),
  ...usb,
} as const;

/** A card in a reader. */
export const onCcid = {
  ...alias,
  '/address': whole(by('type', null, holder)),
  '/address/@type': required(only('ccid')),
  '/address[ccid]/@controller': value(number(0xff)),
  '/address[ccid]/@slot': value(number(0xff)),
} as const;

/** A channel. */
export const onVirtioSerial = {
  ...alias,
  '/address': whole(by('type', null, holder)),
  '/address/@type': required(only('virtio-serial')),
  ...virtioSerial,
} as const;

/** A number by which the firmware of a guest names a PCI device. */
export const acpiIndex = {
  '/acpi': holder,
  '/acpi/@index': required(value(wholeNumber(1, 16_383))),
} as const;

/** Place in the boot order of devices. */
export const boot = {
  '/boot': holder,
  '/boot/@order': required(value(integer(1, 9999))),
} as const;

/** What a card brings for the firmware. */
export const romLines = {
  '/rom': holder,
  '/rom/@enabled': value(flag('yes', 'no')),
  '/rom/@bar': value(flag('on', 'off')),
  '/rom/@file': value(orNothing(path('/usr/share/qemu/pxe-virtio.rom'))),
} as const;
