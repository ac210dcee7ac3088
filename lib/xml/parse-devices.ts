/** XML -> controllers, what one looks at and types on, and the small devices. */
import type { Domain } from '../domain/definition.ts';
import type { EvdevSource, Input, Memballoon, Panic, Rng, Tpm, Watchdog } from '../domain/devices.ts';
import { plainVirtio } from '../domain/virtio.ts';
import { readAddress } from './addresses.ts';
import { devicesAt, find, has, need, valueAt, type Known } from './known.ts';
import { readControllers } from './parse-controllers.ts';
import { readGraphics, readVideos } from './parse-graphics.ts';
import { readAudios, readSounds } from './parse-sound.ts';
import { readDriver } from './virtio-driver.ts';

type Devices = Pick<
  Domain,
  | 'controllers'
  | 'inputs'
  | 'graphics'
  | 'videos'
  | 'sounds'
  | 'audios'
  | 'rngs'
  | 'tpm'
  | 'watchdog'
  | 'panic'
  | 'memballoon'
>;

/** Everything `properties-devices.ts` has. */
export function readDevices(domain: Known): Devices {
  return {
    controllers: readControllers(domain),
    inputs: devicesAt(domain, '/domain/devices/input').map(readInput),
    graphics: readGraphics(domain),
    videos: readVideos(domain),
    sounds: readSounds(domain),
    audios: readAudios(domain),
    rngs: devicesAt(domain, '/domain/devices/rng').map(readRng),
    tpm: has(domain, '/domain/devices/tpm') ? readTpm(domain) : null,
    watchdog: readWatchdog(domain),
    panic: readPanic(domain),
    memballoon: readMemballoon(domain),
  };
}

const usualBus = { tablet: 'usb', mouse: 'ps2', keyboard: 'ps2', passthrough: 'virtio', evdev: null } as const;

function readInput(input: Known): Input {
  const type = need(input, '/domain/devices/input/@type');
  return {
    type,
    // libvirt's default on x86: only a tablet has no PS/2 form.
    bus: valueAt(input, '/domain/devices/input/@bus') ?? usualBus[type],
    source: readSource(input),
    virtio: readDriver(input),
    address: readAddress(input, '/domain/devices/input'),
  };
}

function readSource(input: Known): EvdevSource | null {
  const key = '/domain/devices/input';
  const path = valueAt(input, `${key}/source/@evdev`) ?? valueAt(input, `${key}/source/@dev`);
  if (path === undefined) return null;
  return {
    path,
    grabAll: valueAt(input, `${key}/source/@grab`) === 'all',
    repeat: valueAt(input, `${key}/source/@repeat`) ?? null,
    grabToggle: valueAt(input, `${key}/source/@grabToggle`) ?? null,
  };
}

function readRng(rng: Known): Rng {
  const type = need(rng, '/domain/devices/rng/backend/@model');
  const bytes = valueAt(rng, '/domain/devices/rng/rate/@bytes');
  const periodMs = valueAt(rng, '/domain/devices/rng/rate/@period') ?? null;
  const path = valueAt(rng, '/domain/devices/rng/backend') ?? '/dev/urandom';
  return {
    model: need(rng, '/domain/devices/rng/@model'),
    virtio: readDriver(rng),
    backend: type === 'random' ? { type, path } : { type },
    rate: bytes === undefined ? null : { bytes, periodMs },
    address: readAddress(rng, '/domain/devices/rng'),
  };
}

function readTpm(domain: Known): Tpm {
  const backend = need(domain, '/domain/devices/tpm/backend/@type');
  const model = valueAt(domain, '/domain/devices/tpm/@model') ?? 'tpm-tis';
  switch (backend) {
    case 'emulator':
      return { model, backend, version: valueAt(domain, '/domain/devices/tpm/backend/@version') ?? '2.0' };
    case 'passthrough':
      return { model, backend, path: valueAt(domain, '/domain/devices/tpm/backend/device/@path') ?? '/dev/tpm0' };
    case 'external':
      return { model, backend, socket: need(domain, '/domain/devices/tpm/backend/source/@path') };
  }
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

/** 0 turns it off, which it is. */
function readPeriod(domain: Known): number | null {
  const period = valueAt(domain, '/domain/devices/memballoon/stats/@period');
  return period === undefined || period === 0 ? null : period;
}

/** There is always one unless it is said that there is none, as with libvirt. */
function readMemballoon(domain: Known): Memballoon {
  const memballoon = find(domain, '/domain/devices/memballoon');
  return {
    model: valueAt(domain, '/domain/devices/memballoon/@model') ?? 'virtio',
    autodeflate: valueAt(domain, '/domain/devices/memballoon/@autodeflate') ?? false,
    freePageReporting: valueAt(domain, '/domain/devices/memballoon/@freePageReporting') ?? null,
    statsPeriodSeconds: readPeriod(domain),
    virtio: memballoon === undefined ? plainVirtio : readDriver(memballoon),
    address: memballoon === undefined ? null : readAddress(memballoon, '/domain/devices/memballoon'),
  };
}
