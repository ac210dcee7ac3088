import { describe, expect, test } from 'vitest';
import type { Backend, Channel, Console } from '../../../lib/domain/devices.ts';
import { agentSocket, chardevSocket, consoleTarget } from '../../../lib/qemu/chardev.ts';
import { bareDomain, serial } from '../../fixtures/qmp/domains.ts';
import { argvOf, deviceOf, objectsOf, valuesOf } from './argv-of.ts';

const bind: Backend = { type: 'unix', mode: 'bind', path: null, reconnectSeconds: null };
const place = { host: '127.0.0.1', port: 4555 };
const tcp: Backend = { type: 'tcp', mode: 'bind', ...place, telnet: true, reconnectSeconds: null };

function channel(name: string, change: Partial<Channel> = {}): Channel {
  return { backend: bind, log: null, name, forward: null, address: null, ...change };
}

function consoleOf(kind: Console['kind'], port: number, backend: Backend = bind): Console {
  return { kind, backend, log: null, port, address: null };
}

const onPort = (controller: number, port: number): Channel['address'] => ({
  type: 'virtio-serial',
  controller,
  bus: 0,
  port,
});

describe('a character device', () => {
  test.each<[Backend, string]>([
    [{ type: 'pty' }, 'pty,id=charserial0'],
    [{ type: 'null' }, 'null,id=charserial0'],
    [{ type: 'file', path: '/a,b', append: null }, 'file,id=charserial0,path=/a,,b'],
    [{ type: 'file', path: '/a', append: false }, 'file,id=charserial0,path=/a,append=off'],
    [bind, 'socket,id=charserial0,path=/run/d/charserial0.sock,server=on,wait=off'],
    [{ ...bind, path: '/s,server=off' }, 'socket,id=charserial0,path=/s,,server=off,server=on,wait=off'],
    [{ ...bind, mode: 'connect', path: '/s' }, 'socket,id=charserial0,path=/s'],
    [tcp, 'socket,id=charserial0,host=127.0.0.1,port=4555,telnet=on,server=on,wait=off'],
    [{ ...tcp, mode: 'connect', telnet: false, host: 'h,x=y' }, 'socket,id=charserial0,host=h,,x=y,port=4555'],
    [{ ...bind, mode: 'connect', path: '/s', reconnectSeconds: 5 }, 'socket,id=charserial0,path=/s,reconnect=5'],
    [{ type: 'dev', path: '/dev/ttyS,1' }, 'serial,id=charserial0,path=/dev/ttyS,,1'],
    [{ type: 'pipe', path: '/p' }, 'pipe,id=charserial0,path=/p'],
    [{ type: 'stdio' }, 'stdio,id=charserial0'],
    [{ type: 'vc' }, 'vc,id=charserial0'],
    [{ type: 'spicevmc' }, 'spicevmc,id=charserial0,name=vdagent'],
    [{ type: 'spiceport', channel: 'org.x' }, 'spiceport,id=charserial0,name=org.x'],
    [{ type: 'qemu-vdagent', copyPaste: null, mouse: null }, 'qemu-vdagent,id=charserial0,name=vdagent'],
    [
      { type: 'qemu-vdagent', copyPaste: true, mouse: 'server' },
      'qemu-vdagent,id=charserial0,name=vdagent,clipboard=on,mouse=off',
    ],
    [
      { type: 'udp', host: 'h,1', port: 7, bindHost: '::1', bindPort: 8 },
      'udp,id=charserial0,host=h,,1,port=7,localaddr=::1,localport=8',
    ],
    [{ type: 'udp', host: null, port: 7, bindHost: null, bindPort: null }, 'udp,id=charserial0,port=7'],
  ])('%j is %j', (backend, expected) => {
    expect(valuesOf('-chardev', argvOf({ serials: [serial(backend)] }))).toContain(expected);
  });

  test('writes a log beside what it is', () => {
    const serials = [{ ...serial({ type: 'pty' }), log: { path: '/l,1', append: true } }];
    expect(valuesOf('-chardev', argvOf({ serials }))).toContain('pty,id=charserial0,logfile=/l,,1,logappend=on');
  });

  test('cannot connect to nowhere', () => {
    const build = (): string[] => argvOf({ serials: [serial({ ...bind, mode: 'connect' })] });
    expect(build).toThrow(expect.objectContaining({ code: 'INVALID_XML' }));
  });
});

