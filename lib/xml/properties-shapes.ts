/** Lines that many devices share: where a device sits, what libvirt calls it, when it is booted from. */
import { address as number, integer } from './numbers.ts';
import { by, holder, ignored, only, required, value, whole } from './property.ts';
import { flag, text, usbPort } from './values.ts';

/** Of every device: its name in libvirt. domctl's devices are named by their order. */
export const alias = {
  '/alias': holder,
  '/alias/@name': ignored(value(text)),
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

/** An input device. */
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

/** A console or channel. */
export const onVirtioSerial = {
  ...alias,
  '/address': whole(by('type', null, holder)),
  '/address/@type': required(only('virtio-serial')),
  '/address[virtio-serial]/@controller': value(number(0xff)),
  '/address[virtio-serial]/@bus': value(number(0xff)),
  '/address[virtio-serial]/@port': value(number(0x1ff)),
} as const;

/** Place in the boot order of devices. */
export const boot = {
  '/boot': holder,
  '/boot/@order': required(value(integer(1, 9999))),
} as const;
