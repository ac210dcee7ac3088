/** Lines of the table: graphics servers and cards. */
import { vncPort, wholeNumber } from './numbers.ts';
import { driverLines } from './properties-driver.ts';
import { acpiIndex, onPci } from './properties-shapes.ts';
import { by, first, holder, ignored, missing, only, part, required, several, under, value, words } from './property.ts';
import {
  busAddress,
  flag,
  hostName,
  keymap,
  orDefault,
  path,
  socketPath,
  supported,
  supportedBut,
  text,
  xDisplay,
} from './values.ts';

const other = "write <graphics type='vnc'/> or type='spice'";
const secret = 'remove it; listen on 127.0.0.1 or a socket, and let ssh ask who comes';
const yesNo = value(flag('yes', 'no'));
const onOff = value(flag('on', 'off'));
const renderNode = value(path('/dev/dri/renderD128'));
const insecure = only('any', 'insecure');

/** Any port; libvirt's -1 means that one is chosen. */
const spicePort = value(orDefault('-1', wholeNumber(1, 65535)));

// Of both servers.
const server = {
  '/@autoport': yesNo,
  '/@listen': value(hostName),
  '/@keymap': value(keymap),
  '/@passwd': missing(secret),
  '/@passwdValidTo': missing(secret),
  '/@connected': missing(secret),
  '/listen': first(by('type', null, holder)),
  '/listen/@type': required(only('address', 'socket', 'none')),
  '/listen[address]/@address': value(hostName),
  '/listen[socket]/@socket': value(socketPath),
} as const;

const spice = under('[spice]', {
  // What a running machine without TLS has.
  '/@tlsPort': ignored(value(supported('-1', '0'))),
  '/@defaultMode': insecure,
  '/channel': several(holder),
  '/channel/@name': required(
    words('main', 'display', 'inputs', 'cursor', 'playback', 'record', 'smartcard', 'usbredir'),
  ),
  '/channel/@mode': required(insecure),
  '/image': holder,
  '/image/@compression': required(words('auto_glz', 'auto_lz', 'quic', 'glz', 'lz', 'off')),
  '/jpeg': holder,
  '/jpeg/@compression': required(words('auto', 'never', 'always')),
  '/zlib': holder,
  '/zlib/@compression': required(words('auto', 'never', 'always')),
  '/playback': holder,
  '/playback/@compression': required(onOff),
  '/streaming': holder,
  '/streaming/@mode': required(words('filter', 'all', 'off')),
  '/mouse': holder,
  '/mouse/@mode': required(words('server', 'client')),
  '/clipboard': holder,
  '/clipboard/@copypaste': required(yesNo),
  '/filetransfer': holder,
  '/filetransfer/@enable': required(yesNo),
  '/gl': holder,
  '/gl/@enable': required(yesNo),
  '/gl/@rendernode': renderNode,
});

export const graphics = {
  ...under('/domain/devices/graphics', {
    '': several(by('type', null, holder)),
    '/@type': required(
      part(supportedBut({ rdp: other, desktop: other }, 'vnc', 'spice', 'egl-headless', 'sdl', 'dbus')),
    ),
    ...under('[vnc]', server),
    '[vnc]/@port': value(vncPort),
    '[vnc]/@socket': value(socketPath),
    '[vnc]/@websocket': value(wholeNumber(1, 65535)),
    '[vnc]/@sharePolicy': words('allow-exclusive', 'force-shared', 'ignore'),
    '[vnc]/@powerControl': yesNo,
    ...under('[spice]', server),
    '[spice]/@port': spicePort,
    ...spice,
    '[egl-headless]/gl': holder,
    '[egl-headless]/gl/@rendernode': renderNode,
    '[sdl]/@display': value(xDisplay),
    '[sdl]/@xauth': value(path('/root/.Xauthority')),
    '[sdl]/@fullscreen': yesNo,
    '[sdl]/gl': holder,
    '[sdl]/gl/@enable': required(yesNo),
    '[dbus]/@p2p': yesNo,
    '[dbus]/@address': value(busAddress),
    '[dbus]/gl': holder,
    '[dbus]/gl/@enable': required(yesNo),
    '[dbus]/gl/@rendernode': renderNode,
    '[dbus]/audio': holder,
    '[dbus]/audio/@id': required(value(wholeNumber(1, 255))),
    // libvirt has none for what is no device.
    '/alias': holder,
    '/alias/@name': ignored(value(text)),
  }),
  ...under('/domain/devices/video', {
    '': several(holder),
    '/model': required(by('type', null, holder)),
    '/model/@type': required(only('vga', 'cirrus', 'virtio', 'bochs', 'qxl', 'ramfb', 'none')),
    '/model/@vram': value(wholeNumber(1, 4_194_304)),
    '/model[qxl]/@ram': value(wholeNumber(1, 4_194_304)),
    '/model[qxl]/@vram64': value(wholeNumber(0, 4_194_304)),
    '/model[qxl]/@vgamem': value(wholeNumber(1, 4_194_304)),
    '/model/@heads': value(wholeNumber(1, 16)),
    '/model/@primary': yesNo,
    '/model[virtio]/@blob': onOff,
    '/model/resolution': holder,
    '/model/resolution/@x': required(value(wholeNumber(1, 65535))),
    '/model/resolution/@y': required(value(wholeNumber(1, 65535))),
    '/model/acceleration': holder,
    '/model/acceleration/@accel3d': yesNo,
    '/model/acceleration/@accel2d': ignored(value(supported('no'))),
    ...driverLines,
    ...acpiIndex,
    ...onPci,
  }),
} as const;