describe('channels', () => {
  test('get the free ports of the first controller, the definition’s own being kept', () => {
    const channels = [
      channel('a'),
      channel('b', { address: onPort(0, 1) }),
      channel('c'),
      channel('d', { address: onPort(1, 7) }),
    ];
    const found = objectsOf('-device', argvOf({ channels })).filter((each) => 'nr' in each);
    expect(found).toMatchObject([
      { bus: 'virtio-serial0.0', nr: 2, id: 'channel0', name: 'a' },
      { bus: 'virtio-serial0.0', nr: 1, id: 'channel1', name: 'b' },
      { bus: 'virtio-serial0.0', nr: 3, id: 'channel2', name: 'c' },
      { bus: 'virtio-serial1.0', nr: 7, id: 'channel3', name: 'd' },
    ]);
  });

  test('come with a controller for each that is named', () => {
    const argv = argvOf({ channels: [channel('a', { address: onPort(1, 1) })] });
    expect(deviceOf('virtio-serial0', argv)).toBeUndefined();
    expect(deviceOf('virtio-serial1', argv)).toMatchObject({ driver: 'virtio-serial-pci' });
  });
});

describe('the guest agent', () => {
  const agent = channel('org.qemu.guest_agent.0');

  test('is found where its channel listens', () => {
    const channels = [channel('other'), agent];
    expect(agentSocket({ ...bareDomain, channels }, '/run/d')).toBe('/run/d/charchannel1.sock');
    expect(chardevSocket('/run/d', 'charchannel1')).toBe('/run/d/charchannel1.sock');
  });

  test('is found at the path of the definition', () => {
    const channels = [{ ...agent, backend: { ...bind, path: '/a' } }];
    expect(agentSocket({ ...bareDomain, channels }, '/run/d')).toBe('/a');
  });

  test.each<[string, Channel[]]>([
    ['without its channel', [channel('other')]],
    ['on a channel that connects', [{ ...agent, backend: { ...bind, mode: 'connect', path: '/a' } }]],
    ['on a channel that is no socket', [{ ...agent, backend: { type: 'null' } }]],
  ])('is not found %s', (_what, channels) => {
    expect(agentSocket({ ...bareDomain, channels }, '/run/d')).toBeNull();
  });
});

describe('a console', () => {
  const domain = {
    ...bareDomain,
    serials: [serial({ type: 'pty' }), serial(tcp, 1)],
    consoles: [consoleOf('serial', 1), consoleOf('virtio', 1)],
  };
  const telnet = { kind: 'tcp', host: '127.0.0.1', port: 4555, telnet: true };

  test.each([
    [undefined, telnet],
    ['console0', telnet],
    ['console1', { kind: 'unix', path: '/run/d/charconsole1.sock' }],
    ['serial0', { kind: 'pty', chardev: 'charserial0' }],
    ['serial2', null],
  ])('named %j is %j', (name, expected) => {
    expect(consoleTarget(domain, '/run/d', name)).toEqual(expected);
  });

  test('is the first serial port of a domain that names none', () => {
    expect(consoleTarget({ ...domain, consoles: [] }, '/run/d')).toEqual({ kind: 'pty', chardev: 'charserial0' });
  });

  test('is none without a line, or with one that only writes', () => {
    expect(consoleTarget(bareDomain, '/run/d')).toBeNull();
    const serials = [serial({ type: 'file', path: '/l', append: null })];
    expect(consoleTarget({ ...bareDomain, serials }, '/run/d')).toBeNull();
  });
});
