/** Lines of the table: sound cards, and where they play. */
import { wholeNumber } from './numbers.ts';
import { onPciOrUsb } from './properties-shapes.ts';
import { by, holder, only, required, several, under, value, whole, words, type Lines } from './property.ts';
import { flag, line, path } from './values.ts';

const yesNo = value(flag('yes', 'no'));
const name = value(line);
const count = value(wholeNumber(1, 999_999_999));

const stream = { mixingEngine: yesNo, fixedSettings: yesNo, voices: count, bufferLength: count } as const;

const settings = {
  '/settings': holder,
  '/settings/@frequency': count,
  '/settings/@channels': value(wholeNumber(1, 255)),
  '/settings/@format': words('u8', 's8', 'u16', 's16', 'u32', 's32', 'f32'),
} as const;

const named = { name, streamName: name, latency: count } as const;
const jack = { serverName: name, clientName: name, connectPorts: name, exactName: yesNo } as const;
const oss = { dev: value(path('/dev/dsp0')), bufferCount: count, tryPoll: yesNo } as const;

const types = {
  none: [{}, {}],
  alsa: [{}, { dev: name }],
  oss: [{ tryMMap: yesNo, exclusive: yesNo, dspPolicy: value(wholeNumber(0, 999_999_999)) }, oss],
  pulseaudio: [{ serverName: name }, named],
  pipewire: [{ runtimeDir: value(path('/run/user/1000')) }, named],
  sdl: [{ driver: words('esd', 'alsa', 'arts', 'pulseaudio') }, { bufferCount: count }],
  jack: [{}, jack],
  spice: [{}, {}],
  dbus: [{}, {}],
  file: [{ path: value(path('/var/lib/domctl/web1.wav')) }, {}],
} as const;

function attributes(prefix: string, of: Lines): Lines {
  return Object.fromEntries(Object.entries(of).map(([key, property]) => [`${prefix}/@${key}`, property]));
}

/** Lines whose paths are made from the lists above; read by name (`parse-sound.ts`). */
const audioLines: Lines = Object.fromEntries(
  Object.entries(types).flatMap(([type, [own, streams]]) =>
    Object.entries({
      ...attributes(`/domain/devices/audio[${type}]`, own),
      ...attributes(`/domain/devices/audio[${type}]/input`, streams),
      ...attributes(`/domain/devices/audio[${type}]/output`, streams),
    }),
  ),
);

export const sound = {
  ...under('/domain/devices/audio', {
    '': several(whole(by('type', null, holder))),
    '/@id': required(value(wholeNumber(1, 255))),
    '/@type': required(only('none', 'alsa', 'oss', 'pulseaudio', 'pipewire', 'sdl', 'jack', 'spice', 'file', 'dbus')),
    '/@timerPeriod': count,
    '/input': holder,
    ...under('/input', settings),
    '/output': holder,
    ...under('/output', settings),
  }),
  ...attributes('/domain/devices/audio/input', stream),
  ...attributes('/domain/devices/audio/output', stream),
  ...audioLines,
  ...under('/domain/devices/sound', {
    '': several(by('model', null, holder)),
    '/@model': required(only('ich6', 'ich9', 'ac97', 'es1370', 'sb16', 'pcspk', 'usb')),
    '[usb]/@multichannel': yesNo,
    '[ich6]/codec': several(holder),
    '[ich6]/codec/@type': required(only('duplex', 'micro', 'output')),
    '[ich9]/codec': several(holder),
    '[ich9]/codec/@type': required(only('duplex', 'micro', 'output')),
    '/audio': holder,
    '/audio/@id': required(value(wholeNumber(1, 255))),
    ...onPciOrUsb,
  }),
} as const;
