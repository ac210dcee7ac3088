/**
 * What Node lacks and the kernel has: a child born in its cgroup, pidfds, open file description locks, peer
 * credentials. Owns: loading the addon, its types, and turning its errors into KernelError. The addon checks every
 * argument itself and throws a TypeError that names the field. Must not know: domains, hypervisors, cgroup paths.
 */
import { createRequire } from 'node:module';
import { constants } from 'node:os';
import { fileURLToPath } from 'node:url';
import { DomctlError, KernelError } from '../lib/errors.ts';
import { findBuilt } from './built.ts';

/** What to run, as whom and where. Descriptors are of this process; all are borrowed. */
export interface SpawnRequest {
  /** Absolute path, given to execve(2) as it is: no search, no shell. */
  readonly file: string;
  /** With argv[0]. */
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** Absolute; entered as the final user. */
  readonly cwd: string;
  readonly stdin: number;
  readonly stdout: number;
  readonly stderr: number;
  /** Become 3, 4, ... in the child. */
  readonly extraFds: readonly number[];
  /** Open directory of the cgroup v2 to be born in (CLONE_INTO_CGROUP). */
  readonly cgroupFd: number;
  /** Open cgroup.procs of v1 twins: the child writes "0" to each while it still has the rights to. */
  readonly joinFds: readonly number[];
  /** null: stay who we are. */
  readonly credentials: { readonly uid: number; readonly gid: number; readonly groups: readonly number[] } | null;
  /** Of ours, for a program that gives them up itself; only with credentials null. Absent: none is kept. */
  readonly keepCapabilities?: boolean;
  /** Bytes, for `nofile` descriptors; Infinity is RLIM_INFINITY. */
  readonly rlimits: readonly {
    readonly name: 'core' | 'nofile' | 'memlock';
    readonly soft: number;
    readonly hard: number;
  }[];
}

/** A child that runs its program. The pidfd is the caller's to close. */
export interface Spawned {
  readonly pid: number;
  readonly pidfd: number;
}

/** How a process ended. Both null: not our child (any more), status unknown. */
export interface ExitStatus {
  readonly code: number | null;
  readonly signal: number | null;
}

/** Who connected, as of connect(2). Decide on uid and gid; the pid may have been reused. */
export interface PeerCredentials {
  readonly pid: number;
  readonly uid: number;
  readonly gid: number;
}

/** A tap to open. */
export interface TapRequest {
  /** 1 to 15 bytes. */
  readonly name: string;
  /** It must not exist yet (EBUSY); else it is opened, or made where there is none. */
  readonly create: boolean;
  /** One of several queues; all of one tap are opened alike. */
  readonly multiQueue: boolean;
}

/** The addon as C++ exports it. */
interface Addon {
  spawn(request: SpawnRequest): Spawned;
  pidfdOpen(pid: number): number;
  pidfdSignal(pidfd: number, signal: number): void;
  pidfdExited(pidfd: number): boolean;
  watchPidfd(pidfd: number, onExit: (status: ExitStatus) => void, unref: boolean): () => void;
  closeFd(fd: number): void;
  setSubreaper(): void;
  setAffinity(threadId: number, cpus: readonly number[]): void;
  openTap(tap: TapRequest): number;
  interfaceIndex(name: string): number | null;
  setInterfaceMac(name: string, mac: readonly number[]): void;
  setInterfaceMtu(name: string, mtu: number): void;
  setInterfaceUp(name: string): void;
  addToBridge(bridge: string, name: string): void;
  probeLockedBytes(fd: number, bytes: readonly number[]): number[];
  tryLockFile(fd: number): boolean;
  peerCredentials(socketFd: number): PeerCredentials;
  sdNotify(socket: string, text: string): void;
}

const addonName = 'domctl_native.node';

function findAddon(start: string): string {
  const found = findBuilt(addonName, start);
  if (found !== null) return found;
  throw new DomctlError('HOST_LACKS', `${addonName} is missing above ${start}`, {
    hint: 'build it: npx node-gyp rebuild --directory native',
  });
}

const addon = createRequire(import.meta.url)(findAddon(fileURLToPath(import.meta.url))) as Addon;

function nameOfErrno(errno: number): string {
  return Object.entries(constants.errno).find(([, value]) => value === errno)?.[0] ?? `errno ${errno}`;
}

/** The one place where the addon's errors become ours; a TypeError stays one. */
function asking<T>(call: () => T): T {
  try {
    return call();
  } catch (error) {
    if (!(error instanceof Error && 'errno' in error)) throw error;
    const failure = error as Error & { errno: number; syscall: string; path: string | null };
    const { errno, syscall, path } = failure;
    throw new KernelError({ errno, code: nameOfErrno(errno), syscall, path, cause: error });
  }
}

/**
 * Starts a program in its own session and cgroup with umask 027, no capabilities, no_new_privs, default signals and
 * no descriptors but the given. Returns once the program runs (execve succeeded); blocks the event loop until then.
 *
 * Otherwise throws KernelError, whose `syscall` names the step (`clone3`, `v1 join`, `setrlimit`, `setresuid`,
 * `chdir`, `execve`, ...), and no child is left. `killed at birth`: a signal ended the child before execve; a cgroup
 * once killed by cgroup.kill does that to all who are born there. ETIMEDOUT: no execve within 10 s, as in a frozen
 * cgroup.
 */
