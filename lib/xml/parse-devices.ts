/** XML -> controllers, what one looks at and types on, and the small devices. */
import type { Domain } from '../domain/definition.ts';
import type { Graphics, Input, Memballoon, Panic, Rng, Tpm, Video, Watchdog } from '../domain/devices.ts';
import { readAddress } from './addresses.ts';
import { devicesAt, find, has, need, valueAt, type Known } from './known.ts';
import { readControllers } from './parse-controllers.ts';

type Devices = Pick<
  Domain,
  'controllers' | 'inputs' | 'graphics' | 'videos' | 'rngs' | 'tpm' | 'watchdog' | 'panic' | 'memballoon'
>;

/** Everything `properties-devices.ts` has. */
export function readDevices(domain: Known): Devices {
  return {
    controllers: readControllers(domain),
    inputs: devicesAt(domain, '/domain/devices/input').map(readInput),
    graphics: devicesAt(domain, '/domain/devices/graphics').map(readGraphics),
    videos: readVideos(domain),
    rngs: devicesAt(domain, '/domain/devices/rng').map(readRng),
    tpm: has(domain, '/domain/devices/tpm') ? readTpm(domain) : null,
    watchdog: readWatchdog(domain),
    panic: readPanic(domain),
    memballoon: readMemballoon(domain),
  };
}

function readInput(input: Known): Input {
  const type = need(input, '/domain/devices/input/@type');
  return {
    type,
    // libvirt's default on x86: only a tablet has no PS/2 form.
    bus: valueAt(input, '/domain/devices/input/@bus') ?? (type === 'tablet' ? 'usb' : 'ps2'),
    address: readAddress(input, '/domain/devices/input'),
  };
}

/** Address libvirt and QEMU listen on when none is told. */
const loopback = '127.0.0.1';

function readGraphics(graphics: Known): Graphics {
  const given = valueAt(graphics, '/domain/devices/graphics/@socket');
  const socket = valueAt(graphics, '/domain/devices/graphics/listen/@socket') ?? given ?? null;
  const isAuto = valueAt(graphics, '/domain/devices/graphics/@autoport') === true;
  const address = valueAt(graphics, '/domain/devices/graphics/@listen') ?? loopback;
  const hasPort = socket === null && !isAuto;
  return {
    type: need(graphics, '/domain/devices/graphics/@type'),
    port: hasPort ? (valueAt(graphics, '/domain/devices/graphics/@port') ?? null) : null,
    listen: socket === null ? (valueAt(graphics, '/domain/devices/graphics/listen/@address') ?? address) : loopback,
    socket,
    keymap: valueAt(graphics, '/domain/devices/graphics/@keymap') ?? null,
  };
}

/** The first is the primary one when none says it is. */
function readVideos(domain: Known): Video[] {
  const videos = devicesAt(domain, '/domain/devices/video').map(readVideo);
  const hasPrimary = videos.some(({ primary }) => primary);
  return videos.map((video, index) => ({ ...video, primary: hasPrimary ? video.primary : index === 0 }));
}

function readVideo(video: Known): Video {
  const kib = valueAt(video, '/domain/devices/video/model/@vram');
  return {
    model: need(video, '/domain/devices/video/model/@type'),
    vramBytes: kib === undefined ? null : kib * 1024,
    heads: valueAt(video, '/domain/devices/video/model/@heads') ?? null,
    primary: valueAt(video, '/domain/devices/video/model/@primary') ?? false,
    address: readAddress(video, '/domain/devices/video'),
  };
}

function readRng(rng: Known): Rng {
  const type = need(rng, '/domain/devices/rng/backend/@model');
  const bytes = valueAt(rng, '/domain/devices/rng/rate/@bytes');
  const periodMs = valueAt(rng, '/domain/devices/rng/rate/@period') ?? null;
  const path = valueAt(rng, '/domain/devices/rng/backend') ?? '/dev/urandom';
  return {
    model: need(rng, '/domain/devices/rng/@model'),
    backend: type === 'random' ? { type, path } : { type },
    rate: bytes === undefined ? null : { bytes, periodMs },
    address: readAddress(rng, '/domain/devices/rng'),
  };
}

function readTpm(domain: Known): Tpm {
  return {
    model: valueAt(domain, '/domain/devices/tpm/@model') ?? 'tpm-tis',
    version: valueAt(domain, '/domain/devices/tpm/backend/@version') ?? '2.0',
  };
}

function readWatchdog(domain: Known): Watchdog | null {
  const watchdog = find(domain, '/domain/devices/watchdog');
  if (watchdog === undefined) return null;
  return {
    model: need(watchdog, '/domain/devices/watchdog/@model'),
    action: valueAt(watchdog, '/domain/devices/watchdog/@action') ?? 'reset',
    address: readAddress(watchdog, '/domain/devices/watchdog'),
  };
}

function readPanic(domain: Known): Panic | null {
  if (!has(domain, '/domain/devices/panic')) return null;
  return { model: valueAt(domain, '/domain/devices/panic/@model') ?? 'isa' };
}

/** There is always one unless it is said that there is none, as with libvirt. */
function readMemballoon(domain: Known): Memballoon {
  const memballoon = find(domain, '/domain/devices/memballoon');
  return {
    model: valueAt(domain, '/domain/devices/memballoon/@model') ?? 'virtio',
    autodeflate: valueAt(domain, '/domain/devices/memballoon/@autodeflate') ?? false,
    address: memballoon === undefined ? null : readAddress(memballoon, '/domain/devices/memballoon'),
  };
}
