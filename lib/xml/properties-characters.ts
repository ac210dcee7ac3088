/** Lines of the table: serial ports, consoles and channels, and what they are on the host. */
import { wholeNumber } from './numbers.ts';
import { alias, onVirtioSerial } from './properties-shapes.ts';
import { by, holder, ignored, only, required, several, told, under, value, words } from './property.ts';
import { channelName, flag, hostName, path, socketPath, supported, text } from './values.ts';

// QEMU has four ISA serial ports.
const isaPort = wholeNumber(0, 3);
const onOff = value(flag('on', 'off'));
const log = path('/var/log/domctl/web1-serial.log');

const backend = {
  '': several(by('type', null, holder)),
  '/@type': required(only('pty', 'null', 'file', 'unix', 'tcp')),
  // Of a running machine: the terminal it has got.
  '[pty]/@tty': ignored(value(text)),
  '[pty]/source': holder,
  '[pty]/source/@path': ignored(value(text)),
  '[file]/source': required(holder),
  '[file]/source/@path': required(value(log)),
  '[file]/source/@append': onOff,
  '[unix]/source': holder,
  '[unix]/source/@mode': words('bind', 'connect'),
  '[unix]/source/@path': value(socketPath),
  '[tcp]/source': required(holder),
  '[tcp]/source/@mode': required(words('bind', 'connect')),
  '[tcp]/source/@host': required(value(hostName)),
  '[tcp]/source/@service': required(value(wholeNumber(1, 65535))),
  '[tcp]/source/@tls': ignored(value(supported('no'))),
  '[tcp]/protocol': holder,
  '[tcp]/protocol/@type': only('raw', 'telnet'),
  '/log': holder,
  '/log/@file': required(value(log)),
  '/log/@append': onOff,
} as const;

export const characters = {
  ...under('/domain/devices/serial', {
    ...backend,
    '/target': holder,
    '/target/@type': only('isa-serial'),
    '/target/@port': value(isaPort),
    '/target/model': holder,
    '/target/model/@name': only('isa-serial'),
    ...alias,
  }),
  ...under('/domain/devices/console', {
    ...backend,
    '/target': holder,
    '/target/@type': only('serial', 'virtio'),
    '/target/@port': value(wholeNumber(0, 30)),
    ...onVirtioSerial,
  }),
  ...under('/domain/devices/channel', {
    ...backend,
    '/target': required(holder),
    '/target/@type': required(only('virtio')),
    '/target/@name': told(value(channelName)),
    // Of a running machine.
    '/target/@state': ignored(value(text)),
    ...onVirtioSerial,
  }),
} as const;