export function spawn(request: SpawnRequest): Spawned {
  return asking(() => addon.spawn(request));
}

/** A descriptor for the process, to be closed by the caller. ESRCH: no such process. A zombie still has one. */
export function pidfdOpen(pid: number): number {
  return asking(() => addon.pidfdOpen(pid));
}

/** Signal 0 only asks whether there is a process (a zombie is one). ESRCH: it is gone and reaped. */
export function pidfdSignal(pidfd: number, signal: number): void {
  asking(() => addon.pidfdSignal(pidfd, signal));
}

/** Whether all threads of the process are gone by now; true for a zombie. */
export function pidfdExited(pidfd: number): boolean {
  return asking(() => addon.pidfdExited(pidfd));
}

/**
 * Calls back once, never before this returns, when the process is gone (all threads dead), and reaps it if it is our
 * child. The caller keeps the pidfd and may close it any time. Keeps the event loop alive unless `unref`. Not for
 * children of node:child_process, whose status libuv would miss.
 *
 * @returns a function that ends the watch; harmless to call late or again.
 */
export function watchPidfd(
  pidfd: number,
  onExit: (status: ExitStatus) => void,
  options: { unref?: boolean } = {},
): () => void {
  return asking(() => addon.watchPidfd(pidfd, onExit, options.unref ?? false));
}

/** Closes a descriptor got from here. EBADF: it was closed before. */
export function closeFd(fd: number): void {
  asking(() => addon.closeFd(fd));
}

/** From now on the orphaned descendants of this process become its children, and must be reaped by it. */
export function setSubreaper(): void {
  asking(() => addon.setSubreaper());
}

/** Where the thread may run: those of `cpus` that are there. EINVAL: none is. ESRCH: no such thread. */
export function setAffinity(threadId: number, cpus: readonly number[]): void {
  asking(() => addon.setAffinity(threadId, cpus));
}

/**
 * A descriptor of a tap with a virtio header, to be closed by the caller. One made here goes with its last descriptor.
 * EBUSY: it exists already (create), or somebody has it open. EINVAL: its queues are of the other kind. EPERM: not ours.
 */
export function openTap(tap: TapRequest): number {
  return asking(() => addon.openTap(tap));
}

/** The interface's number in our network namespace; null: there is none of that name. */
export function interfaceIndex(name: string): number | null {
  return asking(() => addon.interfaceIndex(name));
}

/** Sets the hardware address, six bytes. */
export function setInterfaceMac(name: string, mac: readonly number[]): void {
  asking(() => addon.setInterfaceMac(name, mac));
}

export function setInterfaceMtu(name: string, mtu: number): void {
  asking(() => addon.setInterfaceMtu(name, mtu));
}

export function setInterfaceUp(name: string): void {
  asking(() => addon.setInterfaceUp(name));
}

/** Makes the interface a port of the bridge. ENODEV: one of them is not there. ENOTSUP, EINVAL: it is no bridge. EBUSY: a port of another. */
export function addToBridge(bridge: string, name: string): void {
  asking(() => addon.addToBridge(bridge, name));
}

/**
 * Those of `bytes` on which another open file description holds a lock that a write lock would conflict with
 * (F_OFD_GETLK). Never sets a lock. `fd` may be read-only.
 */
export function probeLockedBytes(fd: number, bytes: readonly number[]): number[] {
  return asking(() => addon.probeLockedBytes(fd, bytes));
}

/**
 * Where QEMU locks an image: from RAW_LOCK_PERM_BASE (100) the permissions it uses, from RAW_LOCK_SHARED_BASE (200)
 * those it denies to others, one byte each for the four of BLK_PERM_ALL that exist in every version since 2.10:
 * consistent-read, write, write-unchanged, resize. Source: QEMU block/file-posix.c (raw_apply_lock_bytes) and
 * include/block/block-common.h.
 */
export const qemuLockBytes: readonly number[] = [100, 101, 102, 103, 200, 201, 202, 203];

/**
 * Takes an exclusive lock on the whole file without waiting; false when another open file description holds one.
 * Needs a writable descriptor, and lasts until that (and every copy of it) is closed, at the latest with the process.
 */
export function tryLockFile(fd: number): boolean {
  return asking(() => addon.tryLockFile(fd));
}

/** Who is at the other end of a connected local socket. ENOTCONN: nobody, or the socket is not local. */
export function peerCredentials(socketFd: number): PeerCredentials {
  return asking(() => addon.peerCredentials(socketFd));
}

/**
 * Sends `text` (lines of sd_notify(3), e.g. `READY=1`) as one datagram to a service manager's socket: the value of
 * $NOTIFY_SOCKET, an absolute path or `@` and a name of the abstract namespace. ENOENT, ECONNREFUSED: nobody listens.
 */
export function sdNotify(socket: string, text: string): void {
  asking(() => addon.sdNotify(socket, text));
}
