/** Sound cards, and where they play -> XML. */
import type { Audio, AudioOptions, AudioStream, Sound } from '../domain/sound.ts';
import { addressTag } from './addresses.ts';
import { tag, yesNo, type Tag } from './serialize.ts';

/** `<sound>`. */
export function sound({ model, codecs, multichannel, audioId, address }: Sound): Tag {
  return tag('sound', { model, multichannel: yesNo(multichannel) }, [
    ...codecs.map((type) => tag('codec', { type })),
    audioId === null ? null : tag('audio', { id: audioId }),
    addressTag(address),
  ]);
}

/** `<audio>`. */
export function audio({ id, type, options, input, output }: Audio): Tag {
  return tag('audio', { id, type, ...attributes(options) }, [stream('input', input), stream('output', output)]);
}

function stream(name: 'input' | 'output', one: AudioStream | null): Tag | null {
  if (one === null) return null;
  return tag(name, attributes(one.options), [one.settings === null ? null : tag('settings', attributes(one.settings))]);
}

function attributes(options: AudioOptions): Record<string, string | number> {
  const words = Object.entries(options).map(([name, value]) => {
    return [name, typeof value === 'boolean' ? (value ? 'yes' : 'no') : value] as const;
  });
  return Object.fromEntries(words);
}
