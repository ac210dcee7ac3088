/** Lines of the table: what a character device is on the host. */
import { wholeNumber } from './numbers.ts';
import { by, holder, ignored, missing, only, part, required, several, under, value, whole, words } from './property.ts';
import { channelName, flag, hostName, path, socketPath, supported, supportedBut, text } from './values.ts';

const onOff = value(flag('on', 'off'));
const yesNo = value(flag('yes', 'no'));
const log = path('/var/log/domctl/web1-serial.log');
const port = value(wholeNumber(1, 65535));
const other = "write type='unix', whose socket other programs can have";

const reconnect = {
  '/source/reconnect': holder,
  '/source/reconnect/@enabled': required(yesNo),
  '/source/reconnect/@timeout': value(wholeNumber(1, 999_999)),
} as const;

/** Of whatever uses a character device. */
export const backendLines = {
  '/@type': required(
    part(
      supportedBut(
        { nmdm: other },
        ...(['pty', 'null', 'file', 'unix', 'tcp', 'udp', 'pipe', 'dev', 'stdio', 'vc'] as const),
        ...(['spicevmc', 'spiceport', 'qemu-vdagent', 'dbus'] as const),
      ),
    ),
  ),
  // Of a running machine: the terminal it has got.
  '[pty]/@tty': ignored(value(text)),
  '[pty]/source': holder,
  '[pty]/source/@path': ignored(value(text)),
  '[file]/source': required(holder),
  '[file]/source/@path': required(value(log)),
  '[file]/source/@append': onOff,
  '[dev]/source': required(holder),
  '[dev]/source/@path': required(value(path('/dev/ttyS0'))),
  '[pipe]/source': required(holder),
  '[pipe]/source/@path': required(value(path('/run/web1.pipe'))),
  '[unix]/source': holder,
  '[unix]/source/@mode': words('bind', 'connect'),
  '[unix]/source/@path': value(socketPath),
  ...under('[unix]', reconnect),
  '[tcp]/source': required(holder),
  '[tcp]/source/@mode': required(words('bind', 'connect')),
  '[tcp]/source/@host': required(value(hostName)),
  '[tcp]/source/@service': required(port),
  '[tcp]/source/@tls': ignored(value(supported('no'))),
  ...under('[tcp]', reconnect),
  '[tcp]/protocol': holder,
  '[tcp]/protocol/@type': only('raw', 'telnet'),
  // One to send to, one to listen on.
  '[udp]/source': several(whole(holder)),
  '[udp]/source/@mode': required(words('bind', 'connect')),
  '[udp]/source/@host': value(hostName),
  '[udp]/source/@service': port,
  '[spiceport]/source': required(holder),
  '[spiceport]/source/@channel': required(value(channelName)),
  '[dbus]/source': required(holder),
  '[dbus]/source/@channel': required(value(channelName)),
  '[qemu-vdagent]/source': holder,
  '[qemu-vdagent]/source/clipboard': holder,
  '[qemu-vdagent]/source/clipboard/@copypaste': required(yesNo),
  '[qemu-vdagent]/source/mouse': holder,
  '[qemu-vdagent]/source/mouse/@mode': required(words('server', 'client')),
  '/source/seclabel': missing(),
} as const;

/** Of a device that is nothing but a line. */
export const backend = {
  '': several(by('type', null, holder)),
  ...backendLines,
  '/log': holder,
  '/log/@file': required(value(log)),
  '/log/@append': onOff,
} as const;
