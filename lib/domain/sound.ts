/** Sound: the cards a guest sees and where they play on the host. Pure data. */
import type { Address } from './devices.ts';

export interface Sound {
  readonly model: 'ich6' | 'ich9' | 'ac97' | 'es1370' | 'sb16' | 'pcspk' | 'usb';
  /** Of ich6 and ich9; none given: a duplex one. */
  readonly codecs: readonly ('duplex' | 'micro' | 'output')[];
  /** Of the model usb. */
  readonly multichannel: boolean | null;
  /** Id of the `Audio` it plays on; null: the first. */
  readonly audioId: number | null;
  readonly address: Address | null;
}

/** A back end of sound. Options are named as in libvirt's XML; which there are depends on the type. */
export interface Audio {
  readonly id: number;
  readonly type: AudioType;
  readonly options: AudioOptions;
  readonly input: AudioStream | null;
  readonly output: AudioStream | null;
}

export type AudioType =
  | 'none'
  | 'alsa'
  | 'oss'
  | 'pulseaudio'
  | 'pipewire'
  | 'sdl'
  | 'jack'
  | 'spice'
  | 'file'
  | 'dbus';

/** Recording or playback. */
export interface AudioStream {
  readonly options: AudioOptions;
  /** `<settings>`; null: none. */
  readonly settings: AudioOptions | null;
}

export type AudioOptions = Readonly<Record<string, string | number | boolean>>;
