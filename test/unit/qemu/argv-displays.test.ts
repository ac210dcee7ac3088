import { describe, expect, test } from 'vitest';
import type { Graphics } from '../../../lib/domain/graphics.ts';
import { hypervisorEnvironment } from '../../../lib/qemu/environment.ts';
import { bareDomain, serial } from '../../fixtures/qmp/domains.ts';
import { argvOf, objectsOf, valuesOf } from './argv-of.ts';

const sdl = { type: 'sdl', display: null, xauth: null, fullscreen: false, gl: null } as const;
const dbus = { type: 'dbus', address: null, gl: null, audioId: null } as const;
const audio = { id: 2, type: 'dbus', options: {}, input: null, output: null } as const;

describe('a display that is no server', () => {
  test.each<[Graphics, string]>([
    [sdl, 'sdl'],
    [{ ...sdl, gl: true }, 'sdl,gl=on'],
    [dbus, 'dbus,p2p=on'],
    [
      { ...dbus, address: 'unix:path=/b,guid=1', gl: { enabled: true, renderNode: '/dev/dri/r' }, audioId: 2 },
      'dbus,addr=unix:path=/b,,guid=1,gl=on,rendernode=/dev/dri/r,audiodev=audio2',
    ],
  ])('%j is %s', (screen, expected) => {
    expect(valuesOf('-display', argvOf({ graphics: [screen], audios: [audio] }))).toEqual([expected]);
  });

  test('of a window may fill the screen it is on, which is told by variables', () => {
    const window = { ...sdl, display: ':0.0', xauth: '/x', fullscreen: true };
    expect(argvOf({ graphics: [window] })).toContain('-full-screen');
    expect(argvOf({ graphics: [sdl] })).not.toContain('-full-screen');
    expect(hypervisorEnvironment({ ...bareDomain, graphics: [window] })).toEqual({ DISPLAY: ':0.0', XAUTHORITY: '/x' });
    expect(hypervisorEnvironment({ ...bareDomain, graphics: [sdl] })).toEqual({});
  });
});

test('a line on D-Bus has the name of its channel', () => {
  const argv = argvOf({ serials: [serial({ type: 'dbus', channel: 'org.example' })], graphics: [dbus] });
  expect(valuesOf('-chardev', argv)).toContain('dbus,id=charserial0,name=org.example');
});

test('what SDL plays through is a variable, and no option', () => {
  const audios = [{ ...audio, type: 'sdl', options: { driver: 'alsa', timerPeriod: 5 } }] as const;
  expect(objectsOf('-audiodev', argvOf({ audios }))).toEqual([{ id: 'audio2', driver: 'sdl', 'timer-period': 5 }]);
  expect(hypervisorEnvironment({ ...bareDomain, audios })).toEqual({ SDL_AUDIODRIVER: 'alsa' });
});
