/** Reads emulators, the user they run as, devices and programs of the host. */
import { accessSync, constants, readdirSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { isErrno, messageOf } from '../../errors.ts';
import { takesPreload } from '../../host/teardown.ts';
import { findGroup, findUser, nobody } from '../../host/users.ts';
import type { Places } from '../../places.ts';
import { emulatorDeadlineMs, idle, interrogate } from '../../qemu/interrogate.ts';
import { known, type Reading, unknown } from '../../reading.ts';
import type {
  Account,
  DeviceNode,
  DeviceReadings,
  EmulatorReading,
  HostReadings,
  HypervisorReadings,
  Mode,
  ToolName,
} from '../readings.ts';
import { attempt, readText, unlessAbsent } from './attempt.ts';
import { modeOf, nearestThere } from './configuration.ts';

const emulatorDirectories = ['/usr/bin', '/usr/local/bin', '/usr/libexec'];
/** Usual homes of images. */
export const imageDirectories = ['/var/lib/libvirt/images', '/var/lib/domctl/images'];

export async function readHypervisor(places: Places, userName: string | null): Promise<HypervisorReadings> {
  const isRoot = process.getuid?.() === 0;
  const user = await readUser(isRoot ? userName : null);
  const account = user.known && user.value && user.value.uid !== 0 ? user.value : nobody;
  const paths = emulatorDirectories.flatMap(emulatorsIn);
  const images = imageDirectories.filter((path) => attempt(() => modeOf(path)).known);
  return {
    user,
    emulators: await Promise.all(paths.map(async (path) => readEmulator(path, isRoot ? account : null))),
    ways: [
      { path: places.runtimeDir, use: 'its monitor', ancestors: above(dirname(places.runtimeDir)) },
      ...images.map((path) => ({ path, use: 'images', ancestors: above(path) })),
    ],
  };
}

async function readUser(name: string | null): Promise<Reading<Account | null>> {
  if (name === null) return unknown('hypervisors run as the user who runs domctl');
  try {
    const user = await findUser(name);
    return known(user && { uid: user.uid, gid: user.gid, kvmGid: await findGroup('kvm') });
  } catch (error) {
    return unknown(messageOf(error));
  }
}

/** A full system emulator of this machine's kind, or Red Hat's one. */
function emulatorsIn(directory: string): string[] {
  const names = unlessAbsent(() => readdirSync(directory)) ?? [];
  return names.filter((name) => /^(qemu-system-x86_64|qemu-kvm)$/.test(name)).map((name) => join(directory, name));
}

async function readEmulator(path: string, user: { uid: number; gid: number } | null): Promise<EmulatorReading> {
  try {
    const asking = { deadlineMs: emulatorDeadlineMs, user: user && { uid: user.uid, gid: user.gid } };
    const { version, asyncTeardown, kvm } = await interrogate(path, asking);
    const preload = await takesPreload({ emulator: path, idle, ...asking });
    return { path, answers: known({ version, asyncTeardown, kvm, preload }) };
  } catch (error) {
    return { path, answers: unknown(messageOf(error)) };
  }
}

/** The directory, or what is there of it, and all above it, the outermost first. */
function above(directory: string): Mode[] {
  const path = nearestThere(directory);
  return path === '/' ? [modeOf(path)] : [...above(dirname(path)), modeOf(path)];
}

export async function readDevices(): Promise<DeviceReadings> {
  return {
    kvm: await readNode('/dev/kvm'),
    nested: attempt(readNested),
    tun: await readNode('/dev/net/tun'),
    vhostNet: await readNode('/dev/vhost-net'),
  };
}

async function readNode(path: string): Promise<DeviceNode | null> {
  const mode = unlessAbsent(() => modeOf(path));
  if (!mode) return null;
  try {
    await using _file = await open(path, 'r+');
    return { ...mode, open: null };
  } catch (error) {
    // A node without its driver is as good as none.
    if (isErrno(error, 'ENODEV', 'ENXIO')) return null;
    return { ...mode, open: error instanceof Error && 'code' in error ? String(error.code) : messageOf(error) };
  }
}

function readNested(): string {
  const text = ['kvm_intel', 'kvm_amd']
    .map((name) => unlessAbsent(() => readText(`/sys/module/${name}/parameters/nested`)))
    .find((value) => value !== null);
  if (text === undefined) throw new Error('no kvm module of this machine tells');
  return text;
}

const usualPath = ['/usr/sbin', '/usr/bin', '/sbin', '/bin', '/usr/local/sbin', '/usr/local/bin'];
/** Debian 12, Debian 13, Fedora: not on anybody's PATH. */
const virtiofsdPlaces = ['/usr/libexec', '/usr/lib/qemu'];

export function readTools(): HostReadings['tools'] {
  const find = (name: ToolName, ...more: readonly string[]): string | null =>
    [...usualPath, ...more].map((directory) => join(directory, name)).find(isExecutable) ?? null;
  return {
    ip: find('ip'),
    swtpm: find('swtpm'),
    virtiofsd: find('virtiofsd', ...virtiofsdPlaces),
    'qemu-img': find('qemu-img'),
  };
}

function isExecutable(path: string): boolean {
  return attempt(() => accessSync(path, constants.X_OK)).known;
}

/** Where distributions keep OVMF. */
const firmwareDirectories = ['/usr/share/OVMF', '/usr/share/edk2/ovmf', '/usr/share/qemu/edk2-x86_64'];

export function readFirmware(): string[] {
  return firmwareDirectories.flatMap((directory) =>
    (unlessAbsent(() => readdirSync(directory)) ?? [])
      .filter((name) => /^OVMF_CODE.*\.(fd|qcow2)$/.test(name))
      .sort()
      .map((name) => join(directory, name)),
  );
}
