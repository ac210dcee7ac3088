/**
 * Companions of a hypervisor, in its cgroup: swtpm for `<tpm>`, a virtiofsd for each `<filesystem>`. Born before it, since it
 * connects to their sockets, and ended after it, since they hold what it shared with them. A living one is found in the
 * cgroup by its program and its socket, which it has in its arguments: nothing needs to be remembered of its process.
 */
import { execFile } from 'node:child_process';
import { chown, lchown, lstat, mkdir } from 'node:fs/promises';
import { constants } from 'node:os';
import { basename, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { closeFd, pidfdExited, watchPidfd } from '../../native/index.ts';
import type { Filesystem } from '../domain/devices.ts';
import type { Domain } from '../domain/definition.ts';
import type { Companion, ProcessIdentity } from '../domain/incarnation.ts';
import { DomctlError, isErrno } from '../errors.ts';
import { argumentsOf, readProcess, unlessGone } from '../host/processes.ts';
import { firstExecutable } from '../host/programs.ts';
import { bear, type HypervisorUser } from './birth.ts';
import { companionSocket, logFile } from './runtime-files.ts';
import { openProcess, signalUnlessGone } from './signals.ts';
import type { Supervisor } from './supervisor.ts';
import { tpmState, tpmStates } from './tpm.ts';
import { virtiofsdOptions } from './virtiofsd-options.ts';

/** Where the hypervisor connects to; by index in the domain's filesystems. */
export interface CompanionSockets {
  readonly tpmSocket: string | null;
  readonly filesystemSockets: ReadonlyMap<number, string>;
}

const swtpmPaths = ['/usr/bin/swtpm', '/usr/local/bin/swtpm'];
export const virtiofsdPaths = [
  '/usr/libexec/virtiofsd',
  '/usr/lib/qemu/virtiofsd',
  '/usr/lib/virtiofsd',
  '/usr/bin/virtiofsd',
];

/** For a program's socket to appear. */
const patienceMs = 10_000;
/** Between SIGTERM and SIGKILL. */
const termPatienceMs = 1000;
const pollEveryMs = 10;

/** What the launch record keeps of the companions a domain wants. */
export function companionsOf(domain: Domain): Companion[] {
  return [
    ...(hasSwtpm(domain) ? [{ kind: 'swtpm', socket: 'swtpm.sock' } as const] : []),
    ...served(domain).map(([index]) => ({ kind: 'virtiofsd', socket: `fs${index}.sock` }) as const),
  ];
}

/** Refuses a start whose companions this host cannot run. Throws HOST_LACKS; changes nothing. */
export async function requireCompanions(domain: Domain): Promise<void> {
  if (hasSwtpm(domain)) await findSwtpm();
  for (const [, filesystem] of served(domain)) await findVirtiofsd(filesystem);
  for (const { source, plan9 } of domain.filesystems) if (plan9) await requireDirectory(source);
}

/** Directories that virtiofsd serves, with their index; by 9p the hypervisor does it itself. */
function served({ filesystems }: Domain): [number, Filesystem][] {
  return [...filesystems.entries()].filter(([, { plan9 }]) => plan9 === null);
}

function hasSwtpm({ tpm }: Domain): boolean {
  return tpm?.backend === 'emulator';
}

function isTpm2({ tpm }: Domain): boolean {
  return tpm?.backend === 'emulator' && tpm.version === '2.0';
}

async function findSwtpm(): Promise<string> {
  const path = await firstExecutable(swtpmPaths);
  if (path !== null) return path;
  throw new DomctlError('HOST_LACKS', 'no swtpm on this host, which <tpm> needs', {
    hint: 'apt-get install --no-install-recommends swtpm',
  });
}

/** It stays root to act for every user of the guest: a program that a definition names must be one that the host vouches for. */
async function findVirtiofsd({ binary, readonly, source }: Filesystem): Promise<{ path: string; isRust: boolean }> {
  if (process.getuid?.() !== 0)
    throw new DomctlError('HOST_LACKS', '<filesystem> needs a daemon that is root', { hint: 'run domctld as root' });
  if (binary !== null && !virtiofsdPaths.includes(binary)) {
    throw new DomctlError('HOST_LACKS', `${binary} (<filesystem><binary>) is not where virtiofsd is installed`, {
      hint: `it runs as root, so only these are taken: ${virtiofsdPaths.join(', ')}`,
    });
  }
  const path = await firstExecutable(binary === null ? virtiofsdPaths : [binary]);
  if (path === null) {
    throw new DomctlError('HOST_LACKS', 'no virtiofsd on this host, which <filesystem> needs', {
      hint: 'apt-get install virtiofsd (Debian 13 and later) or qemu-system-common (Debian 12)',
    });
  }
  await requireDirectory(source);
  const options = await optionsOf(path);
  if (!readonly || options.includes('--readonly')) return { path, isRust: options.includes('--shared-dir') };
  throw new DomctlError('HOST_LACKS', `${path} knows no read-only directories, which <filesystem><readonly/> needs`, {
    hint: 'virtiofsd 1.11 or newer does; or mount the directory read-only on the host and name that mount',
  });
}

async function requireDirectory(path: string): Promise<void> {
  const stats = await lstat(join(path, '.')).catch(() => null);
  if (stats?.isDirectory()) return;
  throw new DomctlError('HOST_LACKS', `${path} (<filesystem><source>) is not a directory`, { details: { path } });
}

/** The C virtiofsd of QEMU before 8.0 and the one written in Rust take different options. */
async function optionsOf(path: string): Promise<string> {
  const { stdout, stderr } = await promisify(execFile)(path, ['--help'], { timeout: patienceMs });
  return stdout + stderr;
}

/** Starts all of them; resolves when their sockets can be connected to. Throws HOST_LACKS or FAILED. */
export async function startCompanions(
  supervisor: Supervisor,
  domain: Domain,
  user: HypervisorUser | null,
): Promise<CompanionSockets> {
  const filesystemSockets = new Map<number, string>();
  const tpmSocket = hasSwtpm(domain) ? await startSwtpm(supervisor, domain, user) : null;
  for (const [index, filesystem] of served(domain))
    filesystemSockets.set(index, await startVirtiofsd(supervisor, filesystem, index, user));
  return { tpmSocket, filesystemSockets };
}

/** The state of a TPM outlives its incarnations; it is of the domain's UUID. */
async function startSwtpm(supervisor: Supervisor, domain: Domain, user: HypervisorUser | null): Promise<string> {
  const { places } = supervisor.services;
  const directory = tpmState(places.stateDir, domain.uuid);
  await mkdir(tpmStates(places.stateDir), { recursive: true, mode: 0o711 });
  await mkdir(directory, { recursive: true, mode: 0o700 });
  if (user) await chown(directory, user.uid, user.gid);
  const socket = companionSocket(places, supervisor.launch.id, 'swtpm.sock');
  const argv = [
    ...[await findSwtpm(), 'socket', ...(isTpm2(domain) ? ['--tpm2'] : [])],
    ...['--ctrl', `type=unixio,path=${socket},mode=0600`, '--tpmstate', `dir=${directory},mode=0600`, '--terminate'],
  ];
  await startOne(supervisor, argv, { user, socket });
  return socket;
}

/** It acts for every user of the guest, so it stays root, confines itself to the directory and drops what it does not need. */
async function startVirtiofsd(
  supervisor: Supervisor,
  filesystem: Filesystem,
  index: number,
  user: HypervisorUser | null,
): Promise<string> {
  const socket = companionSocket(supervisor.services.places, supervisor.launch.id, `fs${index}.sock`);
  const { path, isRust } = await findVirtiofsd(filesystem);
  const argv = [path, `--socket-path=${socket}`, ...virtiofsdOptions(filesystem, isRust)];
  await startOne(supervisor, argv, { user: null, keepCapabilities: true, socket });
  if (user) await lchown(socket, user.uid, user.gid);
  return socket;
}

async function startOne(
  supervisor: Supervisor,
  argv: readonly string[],
  how: { readonly user: HypervisorUser | null; readonly keepCapabilities?: boolean; readonly socket: string },
): Promise<void> {
  const { user, keepCapabilities = false, socket } = how;
  const { pidfd } = await bear(supervisor, { argv, user, keepCapabilities });
  const end = new AbortController();
  watchPidfd(pidfd, () => {
    closeFd(pidfd);
    end.abort();
    tellDeath(supervisor, basename(argv[0] ?? ''));
  });
  const untilMs = performance.now() + patienceMs;
  while (!(await isSocket(socket))) {
    const ended = end.signal.aborted;
    if (ended || performance.now() > untilMs) {
      throw new DomctlError('FAILED', `${argv[0]} ${ended ? 'ended while starting' : 'made no socket'}`, {
        hint: `log: ${logFile(supervisor.services.places, supervisor.launch.domain)}`,
      });
    }
    await sleep(pollEveryMs, undefined, { signal: supervisor.ending.signal });
  }
}

async function isSocket(path: string): Promise<boolean> {
  return lstat(path).then(
    (stats) => stats.isSocket(),
    (error: unknown) => {
      if (isErrno(error, 'ENOENT')) return false;
      throw error;
    },
  );
}

/** A guest whose companion is gone runs on, without its TPM or directory: said once here, and as a fact in dominfo. */
function tellDeath({ state, launch, services }: Supervisor, program: string): void {
  if (state.kind === 'exiting' || state.kind === 'draining' || state.kind === 'released') return;
  services.log.warn({ domain: launch.domain, incarnation: launch.id, program }, 'a companion of the hypervisor ended');
}

/** A companion and its process now; null: it has ended. One that made processes of its own has the first of them here. */
export interface CompanionFact {
  readonly companion: Companion;
  readonly processes: readonly ProcessIdentity[];
}

/** The companions of an incarnation as they are in its cgroup now. */
export function readCompanions({ launch, cgroup, services }: Supervisor): CompanionFact[] {
  if (launch.companions.length === 0) return [];
  const inside = (unlessGone(() => cgroup.processes()) ?? []).flatMap((pid) => {
    const facts = readProcess(pid);
    return facts ? [{ ...facts, arguments: argumentsOf(pid) }] : [];
  });
  return launch.companions.map((companion) => {
    const socket = companionSocket(services.places, launch.id, companion.socket);
    const own = inside.filter((process) => process.name === companion.kind && names(process.arguments, socket));
    return { companion, processes: own.map(({ identity }) => identity) };
  });
}

/** `--socket-path=PATH` of virtiofsd, `type=unixio,path=PATH,mode=0600` of swtpm. */
function names(words: readonly string[], socket: string): boolean {
  return words.some((word) => word.includes(`path=${socket}`));
}

/** Companions that have not ended, as `swtpm (pid 812)`. */
export function livingCompanions(supervisor: Supervisor): string[] {
  return readCompanions(supervisor).flatMap(({ companion, processes }) =>
    processes.filter(isAlive).map(({ pid }) => `${companion.kind} (pid ${pid})`),
  );
}

/** Watches those of a hypervisor that an earlier daemon started. */
export function followCompanions(supervisor: Supervisor): void {
  for (const { companion, processes } of readCompanions(supervisor))
    for (const process of processes) watchEnd(process, () => tellDeath(supervisor, companion.kind));
}

/** The hypervisor is gone: SIGTERM to each, SIGKILL a second later to those that are left. Ends when all are gone. */
export async function endCompanions(supervisor: Supervisor): Promise<void> {
  const all = readCompanions(supervisor).flatMap(({ processes }) => processes);
  // One that made a process of its own (virtiofsd in its name spaces) takes it along.
  for (const process of all) watchEnd(process, () => undefined);
  for (const process of outermost(all)) signal(process, constants.signals.SIGTERM);
  const untilMs = performance.now() + termPatienceMs;
  while (all.some(isAlive) && performance.now() < untilMs)
    await sleep(pollEveryMs, undefined, { signal: supervisor.ending.signal });
  for (const process of all) signal(process, constants.signals.SIGKILL);
}

function outermost(all: readonly ProcessIdentity[]): ProcessIdentity[] {
  const pids = new Set(all.map(({ pid }) => pid));
  return all.filter(({ pid }) => !pids.has(readProcess(pid)?.parent ?? 0));
}

/** Also reaps it if it has become our child (we are a subreaper). */
function watchEnd(process: ProcessIdentity, then: () => void): void {
  const pidfd = openProcess(process);
  if (pidfd === null) return then();
  watchPidfd(pidfd, () => {
    closeFd(pidfd);
    then();
  });
}

function signal(process: ProcessIdentity, number: number): void {
  const pidfd = openProcess(process);
  if (pidfd === null) return;
  signalUnlessGone(pidfd, number);
  closeFd(pidfd);
}

/** A zombie has ended: all of its threads are gone, and all it had with them. */
function isAlive(process: ProcessIdentity): boolean {
  const pidfd = openProcess(process);
  if (pidfd === null) return false;
  const ended = pidfdExited(pidfd);
  closeFd(pidfd);
  return !ended;
}
