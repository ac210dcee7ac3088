/** XML -> graphics servers and cards. */
import type { Video } from '../domain/devices.ts';
import type { Dbus, Graphics, Sdl, Spice, Vnc } from '../domain/graphics.ts';
import { plainVirtio } from '../domain/virtio.ts';
import { readAddress } from './addresses.ts';
import { devicesAt, find, findAll, need, valueAt, type Known } from './known.ts';
import { readDriver } from './virtio-driver.ts';

const key = '/domain/devices/graphics';

/** Address libvirt and QEMU listen on when none is told. */
const loopback = '127.0.0.1';

/** All of them. */
export function readGraphics(domain: Known): Graphics[] {
  return devicesAt(domain, key).map((graphics) => {
    switch (need(graphics, `${key}/@type`)) {
      case 'vnc':
        return readVnc(graphics);
      case 'spice':
        return readSpice(graphics);
      case 'egl-headless':
        return { type: 'egl-headless', renderNode: valueAt(graphics, `${key}/gl/@rendernode`) ?? null };
      case 'sdl':
        return readSdl(graphics);
      case 'dbus':
        return readDbus(graphics);
    }
  });
}

function readVnc(graphics: Known): Vnc {
  return {
    type: 'vnc',
    ...readServer(graphics, true),
    websocket: valueAt(graphics, `${key}/@websocket`) ?? null,
    sharePolicy: valueAt(graphics, `${key}/@sharePolicy`) ?? null,
    powerControl: valueAt(graphics, `${key}/@powerControl`) ?? null,
  };
}

function readSdl(graphics: Known): Sdl {
  return {
    type: 'sdl',
    display: valueAt(graphics, `${key}/@display`) ?? null,
    xauth: valueAt(graphics, `${key}/@xauth`) ?? null,
    fullscreen: valueAt(graphics, `${key}/@fullscreen`) ?? false,
    gl: valueAt(graphics, `${key}[sdl]/gl/@enable`) ?? null,
  };
}

function readDbus(graphics: Known): Dbus {
  const enabled = valueAt(graphics, `${key}[dbus]/gl/@enable`);
  return {
    type: 'dbus',
    address: valueAt(graphics, `${key}/@address`) ?? null,
    gl: enabled === undefined ? null : { enabled, renderNode: valueAt(graphics, `${key}/gl/@rendernode`) ?? null },
    audioId: valueAt(graphics, `${key}/audio/@id`) ?? null,
  };
}

type Server = Pick<Vnc, 'reach' | 'port' | 'listen' | 'socket' | 'keymap'>;

/** VNC without a port gets one that is free; spice without one listens nowhere unless its ports are automatic. */
function readServer(graphics: Known, isAuto: boolean): Server {
  const port = portOf(graphics, isAuto);
  const given = listenType(graphics);
  const reach: Server['reach'] = given === 'address' ? (port === 'none' ? 'none' : 'port') : given;
  const nowhere = {
    reach,
    port: null,
    listen: loopback,
    socket: null,
    keymap: valueAt(graphics, `${key}/@keymap`) ?? null,
  };
  if (reach === 'port' && port !== 'none') return { ...nowhere, port, listen: readListen(graphics) };
  return reach === 'socket' ? { ...nowhere, socket: readSocket(graphics) } : nowhere;
}

function listenType(graphics: Known): 'address' | 'socket' | 'none' {
  const isSocket = valueAt(graphics, `${key}/@socket`) != null;
  return valueAt(graphics, `${key}/listen/@type`) ?? (isSocket ? 'socket' : 'address');
}

function readListen(graphics: Known): string {
  return valueAt(graphics, `${key}/listen/@address`) ?? valueAt(graphics, `${key}/@listen`) ?? loopback;
}

function readSocket(graphics: Known): string | null {
  return valueAt(graphics, `${key}/listen/@socket`) ?? valueAt(graphics, `${key}/@socket`) ?? null;
}

function portOf(graphics: Known, isAuto: boolean): number | 'none' | null {
  const port = valueAt(graphics, `${key}/@port`);
  if (valueAt(graphics, `${key}/@autoport`) === true) return null;
  return port ?? (isAuto || port === null ? null : 'none');
}

