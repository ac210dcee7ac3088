import { describe, expect, test } from 'vitest';
import type { Graphics } from '../../../lib/domain/graphics.ts';
import type { Audio, Sound } from '../../../lib/domain/sound.ts';
import { spice, video, vnc, vncSocket } from '../../fixtures/qmp/screens.ts';
import { argvOf, deviceOf, objectsOf, onMachine, valuesOf } from './argv-of.ts';

const invalid = expect.objectContaining({ code: 'INVALID_XML', hint: expect.any(String) });
const vncPorts = new Map([[0, 5903]]);

describe('a server for the screen', () => {
  test.each<[Graphics, string]>([
    [{ ...vnc, reach: 'none' }, 'none'],
    [vncSocket(null), 'vnc=unix:/run/d/vnc.sock'],
    [
      { ...vnc, websocket: 5703, sharePolicy: 'force-shared', powerControl: false },
      '127.0.0.1:3,websocket=5703,share=force-shared,power-control=off',
    ],
  ])('%j is %j', (graphics, expected) => {
    const argv = argvOf({ graphics: [graphics] }, { vncPorts, socketDir: '/run/d' });
    expect(valuesOf('-vnc', argv)).toEqual([expected]);
  });

  const rest = 'disable-ticketing=on,seamless-migration=on';

  test.each<[Graphics, string]>([
    [spice, `port=5903,addr=127.0.0.1,${rest}`],
    [{ ...spice, reach: 'none' }, `port=0,${rest}`],
    [{ ...spice, reach: 'socket' }, `unix=on,addr=/run/d/spice.sock,${rest}`],
    [{ ...spice, reach: 'socket', socket: '/s,1' }, `unix=on,addr=/s,,1,${rest}`],
    [
      { ...spice, reach: 'none', defaultMode: 'insecure', channels: [{ name: 'main', mode: 'insecure' }] },
      'port=0,disable-ticketing=on,plaintext-channel=default,plaintext-channel=main,seamless-migration=on',
    ],
    [
      { ...spice, reach: 'none', mouse: 'server', copyPaste: false, fileTransfer: false, streaming: 'all' },
      'port=0,agent-mouse=off,disable-ticketing=on,streaming-video=all,disable-copy-paste=on,disable-agent-file-xfer=on,seamless-migration=on',
    ],
    [
      { ...spice, reach: 'none', gl: { enabled: true, renderNode: '/dev/dri/r,1' } },
      'port=0,disable-ticketing=on,gl=on,rendernode=/dev/dri/r,,1,seamless-migration=on',
    ],
  ])('%j is %j', (graphics, expected) => {
    const argv = argvOf({ graphics: [graphics] }, { vncPorts, socketDir: '/run/d' });
    expect(valuesOf('-spice', argv)).toEqual([expected]);
    expect(argv).not.toContain('-display');
  });

  test('may be rendered by the host', () => {
    const argv = argvOf({ graphics: [vncSocket('/v'), { type: 'egl-headless', renderNode: '/dev/dri/r' }] });
    expect(valuesOf('-display', argv)).toEqual(['egl-headless,rendernode=/dev/dri/r']);
  });
});

describe('a card', () => {
  test('has the memories and the size of the definition', () => {
    const change = {
      ramBytes: 2 ** 27,
      vram64Bytes: 2 ** 28,
      vgamemBytes: 9 * 2 ** 20,
      resolution: { x: 1280, y: 720 },
    };
    expect(deviceOf('video0', argvOf({ videos: [video('qxl', change)] }))).toMatchObject({
      ram_size: 2 ** 27,
      vram_size: 2 ** 26,
      vram64_size_mb: 256,
      vgamem_mb: 16,
      xres: 1280,
      yres: 720,
    });
  });

  test('may be of the host’s GPU, or none but a framebuffer', () => {
    const gpu = video('virtio', { accel3d: true, blob: true });
    const argv = argvOf({ videos: [{ ...gpu, primary: true }, gpu] });
    expect(deviceOf('video0', argv)).toMatchObject({ driver: 'virtio-vga-gl', blob: true });
    expect(deviceOf('video1', argv)).toMatchObject({ driver: 'virtio-gpu-gl-pci' });
    const named = argvOf({ videos: [video('cirrus', { acpiIndex: 1729 })] });
    expect(deviceOf('video0', named)).toMatchObject({ driver: 'cirrus-vga', 'acpi-index': 1729 });
    expect(deviceOf('video0', argvOf({ videos: [video('ramfb')] }))).toEqual({ driver: 'ramfb', id: 'video0' });
  });
});

