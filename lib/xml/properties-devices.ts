/** Lines of the table: what one looks at and types on, and the small devices. */
import { integer, wholeNumber } from './numbers.ts';
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
  under,
  value,
  whole,
  words,
} from './property.ts';
import { flag, orNothing, path, supported } from './values.ts';

const most = Number.MAX_SAFE_INTEGER;

const noLease = 'remove it; domctl locks images by itself, and asks no sanlock';

export const devices = {
  '/domain/devices': holder,
  '/domain/devices/emulator': value(path('/usr/bin/qemu-system-x86_64')),
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
  '/domain/devices/lease': several(missing(noLease)),
  '/domain/devices/nvram': missing(),
} as const;
