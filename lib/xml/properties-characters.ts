/** Lines of the table: serial and parallel ports, consoles and channels. */
import { wholeNumber } from './numbers.ts';
import { backend } from './properties-backends.ts';
import { onIsa, onLine, onPciUsbOrIsa, onVirtioSerial } from './properties-shapes.ts';
import { by, holder, ignored, only, required, under, value } from './property.ts';
import { channelName, ipAddress, text } from './values.ts';

const port = value(wholeNumber(0, 255));

export const characters = {
  ...under('/domain/devices/serial', {
    ...backend,
    '/target': holder,
    '/target/@type': only('isa-serial', 'isa-debug', 'usb-serial', 'pci-serial'),
    '/target/@port': port,
    '/target/model': holder,
    '/target/model/@name': only('isa-serial', 'isa-debugcon', 'usb-serial', 'pci-serial'),
    ...onPciUsbOrIsa,
  }),
  ...under('/domain/devices/parallel', {
    ...backend,
    '/target': holder,
    '/target/@type': ignored(only('parallel')),
    '/target/@port': port,
    ...onIsa,
  }),
  ...under('/domain/devices/console', {
    ...backend,
    '/target': holder,
    '/target/@type': only('serial', 'virtio'),
    '/target/@port': value(wholeNumber(0, 255)),
    ...onLine,
  }),
  ...under('/domain/devices/channel', {
    ...backend,
    '/target': required(by('type', null, holder)),
    '/target/@type': required(only('virtio', 'guestfwd')),
    '/target[virtio]/@name': value(channelName),
    // Of a running machine.
    '/target[virtio]/@state': ignored(value(text)),
    '/target[guestfwd]/@address': required(value(ipAddress)),
    '/target[guestfwd]/@port': required(value(wholeNumber(1, 65535))),
    ...onVirtioSerial,
  }),
} as const;
