/**
 * From an admitted launch to a running guest: files, birth inside the cgroup, monitor, memory target, `cont`.
 * Whatever fails becomes the event launchFailed, and the incarnation ends like any other: exiting, draining, released.
 */
import { type FileHandle, mkdir, open } from 'node:fs/promises';
import { devNull } from 'node:os';
import { dirname } from 'node:path';
import { spawn } from '../../native/index.ts';
import type { Domain } from '../domain/definition.ts';
import { DomctlError, messageOf } from '../errors.ts';
import { findRamFiles, findTeardownHelper, readProcess } from '../host/processes.ts';
import type { User } from '../host/users.ts';
import { buildArgv } from '../qemu/argv.ts';
import { clockEnvironment } from '../qemu/argv-clock.ts';
import type { Capabilities } from '../qemu/capabilities.ts';
import { balloon, cont } from '../qemu/commands.ts';
import { connectMonitor, keepMonitor } from './monitor.ts';
import { lastWords, logFile, makeRuntimeDirectory, qmpSocket, trimLog } from './runtime-files.ts';
import type { Supervisor } from './supervisor.ts';

/** All that a launch needs beside its record. */
export interface LaunchPlan {
  readonly domain: Domain;
  readonly capabilities: Capabilities;
  /** null: the daemon's own user. */
  readonly user: HypervisorUser | null;
}

export interface HypervisorUser extends User {
  readonly groups: readonly number[];
}

/** QEMU greets when its memory is allocated: half a minute, and a second for each GiB that is touched first. */
const patienceMs = 30_000;
const patiencePerGibMs = 1000;

/** Launches and resolves when the guest runs; rejects with the reason, after the incarnation was told of it. */
export async function launchHypervisor(supervisor: Supervisor, plan: LaunchPlan): Promise<void> {
  const log = logFile(supervisor.services.places, supervisor.launch.domain);
  let logStart = 0;
  try {
    logStart = await prepareFiles(supervisor, plan, log);
    await giveBirth(supervisor, plan, log, logStart);
    await completeLaunch(supervisor, plan.domain);
  } catch (error) {
    const said = await lastWords(log, logStart);
    const failure = explain(supervisor, error, said);
    await supervisor.tell({ kind: 'launchFailed', detail: failure.message });
    throw failure;
  }
}

/** From a spawned hypervisor to a running guest; also how a new daemon finishes the launch of a dead one. */
export async function completeLaunch(supervisor: Supervisor, domain: Domain): Promise<void> {
  const exited = exitSignal(supervisor);
  const { state } = supervisor;
  if (state.kind !== 'launching' || !state.hypervisor) throw new Error('it was ended while starting');
  const deadlineMs = patienceMs + (domain.memoryBytes / 1024 ** 3) * patiencePerGibMs;
  await connectMonitor(supervisor, deadlineMs, exited);
  const { qmp } = supervisor;
  if (!qmp) throw new Error('the monitor went away');
  const { hypervisor } = state;
  const helper = supervisor.launch.helper === 'qemu' ? findTeardownHelper(hypervisor) : null;
  const ramFiles = findRamFiles(hypervisor.pid);
  if (domain.currentMemoryBytes < domain.memoryBytes && domain.memballoon.model !== 'none')
    await balloon(qmp, domain.currentMemoryBytes);
  const { startPaused } = supervisor.launch;
  if (!startPaused) await cont(qmp);
  await supervisor.tell({ kind: 'launched', helper, ramFiles, paused: startPaused });
  supervisor.inBackground('monitor', async () => keepMonitor(supervisor));
}

/** Aborts when the incarnation leaves `launching` by another door: it exited, or was destroyed. */
function exitSignal(supervisor: Supervisor): AbortSignal {
  const controller = new AbortController();
  supervisor
    .until((state) => state.kind !== 'launching', supervisor.ending.signal)
    .then(
      () => {
        controller.abort(new Error('the hypervisor ended while starting'));
      },
      () => {
        controller.abort(new Error('the daemon is stopping'));
      },
    );
  return controller.signal;
}

