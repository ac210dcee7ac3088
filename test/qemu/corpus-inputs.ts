/**
 * What definitions of others name, made in a directory of a test's own: images, loop devices, directories, firmware, sockets that
 * somebody listens on, a virtiofsd. Owns which path of a definition is what; must not know how QEMU is started.
 */
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, open, symlink, writeFile } from 'node:fs/promises';
import { createConnection, createServer, type Server, type Socket } from 'node:net';
import path from 'node:path';
import { promisify } from 'node:util';
import type { Domain } from '../../lib/domain/definition.ts';
import type { Backend, Filesystem } from '../../lib/domain/devices.ts';
import type { LocalSource } from '../../lib/domain/disk-source.ts';
import { serverSocket, type Shmem } from '../../lib/domain/shmem.ts';
import { virtiofsdPaths } from '../../lib/daemon/companions.ts';
import { virtiofsdOptions } from '../../lib/daemon/virtiofsd-options.ts';
import { isErrno } from '../../lib/errors.ts';
import { firstExecutable } from '../../lib/host/programs.ts';
import { serve } from './contained.ts';
import { emptyQcow2 } from './machine.ts';
import { serveShared } from './shared-server.ts';

const run = promisify(execFile);

/** Inputs of one definition; `stop` ends what serves them. The directory is its owner's to remove. */
export interface Inputs {
  /** By index in the domain's filesystems, where a virtiofsd listens. */
  readonly filesystemSockets: ReadonlyMap<number, string>;
  /** As they are numbered from 3 on: /dev/vhost-vsock, a TPM, and what cancels its commands. */
  readonly descriptors: readonly (number | Socket)[];
  stop(): Promise<void>;
}

/**
 * The same machine on other ground: every path is below `root`, TCG stands for KVM and the most it can do for the host's
 * processor, and no memory is touched or held before the guest does so.
 */
export function relocate(domain: Domain, root: string): Domain {
  const { cpu, memoryBacking, ...moved } = move(domain, root) as Domain;
  return {
    ...moved,
    shmems: domain.shmems.map((one) => moveShared(one, root)),
    type: 'qemu',
    memoryBacking: { ...memoryBacking, allocation: 'ondemand', locked: false },
    cpu: cpu?.mode === 'host-passthrough' ? { ...cpu, mode: 'maximum' } : cpu,
  };
}

/** A file of shared memory has a name below /dev/shm, and a way out of there. */
function moveShared(one: Shmem, root: string): Shmem {
  if (one.model === 'ivshmem-plain') return { ...one, name: `../..${root}/${one.name}` };
  return { ...one, server: `${root}${serverSocket(one)}` };
}

/** Where variables are that the definition leaves to us. */
export function variablesIn(root: string): string {
  return path.join(root, 'variables');
}

/** What looks like a path and is none: the guest's name of a directory, and what is handed to QEMU as it is. */
const kept: ReadonlySet<string> = new Set(['target', 'qemuCommandline']);

function move(value: unknown, root: string): unknown {
  if (typeof value === 'string') return value.startsWith('/') ? `${root}${value}` : value;
  if (Array.isArray(value)) return value.map((each) => move(each, root));
  if (typeof value !== 'object' || value === null) return value;
  // What a server calls its export.
  if ('type' in value && value.type === 'network') return value;
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, kept.has(key) ? each : move(each, root)]));
}

/** Makes what a relocated domain names. What cannot be made is not there, and QEMU says so. */
export async function makeInputs(domain: Domain, root: string): Promise<Inputs> {
  const ends: (() => Promise<void>)[] = [];
  for (const { source, format, backing } of domain.disks) {
    if (isLocal(source)) await makeImage(source, format, ends);
    for (const behind of backing?.images ?? []) {
      if (isLocal(behind.source)) await makeImage(behind.source, behind.format, ends);
    }
  }
  await write(variablesIn(root), Buffer.alloc(chipBytes));
  await makeFiles(domain);
  await makeNodes(root);
  for (const backend of linesOf(domain)) await makeFarEnd(backend, ends);
  for (const screen of domain.graphics) if ('socket' in screen && screen.socket) await makeParent(screen.socket);
  for (const one of domain.shmems)
    if (one.model === 'ivshmem-doorbell') ends.push(await serveShared(serverSocket(one), one.vectors ?? 1));
  const filesystemSockets = await serveFilesystems(domain.filesystems, root, ends);
  const descriptors = await openDevices(domain, root, ends);
  const stop = async (): Promise<void> => {
    for (const end of ends.reverse()) await end();
  };
  return { filesystemSockets, descriptors, stop };
}

type Ends = (() => Promise<void>)[];

function isLocal(source: Domain['disks'][number]['source']): source is LocalSource {
  return source !== null && source.type !== 'network';
}

const imageBytes = 2 ** 20;
const chipBytes = 2 ** 17;
const empty = { raw: Buffer.alloc(imageBytes), qcow2: emptyQcow2(), fat: Buffer.alloc(0) };

async function makeImage({ type, path: at }: LocalSource, format: keyof typeof empty, ends: Ends): Promise<void> {
  if (type === 'dir') {
    await write(path.join(at, 'file'), 'of a directory\n');
    return;
  }
  const file = type === 'block' ? `${at}.image` : at;
  await write(file, empty[format]);
  if (type === 'block') ends.push(await makeLoop(file, at));
}

/** A block device of this host with what is in `file`, as `at`. It detaches itself with its last descriptor. */
async function makeLoop(file: string, at: string): Promise<() => Promise<void>> {
  const { stdout } = await run('losetup', ['--find', '--show', file]);
  const device = stdout.trim();
  const held = await open(device, 'r');
  // In use, it is not detached at once but as soon as nobody has it open: whatever becomes of us, nothing is left.
  await run('losetup', ['--detach', device]);
  await symlinkOnce(device, at);
  return () => held.close();
}

