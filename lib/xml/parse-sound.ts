/** XML -> sound cards, and where they play. */
import type { Audio, AudioOptions, AudioStream, Sound } from '../domain/sound.ts';
import { readAddress } from './addresses.ts';
import { audioOptions, settingOptions, streamOptions } from './audio-options.ts';
import { devicesAt, findAll, need, valueAt, type Known } from './known.ts';

/** The cards. */
export function readSounds(domain: Known): Sound[] {
  return devicesAt(domain, '/domain/devices/sound').map((sound) => ({
    model: need(sound, '/domain/devices/sound/@model'),
    codecs: findAll(sound, '/domain/devices/sound', '/domain/devices/sound/codec').map((codec) =>
      need(codec, '/domain/devices/sound/codec/@type'),
    ),
    multichannel: valueAt(sound, '/domain/devices/sound/@multichannel') ?? null,
    audioId: valueAt(sound, '/domain/devices/sound/audio/@id') ?? null,
    address: readAddress(sound, '/domain/devices/sound'),
  }));
}

/** What they play on. */
export function readAudios(domain: Known): Audio[] {
  return devicesAt(domain, '/domain/devices/audio').map((audio) => ({
    id: need(audio, '/domain/devices/audio/@id'),
    type: need(audio, '/domain/devices/audio/@type'),
    options: readOptions(audio, audioOptions),
    input: readStream(audio, 'input'),
    output: readStream(audio, 'output'),
  }));
}

function readStream(audio: Known, name: 'input' | 'output'): AudioStream | null {
  const stream = childOf(audio, name);
  if (stream === undefined) return null;
  const settings = childOf(stream, 'settings');
  return {
    options: readOptions(stream, streamOptions),
    settings: settings === undefined ? null : readOptions(settings, settingOptions),
  };
}

function childOf({ key, children }: Known, name: string): Known | undefined {
  return children.find((child) => child.key === `${key}/${name}`);
}

/** The options that were given: the table has read each of them, by its type. */
function readOptions({ key, values }: Known, names: readonly string[]): AudioOptions {
  const given = names.map((name) => [name, values.get(`${key}/@${name}`)] as const);
  return Object.fromEntries(given.filter((entry): entry is [string, AudioOptions[string]] => isOption(entry[1])));
}

function isOption(value: unknown): value is AudioOptions[string] {
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean';
}