/** Log, runtime directory and the files of serial ports; returns the log's length before this launch. */
async function prepareFiles(supervisor: Supervisor, plan: LaunchPlan, log: string): Promise<number> {
  const { places } = supervisor.services;
  await mkdir(places.logDir, { recursive: true, mode: 0o755 });
  await trimLog(log);
  await makeRuntimeDirectory(places, supervisor.launch.id, plan.user);
  for (const { backend } of [...plan.domain.serials, ...plan.domain.consoles, ...plan.domain.channels])
    if (backend.type === 'file') await makeOwnedFile(backend.path, plan.user);
  await using file = await open(log, 'a', 0o640);
  await file.appendFile(
    `${new Date(supervisor.services.clock.now()).toISOString()} incarnation ${supervisor.launch.id} starting\n`,
  );
  return (await file.stat()).size;
}

/** An output file the hypervisor may write to: made as its user's when missing, left as it is otherwise. */
async function makeOwnedFile(path: string, user: HypervisorUser | null): Promise<void> {
  let file: FileHandle;
  try {
    file = await open(path, 'ax', 0o640);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return;
    throw new DomctlError('HOST_LACKS', `${path} (serial output) cannot be made`, {
      hint: `make its directory: mkdir -p ${dirname(path)}`,
      cause: error,
    });
  }
  if (user) await file.chown(user.uid, user.gid);
  await file.close();
}

/** Spawns QEMU inside the cgroup and takes its pidfd over. */
async function giveBirth(supervisor: Supervisor, plan: LaunchPlan, log: string, logStart: number): Promise<void> {
  const { launch, services } = supervisor;
  const argv = buildArgv(plan.domain, {
    capabilities: plan.capabilities,
    qmpSocket: qmpSocket(services.places, launch.id),
    asyncTeardown: launch.helper === 'qemu',
    socketDir: dirname(qmpSocket(services.places, launch.id)),
    nowMs: services.clock.now(),
    taps: new Map(),
    vncPorts: new Map(),
    firmware: null,
    tpmSocket: null,
    filesystemSockets: new Map(),
  });
  services.log.info({ domain: launch.domain, incarnation: launch.id, argv: [launch.emulator, ...argv] });
  await using input = await open(devNull, 'r');
  await using output = await open(log, 'a');
  const birthPlace = await supervisor.cgroup.openBirthPlace();
  try {
    const { pid, pidfd } = spawn({
      file: launch.emulator,
      argv: [launch.emulator, ...argv],
      env: { LC_ALL: 'C', PATH: '/usr/sbin:/usr/bin:/sbin:/bin', HOME: '/', ...clockEnvironment(plan.domain) },
      cwd: '/',
      stdin: input.fd,
      stdout: output.fd,
      stderr: output.fd,
      extraFds: [],
      cgroupFd: birthPlace.cgroupFd,
      joinFds: birthPlace.joinFds,
      credentials: plan.user,
      rlimits: [{ name: 'core', soft: 0, hard: 0 }],
    });
    const identity = readProcess(pid)?.identity ?? { pid, startTicks: 0 };
    supervisor.watchHypervisor({ identity, pidfd }, async () => lastWords(log, logStart));
    await supervisor.tell({ kind: 'hypervisorSpawned', hypervisor: identity });
  } finally {
    await birthPlace.close();
  }
}

/** The hypervisor's own last words say more than our step that noticed. */
function explain(supervisor: Supervisor, error: unknown, said: string | null): DomctlError {
  if (error instanceof DomctlError) return error;
  const noticed = messageOf(error);
  const destroyed = supervisor.state.kind === 'exiting' && supervisor.state.outcome.kind === 'destroyed';
  const why = destroyed ? 'it was destroyed while starting' : (said ?? noticed);
  return new DomctlError('FAILED', `cannot start domain '${supervisor.launch.domain}': ${why}`, {
    hint: destroyed ? undefined : `log: ${logFile(supervisor.services.places, supervisor.launch.domain)}`,
    cause: error,
  });
}
