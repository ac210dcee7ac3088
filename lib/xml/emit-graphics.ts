/** Graphics servers and cards -> XML. */
import type { Video } from '../domain/devices.ts';
import type { Dbus, Graphics, Sdl, Spice, Vnc } from '../domain/graphics.ts';
import { addressTag } from './addresses.ts';
import { acpiTag } from './emit-disks.ts';
import { onOff, tag, yesNo, type Tag } from './serialize.ts';
import { driverTag } from './virtio-driver.ts';

/** `<graphics>`. */
export function graphics(one: Graphics): Tag {
  const { type } = one;
  switch (one.type) {
    case 'vnc':
      return tag('graphics', { type, ...place(one), ...vncAttributes(one) }, [listen(one)]);
    case 'spice':
      return tag('graphics', { type, ...place(one), keymap: one.keymap, defaultMode: one.defaultMode }, [
        listen(one),
        ...spiceParts(one),
      ]);
    case 'egl-headless':
      return tag('graphics', { type }, [one.renderNode === null ? null : tag('gl', { rendernode: one.renderNode })]);
    case 'sdl':
      return sdl(one);
    case 'dbus':
      return dbus(one);
  }
}

function sdl({ display, xauth, fullscreen, gl }: Sdl): Tag {
  const attributes = { type: 'sdl', display, xauth, fullscreen: fullscreen ? 'yes' : null };
  return tag('graphics', attributes, [gl === null ? null : tag('gl', { enable: yesNo(gl) })]);
}

function dbus({ address, gl, audioId }: Dbus): Tag {
  return tag('graphics', { type: 'dbus', p2p: address === null ? 'yes' : null, address }, [
    gl === null ? null : tag('gl', { enable: yesNo(gl.enabled), rendernode: gl.renderNode }),
    audioId === null ? null : tag('audio', { id: audioId }),
  ]);
}

function place({ reach, port, listen: address }: Vnc | Spice): Record<string, string | number | null> {
  return reach === 'port' ? { port: port ?? -1, autoport: yesNo(port === null), listen: address } : {};
}

function listen({ reach, listen: address, socket }: Vnc | Spice): Tag {
  switch (reach) {
    case 'port':
      return tag('listen', { type: 'address', address });
    case 'socket':
      return tag('listen', { type: 'socket', socket });
    case 'none':
      return tag('listen', { type: 'none' });
  }
}

function vncAttributes({ websocket, keymap, sharePolicy, powerControl }: Vnc): Record<string, string | number | null> {
  return { websocket, keymap, sharePolicy, powerControl: yesNo(powerControl) };
}

function spiceParts(spice: Spice): (Tag | null)[] {
  const part = (name: string, attribute: string, given: string | null): Tag | null =>
    given === null ? null : tag(name, { [attribute]: given });
  const { gl } = spice;
  return [
    ...spice.channels.map(({ name, mode }) => tag('channel', { name, mode })),
    part('image', 'compression', spice.imageCompression),
    part('jpeg', 'compression', spice.jpegCompression),
    part('zlib', 'compression', spice.zlibCompression),
    part('playback', 'compression', onOff(spice.playbackCompression)),
    part('streaming', 'mode', spice.streaming),
    part('clipboard', 'copypaste', yesNo(spice.copyPaste)),
    part('mouse', 'mode', spice.mouse),
    part('filetransfer', 'enable', yesNo(spice.fileTransfer)),
    gl === null ? null : tag('gl', { enable: yesNo(gl.enabled), rendernode: gl.renderNode }),
  ];
}

/** `<video>`. */
export function video(one: Video): Tag {
  const { model: type, heads, primary, resolution, accel3d, blob, virtio, acpiIndex, address } = one;
  const kib = (bytes: number | null): number | null => (bytes === null ? null : Math.ceil(bytes / 1024));
  const memory = {
    ram: kib(one.ramBytes),
    vram: kib(one.vramBytes),
    vram64: kib(one.vram64Bytes),
    vgamem: kib(one.vgamemBytes),
  };
  const model = tag('model', { type, ...memory, heads, primary: yesNo(primary), blob: onOff(blob) }, [
    accel3d === null ? null : tag('acceleration', { accel3d: yesNo(accel3d) }),
    resolution === null ? null : tag('resolution', resolution),
  ]);
  return tag('video', {}, [driverTag(virtio), model, acpiTag(acpiIndex), addressTag(address)]);
}