describe('sound', () => {
  const card = (model: Sound['model'], change: Partial<Sound> = {}): Sound => {
    return { model, codecs: [], multichannel: null, audioId: null, address: null, ...change };
  };
  const audio = (id: number, change: Partial<Audio> = {}): Audio => {
    return { id, type: 'none', options: {}, input: null, output: null, ...change };
  };

  test.each<[Sound, object[]]>([
    [card('ac97'), [{ driver: 'AC97', id: 'sound0', audiodev: 'audio1' }]],
    [card('es1370'), [{ driver: 'ES1370', id: 'sound0', audiodev: 'audio1' }]],
    [card('sb16'), [{ driver: 'sb16', id: 'sound0', audiodev: 'audio1' }]],
    [card('usb', { multichannel: true }), [{ driver: 'usb-audio', id: 'sound0', multi: true, bus: 'usb.0' }]],
    [
      card('ich6'),
      [
        { driver: 'intel-hda', id: 'sound0' },
        { driver: 'hda-duplex', id: 'sound0-codec0', bus: 'sound0.0', cad: 0, audiodev: 'audio1' },
      ],
    ],
    [
      card('ich9', { codecs: ['micro', 'output'] }),
      [
        { driver: 'ich9-intel-hda', id: 'sound0' },
        { driver: 'hda-micro', id: 'sound0-codec0', bus: 'sound0.0', cad: 0 },
        { driver: 'hda-output', id: 'sound0-codec1', bus: 'sound0.0', cad: 1 },
      ],
    ],
  ])('%j is %j', (sound, expected) => {
    const found = objectsOf('-device', argvOf({ ...onMachine('pc'), controllers: [], sounds: [sound] }));
    expect(found.filter((each) => 'id' in each && String(each.id).startsWith('sound'))).toMatchObject(expected);
  });

  test('of the speaker is the board’s', () => {
    expect(valuesOf('-machine', argvOf({ sounds: [card('pcspk')] }))[0]).toContain(',pcspk-audiodev=audio1');
  });

  test('plays where the viewer is, unless the definition says where', () => {
    const graphics = [{ ...spice, reach: 'none' } as const];
    expect(objectsOf('-audiodev', argvOf({ sounds: [card('ac97')], graphics }))).toEqual([
      { id: 'audio1', driver: 'spice' },
    ]);
    expect(objectsOf('-audiodev', argvOf({ graphics }))).toEqual([{ id: 'audio1', driver: 'spice' }]);
    const audios = [audio(1), audio(4)];
    const argv = argvOf({ sounds: [card('ac97', { audioId: 4 })], graphics: [vncSocket('/v')], audios });
    expect(deviceOf('sound0', argv)).toMatchObject({ audiodev: 'audio4' });
    expect(valuesOf('-vnc', argv)).toEqual(['vnc=unix:/v,audiodev=audio1']);
    expect(() => argvOf({ sounds: [card('ac97', { audioId: 2 })], audios })).toThrow(invalid);
  });

  test('has QEMU’s words for its options', () => {
    const input = { options: { mixingEngine: true, bufferLength: 100 }, settings: { frequency: 44100, format: 's16' } };
    const pulse = audio(1, { type: 'pulseaudio', options: { timerPeriod: 50, serverName: 's' }, input });
    const jack = audio(2, { type: 'jack', output: { options: { serverName: 's', exactName: false }, settings: null } });
    const oss = audio(3, { type: 'oss', options: { tryMMap: true, dspPolicy: 3 } });
    expect(objectsOf('-audiodev', argvOf({ audios: [pulse, jack, oss, audio(4, { type: 'file' })] }))).toEqual([
      {
        id: 'audio1',
        driver: 'pa',
        'timer-period': 50,
        server: 's',
        in: { 'mixing-engine': true, 'buffer-length': 100, frequency: 44100, format: 's16' },
      },
      { id: 'audio2', driver: 'jack', out: { 'server-name': 's', 'exact-name': false } },
      { id: 'audio3', driver: 'oss', 'try-mmap': true, 'dsp-policy': 3 },
      { id: 'audio4', driver: 'wav' },
    ]);
  });
});
