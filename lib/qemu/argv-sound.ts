/** Sound cards and what they play on as QEMU's arguments. Pure. */
import type { Domain } from '../domain/definition.ts';
import type { Audio, AudioOptions, AudioStream, AudioType, Sound } from '../domain/sound.ts';
import { type Part, device, given, impossible, json, pciDevice } from './arguments.ts';
import { type UsbPlaces } from './argv-usb.ts';

const drivers: Partial<Record<AudioType, string>> = { pulseaudio: 'pa', file: 'wav' };

/** QEMU's words where they are not libvirt's with dashes. */
const words: Readonly<Record<string, string>> = {
  tryMMap: 'try-mmap',
  dspPolicy: 'dsp-policy',
  pulseaudioServerName: 'server',
};

/** The back ends: those of the definition, or the one that its cards play on without. */
export function audioArguments(domain: Domain): string[] {
  return audiosOf(domain).flatMap((audio) => json('-audiodev', backend(audio)));
}

/** Id of the back end that a card, or a VNC server, plays on; null: there is none. */
export function audioDevice(domain: Domain, wanted: number | null): string | null {
  const audios = audiosOf(domain);
  const audio = wanted === null ? audios[0] : audios.find(({ id }) => id === wanted);
  if (audio === undefined && wanted !== null)
    throw impossible(`a sound card plays on audio ${wanted}, which is not there`, `add <audio id='${wanted}' .../>`);
  return audio === undefined ? null : `audio${audio.id}`;
}

/** Without any `<audio>` all is played where the viewer is, as with libvirt; without a viewer and a card there is none. */
function audiosOf({ audios, sounds, graphics }: Domain): readonly Audio[] {
  const isSpice = graphics.some((each) => each.type === 'spice');
  if (audios.length > 0 || (sounds.length === 0 && !isSpice)) return audios;
  return [{ id: 1, type: isSpice ? 'spice' : 'none', options: {}, input: null, output: null }];
}

function backend({ id, type, options, input, output }: Audio): object {
  // What SDL plays through is told by its environment.
  const { driver: _environment, ...own } = options;
  const named = renamed(own, type);
  return {
    id: `audio${id}`,
    driver: drivers[type] ?? type,
    ...named,
    ...(input === null ? {} : { in: stream(input) }),
    ...(output === null ? {} : { out: stream(output) }),
  };
}

function stream({ options, settings }: AudioStream): object {
  return { ...renamed(options, ''), ...renamed(settings ?? {}, '') };
}

function renamed(options: AudioOptions, type: string): object {
  const entries = Object.entries(options);
  return Object.fromEntries(
    entries.map(([name, value]) => [words[type + capital(name)] ?? words[name] ?? dashed(name), value]),
  );
}

function capital(name: string): string {
  return name.charAt(0).toUpperCase() + name.slice(1);
}

function dashed(name: string): string {
  return name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

/** The cards. */
export function soundParts(domain: Domain, usb: UsbPlaces): Part[] {
  return domain.sounds.flatMap((sound, index) => card(sound, `sound${index}`, domain, usb));
}

function card(sound: Sound, id: string, domain: Domain, usb: UsbPlaces): Part[] {
  const { model, address, multichannel } = sound;
  const audiodev = audioDevice(domain, sound.audioId);
  switch (model) {
    case 'ich6':
    case 'ich9':
      return [
        pciDevice('sound', address, { driver: model === 'ich6' ? 'intel-hda' : 'ich9-intel-hda', id }),
        ...codecs(sound, id, audiodev),
      ];
    case 'ac97':
      return [pciDevice('sound', address, { driver: 'AC97', id, audiodev })];
    case 'es1370':
      return [pciDevice('sound', address, { driver: 'ES1370', id, audiodev })];
    case 'sb16':
      return device({ driver: 'sb16', id, audiodev });
    case 'usb':
      return device({ driver: 'usb-audio', id, audiodev, ...given('multi', multichannel), ...usb.get(sound) });
    // The board's own.
    case 'pcspk':
      return [];
  }
}

function codecs({ codecs: asked }: Sound, id: string, audiodev: string | null): Part[] {
  const all = asked.length === 0 ? (['duplex'] as const) : asked;
  return all.flatMap((codec, cad) =>
    device({ driver: `hda-${codec}`, id: `${id}-codec${cad}`, bus: `${id}.0`, cad, audiodev }),
  );
}

/** Of -machine: what the speaker plays on; nothing when the definition has none. */
export function speaker(domain: Domain): string {
  const found = domain.sounds.find(({ model }) => model === 'pcspk');
  return found === undefined ? '' : `,pcspk-audiodev=${audioDevice(domain, found.audioId)}`;
}
