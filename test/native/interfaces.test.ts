/** Taps and interfaces on the real kernel: made, attached to a bridge, seen, gone with their last descriptor. */
import { execFileSync } from 'node:child_process';
import { closeSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import {
  addToBridge,
  interfaceIndex,
  openTap,
  setAffinity,
  setInterfaceMac,
  setInterfaceMtu,
  setInterfaceUp,
} from '../../native/index.ts';
import { afterwards, countOpenFds, caught, describeAsRoot } from './support.ts';

let names = 0;

/** A name of this test alone; whatever has it at the end is removed. */
function freshName(kind: string): string {
  names += 1;
  const name = `dt${kind}${process.pid % 100_000}-${names}`;
  afterwards(() => {
    if (interfaceIndex(name) !== null) execFileSync('ip', ['link', 'delete', name]);
  });
  return name;
}

function freshTap(multiQueue = false): { name: string; fd: number } {
  const name = freshName('t');
  return { name, fd: openTap({ name, create: true, multiQueue }) };
}

function about(name: string, file: string): string {
  return readFileSync(`/sys/class/net/${name}/${file}`, 'utf8').trim();
}

function failure(code: string): object {
  return expect.objectContaining({ name: 'KernelError', code }) as object;
}

describeAsRoot('a tap', () => {
  test('is there while its descriptor is open, and gone with it', () => {
    const before = countOpenFds();
    const { name, fd } = freshTap();
    expect(interfaceIndex(name)).toBe(Number(about(name, 'ifindex')));
    closeSync(fd);
    expect(interfaceIndex(name)).toBeNull();
    expect(countOpenFds()).toBe(before);
  });

  test('is made afresh or not at all', () => {
    const { name, fd } = freshTap();
    expect(caught(() => openTap({ name, create: true, multiQueue: false }))).toEqual(failure('EBUSY'));
    expect(caught(() => openTap({ name, create: false, multiQueue: false }))).toEqual(failure('EBUSY'));
    closeSync(fd);
  });

  test('has as many queues as are opened, and goes with the last', () => {
    const { name, fd } = freshTap(true);
    const second = openTap({ name, create: false, multiQueue: true });
    expect(caught(() => openTap({ name, create: false, multiQueue: false }))).toEqual(failure('EINVAL'));
    closeSync(fd);
    expect(interfaceIndex(name)).not.toBeNull();
    closeSync(second);
    expect(interfaceIndex(name)).toBeNull();
  });

  test('takes address, MTU, bridge and up, and shows its carrier', () => {
    const bridge = freshName('b');
    execFileSync('ip', ['link', 'add', bridge, 'type', 'bridge']);
    const { name, fd } = freshTap();
    setInterfaceMac(name, [0xfe, 0x54, 0, 1, 2, 3]);
    setInterfaceMtu(name, 1400);
    addToBridge(bridge, name);
    setInterfaceUp(name);
    expect([about(name, 'address'), about(name, 'mtu'), about(name, 'carrier')]).toEqual([
      'fe:54:00:01:02:03',
      '1400',
      '1',
    ]);
    expect(about(name, 'brport/bridge/ifindex')).toBe(about(bridge, 'ifindex'));
    closeSync(fd);
  });

  test('that is persistent loses its carrier, not itself', () => {
    const name = freshName('p');
    execFileSync('ip', ['tuntap', 'add', 'dev', name, 'mode', 'tap', 'vnet_hdr']);
    const fd = openTap({ name, create: false, multiQueue: false });
    setInterfaceUp(name);
    expect(about(name, 'carrier')).toBe('1');
    closeSync(fd);
    expect(about(name, 'carrier')).toBe('0');
  });

  test('errors name the interface', () => {
    const [missing, { name, fd }] = [freshName('m'), freshTap()];
    expect(caught(() => setInterfaceUp(missing))).toMatchObject({ code: 'ENODEV', path: missing });
    expect(caught(() => addToBridge(missing, name))).toMatchObject({ code: 'ENODEV', path: missing });
    expect(caught(() => addToBridge('lo', name))).toMatchObject({ code: 'ENOTSUP', path: 'lo' });
    closeSync(fd);
  });

  test('names that do not fit are refused, never cut off', () => {
    const long = 'x'.repeat(16);
    expect(caught(() => openTap({ name: long, create: true, multiQueue: false }))).toBeInstanceOf(TypeError);
    expect(caught(() => interfaceIndex(''))).toBeInstanceOf(TypeError);
    expect(caught(() => setInterfaceMac('lo', [1, 2, 3]))).toBeInstanceOf(TypeError);
    expect(caught(() => setInterfaceMtu('lo', 1))).toBeInstanceOf(TypeError);
  });
});

function allowed(): string {
  return /^Cpus_allowed_list:\s+(.*)$/m.exec(readFileSync(`/proc/${process.pid}/status`, 'utf8'))?.[1] ?? '';
}

describeAsRoot('a thread', () => {
  test('runs where it is told to', () => {
    const before = allowed();
    const all = Array.from({ length: 1024 }, (_, cpu) => cpu);
    afterwards(() => setAffinity(process.pid, all));
    setAffinity(process.pid, [0]);
    expect(allowed()).toBe('0');
    setAffinity(process.pid, all);
    expect(allowed()).toBe(before);
  });

  test('is not sent to CPUs that are not there, nor found when it is gone', () => {
    expect(caught(() => setAffinity(process.pid, [65_535]))).toEqual(failure('EINVAL'));
    expect(caught(() => setAffinity(2 ** 22 + 1, [0]))).toEqual(failure('ESRCH'));
    expect(caught(() => setAffinity(process.pid, [-1]))).toBeInstanceOf(TypeError);
  });
});