/** Firmware that is of the size of a chip, a kernel that nobody runs, ROMs, directories. */
async function makeFiles({ os, interfaces, hostdevs, filesystems, pstore }: Domain): Promise<void> {
  for (const chip of [os.loader?.path, os.nvram?.path]) if (chip) await write(chip, Buffer.alloc(chipBytes));
  if (pstore) await write(pstore.path, Buffer.alloc(pstore.sizeBytes));
  for (const file of [os.kernel, os.initrd]) if (file !== null) await write(file, 'kernel');
  for (const table of os.acpiTables) await write(table.path, acpiTable());
  for (const rom of [...interfaces, ...hostdevs].flatMap((each) => ('rom' in each ? [each.rom?.file ?? null] : []))) {
    if (rom !== null) await write(rom, Buffer.alloc(2 ** 9));
  }
  for (const { source } of filesystems) await mkdir(source, { recursive: true });
}

/** Its header alone, which tells its length. */
function acpiTable(): Buffer {
  const table = Buffer.alloc(36);
  table.writeUInt32LE(table.length, 4);
  return table;
}

/** Devices that any host has, and for a serial port one that takes everything; no port of a printer does what that must. */
async function makeNodes(root: string): Promise<void> {
  await symlinkOnce('/dev/urandom', path.join(root, 'dev/urandom'));
  await symlinkOnce('/dev/null', path.join(root, 'dev/ttyS2'));
  await symlinkOnce('/dev/null', path.join(root, 'dev/parport0'));
}

function linesOf(domain: Domain): Backend[] {
  const { serials, parallels, consoles, channels, redirdevs, smartcards } = domain;
  const cards = smartcards.flatMap((each) => ('backend' in each ? [each] : []));
  return [...serials, ...parallels, ...consoles, ...channels, ...redirdevs, ...cards].map(({ backend }) => backend);
}

/** TCP ports of the host that somebody else listens on. */
export function farPorts(domain: Domain): number[] {
  return linesOf(domain).flatMap((each) => (each.type === 'tcp' && each.mode === 'connect' ? [each.port] : []));
}

/** Whoever a line is connected to, and the directory of what QEMU makes itself. */
async function makeFarEnd(backend: Backend, ends: Ends): Promise<void> {
  if (!('path' in backend) || backend.path === null) return;
  await makeParent(backend.path);
  if (backend.type === 'pipe') await run('mkfifo', [`${backend.path}.in`, `${backend.path}.out`]);
  if (backend.type !== 'unix' || backend.mode === 'bind') return;
  await listen(createServer(), backend.path, ends);
}

async function listen(server: Server, at: string, ends: Ends): Promise<void> {
  server.listen(at);
  await once(server, 'listening');
  ends.push(async () => {
    server.close();
    await once(server, 'close');
  });
}

/** Success, of TPM 2.0 and without parameters: enough for QEMU to take the other end for one. */
const tpmAnswer = Buffer.from('80010000000a00000000', 'hex');

/** Descriptors in the order in which a conversion numbers them; what this host has not is /dev/null. */
async function openDevices({ vsock, tpm }: Domain, root: string, ends: Ends): Promise<(number | Socket)[]> {
  if (vsock === null && tpm?.backend !== 'passthrough') return [];
  const files = [await open(hasVsock ? vsockDevice : '/dev/null', 'r+'), await open('/dev/null', 'w')] as const;
  ends.push(async () => {
    for (const file of files) await file.close();
  });
  const at = path.join(root, 'tpm');
  await listen(
    createServer((far) => far.on('data', () => far.write(tpmAnswer))),
    at,
    ends,
  );
  // Held, or we would read what is QEMU's.
  const near = createConnection(at).pause();
  await once(near, 'connect');
  ends.push(async () => void near.destroy());
  return [files[0].fd, near, files[1].fd];
}

const vsockDevice = '/dev/vhost-vsock';
/** Whether this host has sockets to guests. */
export const hasVsock = existsSync(vsockDevice);

/** Where virtiofsd is installed; null: nowhere. */
export const virtiofsd = await firstExecutable(virtiofsdPaths);

async function serveFilesystems(all: readonly Filesystem[], root: string, ends: Ends): Promise<Map<number, string>> {
  const served = [...all.entries()].filter(([, { plan9 }]) => plan9 === null);
  const sockets = served.map(([index]) => [index, path.join(root, `fs${index}.sock`)] as const);
  if (virtiofsd === null || served.length === 0) return new Map(sockets);
  const { stdout } = await run(virtiofsd, ['--help']);
  const isRust = stdout.includes('--shared-dir');
  for (const [index, filesystem] of served) {
    // The C one knows no read-only directories; it is the hypervisor's side that is looked at here.
    const options = virtiofsdOptions({ ...filesystem, readonly: isRust && filesystem.readonly }, isRust);
    ends.push(await serve([virtiofsd, `--socket-path=${root}/fs${index}.sock`, ...options], `${root}/fs${index}.sock`));
  }
  return new Map(sockets);
}

function makeParent(of: string): Promise<unknown> {
  return mkdir(path.dirname(of), { recursive: true });
}

async function write(file: string, content: string | Buffer): Promise<void> {
  await makeParent(file);
  await writeFile(file, content);
}

async function symlinkOnce(target: string, at: string): Promise<void> {
  await makeParent(at);
  await symlink(target, at).catch((error: unknown) => {
    if (!isErrno(error, 'EEXIST')) throw error;
  });
}