function readSpice(graphics: Known): Spice {
  return {
    type: 'spice',
    ...readServer(graphics, false),
    defaultMode: valueAt(graphics, `${key}/@defaultMode`) ?? null,
    channels: readChannels(graphics),
    imageCompression: valueAt(graphics, `${key}/image/@compression`) ?? null,
    jpegCompression: valueAt(graphics, `${key}/jpeg/@compression`) ?? null,
    zlibCompression: valueAt(graphics, `${key}/zlib/@compression`) ?? null,
    playbackCompression: valueAt(graphics, `${key}/playback/@compression`) ?? null,
    streaming: valueAt(graphics, `${key}/streaming/@mode`) ?? null,
    mouse: valueAt(graphics, `${key}/mouse/@mode`) ?? null,
    copyPaste: valueAt(graphics, `${key}/clipboard/@copypaste`) ?? null,
    fileTransfer: valueAt(graphics, `${key}/filetransfer/@enable`) ?? null,
    gl: readGl(graphics),
  };
}

function readChannels(graphics: Known): Spice['channels'] {
  return findAll(graphics, key, `${key}/channel`).map((channel) => ({
    name: need(channel, `${key}/channel/@name`),
    mode: need(channel, `${key}/channel/@mode`),
  }));
}

function readGl(graphics: Known): Spice['gl'] {
  const enabled = valueAt(graphics, `${key}[spice]/gl/@enable`);
  return enabled === undefined ? null : { enabled, renderNode: valueAt(graphics, `${key}/gl/@rendernode`) ?? null };
}

/** The first is the primary one when none says it is. A domain with a screen and no card gets libvirt's cirrus. */
export function readVideos(domain: Known): Video[] {
  const videos = devicesAt(domain, '/domain/devices/video').map(readVideo);
  if (videos.length === 0 && devicesAt(domain, key).length > 0) return [impliedVideo];
  const hasPrimary = videos.some(({ primary }) => primary);
  return videos.map((video, index) => ({ ...video, primary: hasPrimary ? video.primary : index === 0 }));
}

const impliedVideo: Video = {
  model: 'cirrus',
  vramBytes: null,
  ramBytes: null,
  vram64Bytes: null,
  vgamemBytes: null,
  heads: null,
  primary: true,
  resolution: null,
  accel3d: null,
  blob: null,
  virtio: plainVirtio,
  acpiIndex: null,
  address: null,
};

function readVideo(video: Known): Video {
  const model = '/domain/devices/video/model';
  const bytes = (kib: number | undefined): number | null => (kib === undefined ? null : kib * 1024);
  return {
    model: need(video, `${model}/@type`),
    vramBytes: bytes(valueAt(video, `${model}/@vram`)),
    ramBytes: bytes(valueAt(video, `${model}/@ram`)),
    vram64Bytes: bytes(valueAt(video, `${model}/@vram64`)),
    vgamemBytes: bytes(valueAt(video, `${model}/@vgamem`)),
    heads: valueAt(video, `${model}/@heads`) ?? null,
    primary: valueAt(video, `${model}/@primary`) ?? false,
    resolution: readResolution(video),
    accel3d: readAcceleration(video),
    blob: valueAt(video, `${model}/@blob`) ?? null,
    virtio: readDriver(video),
    acpiIndex: valueAt(video, '/domain/devices/video/acpi/@index') ?? null,
    address: readAddress(video, '/domain/devices/video'),
  };
}

/** Cards that have no 3D are often told so. */
function readAcceleration(video: Known): boolean | null {
  const accel3d = valueAt(video, '/domain/devices/video/model/acceleration/@accel3d') ?? null;
  const isAble = need(video, '/domain/devices/video/model/@type') === 'virtio';
  return accel3d === false && !isAble ? null : accel3d;
}

function readResolution(video: Known): Video['resolution'] {
  const resolution = find(video, '/domain/devices/video/model/resolution');
  if (resolution === undefined) return null;
  return {
    x: need(resolution, '/domain/devices/video/model/resolution/@x'),
    y: need(resolution, '/domain/devices/video/model/resolution/@y'),
  };
}
