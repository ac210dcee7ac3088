/** Any screens, cards and sound, as long as they keep the rules of `lib/xml/rules-*.ts`. */
import { fc } from '@fast-check/vitest';
import type { Video } from '../../lib/domain/devices.ts';
import type { Graphics } from '../../lib/domain/graphics.ts';
import type { Audio, Sound } from '../../lib/domain/sound.ts';
import { spice, video, vnc } from '../fixtures/qmp/screens.ts';
import { maybe, number, oneOf, path, word } from './arbitrary.ts';

const server = fc
  .record({
    reach: oneOf('port', 'socket', 'none'),
    port: maybe(number(5900, 65535)),
    listen: fc.oneof(fc.ipV4(), fc.domain()),
    socket: maybe(path.filter((one) => Buffer.byteLength(one) < 100)),
    keymap: maybe(oneOf('de', 'en-us')),
  })
  .map((one) =>
    one.reach === 'port'
      ? { ...one, socket: null }
      : { ...one, port: null, listen: '127.0.0.1', socket: one.reach === 'socket' ? one.socket : null },
  );

const anyVnc = fc.tuple(
  server,
  fc.record({
    websocket: maybe(number(1, 65535)),
    sharePolicy: maybe(oneOf('allow-exclusive', 'force-shared', 'ignore')),
    powerControl: maybe(fc.boolean()),
  }),
);

const anySpice = fc.tuple(
  server,
  fc.record({
    defaultMode: maybe(oneOf('any', 'insecure')),
    channels: fc.array(fc.record({ name: oneOf('main', 'record'), mode: oneOf('any', 'insecure') }), { maxLength: 2 }),
    imageCompression: maybe(oneOf('auto_glz', 'auto_lz', 'quic', 'glz', 'lz', 'off')),
    jpegCompression: maybe(oneOf('auto', 'never', 'always')),
    zlibCompression: maybe(oneOf('auto', 'never', 'always')),
    playbackCompression: maybe(fc.boolean()),
    streaming: maybe(oneOf('filter', 'all', 'off')),
    mouse: maybe(oneOf('server', 'client')),
    copyPaste: maybe(fc.boolean()),
    fileTransfer: maybe(fc.boolean()),
    gl: maybe(fc.record({ enabled: fc.boolean(), renderNode: maybe(path) })),
  }),
);

const graphics: fc.Arbitrary<Graphics> = fc.oneof(
  anyVnc.map(([place, more]) => ({ ...vnc, ...place, ...more })),
  anySpice.map(([place, more]) => ({ ...spice, ...place, ...more })),
  fc.record({ type: fc.constant('egl-headless' as const), renderNode: maybe(path) }),
  fc.record({
    type: fc.constant('sdl' as const),
    display: maybe(fc.constant(':0.0')),
    xauth: maybe(path),
    fullscreen: fc.boolean(),
    gl: maybe(fc.boolean()),
  }),
  fc.record({
    type: fc.constant('dbus' as const),
    address: maybe(fc.constant('unix:path=/run/vm/bus,guid=1')),
    gl: maybe(fc.record({ enabled: fc.boolean(), renderNode: maybe(path) })),
    audioId: fc.constant(null),
  }),
);

const kib = maybe(number(1, 4_194_304).map((one) => one * 1024));
const size = maybe(fc.record({ x: number(1, 65535), y: number(1, 65535) }));

const card: fc.Arbitrary<Video> = fc
  .record({
    model: oneOf('vga', 'cirrus', 'virtio', 'bochs', 'qxl', 'ramfb'),
    qxl: fc.record({ ramBytes: kib, vram64Bytes: kib, vgamemBytes: kib }),
    virtio: fc.record({ accel3d: maybe(fc.boolean()), blob: maybe(fc.boolean()) }),
    vramBytes: kib,
    heads: maybe(number(1, 16)),
    resolution: size,
  })
  .map(({ model, qxl, virtio, resolution, ...every }) =>
    video(model, {
      ...every,
      ...(model === 'qxl' ? qxl : {}),
      ...(model === 'virtio' ? virtio : {}),
      resolution: model === 'cirrus' || model === 'ramfb' ? null : resolution,
    }),
  );

const cards = fc
  .array(card, { maxLength: 3 })
  .chain((list) =>
    number(0, 2).map((primary) => list.map((one, index) => ({ ...one, primary: index === primary % list.length }))),
  );

const sound: fc.Arbitrary<Sound> = fc
  .record({
    model: oneOf('ich6', 'ich9', 'ac97', 'es1370', 'sb16', 'pcspk', 'usb'),
    codecs: fc.array(oneOf('duplex', 'micro', 'output'), { maxLength: 3 }),
    multichannel: maybe(fc.boolean()),
    audioId: maybe(fc.constant(1)),
    address: fc.constant(null),
  })
  .map((one) => ({
    ...one,
    codecs: one.model === 'ich6' || one.model === 'ich9' ? one.codecs : [],
    multichannel: one.model === 'usb' ? one.multichannel : null,
  }));

const stream = maybe(
  fc.record({
    options: fc.record({ mixingEngine: fc.boolean(), voices: number(1, 9) }, { requiredKeys: [] }),
    settings: maybe(fc.record({ frequency: number(1, 48_000), format: oneOf('u8', 'f32') }, { requiredKeys: [] })),
  }),
);

const audio: fc.Arbitrary<Omit<Audio, 'id'>> = fc.oneof(
  fc.record({
    type: oneOf('none', 'alsa', 'sdl', 'spice'),
    options: fc.record({ timerPeriod: number(1, 99_999) }, { requiredKeys: [] }),
    input: stream,
    output: stream,
  }),
  fc.record({
    type: fc.constant('pulseaudio' as const),
    options: fc.record({ serverName: word }, { requiredKeys: [] }),
    input: stream,
    output: stream,
  }),
);

/** Sounds play on the first back end, if they name one. */
export const screens = fc
  .record({
    graphics: fc.uniqueArray(graphics, {
      selector: ({ type }) => (type === 'vnc' || type === 'spice' ? type : 'display'),
      maxLength: 2,
    }),
    videos: cards,
    sounds: fc.uniqueArray(sound, { selector: ({ model }) => model, maxLength: 2 }),
    audios: fc.array(audio, { minLength: 1, maxLength: 2 }),
  })
  .map(({ audios, ...one }) => ({
    ...one,
    // A screen always has a card.
    graphics: one.videos.length === 0 ? [] : one.graphics,
    audios: audios.map((each, index): Audio => ({ id: index + 1, ...each })),
  }));
