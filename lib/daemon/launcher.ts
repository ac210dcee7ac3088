/**
 * From an admitted launch to a running guest: files, birth inside the cgroup, monitor, memory target, `cont`.
 * Whatever fails becomes the event launchFailed, and the incarnation ends like any other: exiting, draining, released.
 */
import { mkdir, open } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Domain } from '../domain/definition.ts';
import { holdsMemory } from '../domain/hostdev.ts';
import type { HelperKind, Launch, ProcessIdentity } from '../domain/incarnation.ts';
import { DomctlError, isErrno, messageOf } from '../errors.ts';
import { weighHelper } from '../host/helper-weight.ts';
import { lend } from '../host/loans.ts';
import { sharedFiles } from '../domain/shmem.ts';
import { preRead } from '../host/pre-read.ts';
import { fillShared } from '../host/shared-memory.ts';
import { findRamFiles, findTeardownHelper } from '../host/processes.ts';
import { isSandboxed, openLibrary, teardownEnvironment, type TeardownRule } from '../host/teardown.ts';
import { openTpm } from '../host/tpm.ts';
import { openVsock } from '../host/vsock.ts';
import { type OpenTaps, openTaps } from '../host/taps.ts';
import { deviceId } from '../qemu/aliases.ts';
import { buildArgv, type LaunchSettings } from '../qemu/argv.ts';
import { lackingDriver } from '../qemu/lacking-driver.ts';
import type { Capabilities } from '../qemu/capabilities.ts';
import { hypervisorEnvironment } from '../qemu/environment.ts';
import { balloon, cont, pollBalloon } from '../qemu/commands.ts';
import type { QmpClient } from '../qemu/qmp.ts';
import { bear, type HypervisorUser } from './birth.ts';
import { engageBrake, followBrake } from './brake.ts';
import { type CompanionSockets, startCompanions } from './companions.ts';
import { reach } from './fault-points.ts';
import { applyLimits } from './limits.ts';
import { connectMonitor, eventOfStatus, keepMonitor } from './monitor.ts';
import { lastWords, logFile, makeRuntimeDirectory, qmpSocket, runtimeDirectory, trimLog } from './runtime-files.ts';
import type { Supervisor } from './supervisor.ts';
import { tuneHypervisor } from './tuning.ts';

/** All that a launch needs beside its record. */
export interface LaunchPlan {
  readonly domain: Domain;
  readonly capabilities: Capabilities;
  /** null: the daemon's own user. */
  readonly user: HypervisorUser | null;
  /** Ports chosen for graphics that name none, by their index. */
  readonly vncPorts: ReadonlyMap<number, number>;
  /** Nodes of USB and SCSI devices of the host, by their index. */
  readonly deviceNodes: ReadonlyMap<number, string>;
  readonly firmware: LaunchSettings['firmware'];
  readonly teardown: TeardownRule;
}

/** After stdin, stdout and stderr. */
const firstExtraFd = 3;

/** QEMU greets when its memory is allocated: a minute on a busy host, and a second for each GiB that is touched first. */
const patienceMs = 60_000;
const patiencePerGibMs = 1000;

/** Launches and resolves when the guest runs; rejects with the reason, after the incarnation was told of it. */
export async function launchHypervisor(supervisor: Supervisor, plan: LaunchPlan): Promise<void> {
  const log = logFile(supervisor.services.places, supervisor.launch.domain);
  let logStart = 0;
  try {
    logStart = await prepareFiles(supervisor, plan, log);
    await shareMemory(supervisor, plan);
    await giveBirth(supervisor, plan, log, logStart);
    await completeLaunch(supervisor, plan.domain);
    weigh(supervisor, plan.teardown);
  } catch (error) {
    const said = await lastWords(log, logStart);
    const failure = explain(supervisor, error, said);
    await supervisor.tell({ kind: 'launchFailed', detail: failure.message });
    throw failure;
  }
}

/** From then on it counts as used by the host, and by no incarnation. */
async function shareMemory(supervisor: Supervisor, { domain, user }: LaunchPlan): Promise<void> {
  try {
    await fillShared(sharedFiles(domain.shmems), user);
  } finally {
    supervisor.sharedBytes = 0;
  }
}

function weigh({ state, launch }: Supervisor, rule: TeardownRule): void {
  if (launch.helper !== 'preload' || (state.kind !== 'running' && state.kind !== 'paused') || !state.helper) return;
  weighHelper(state.helper, state.hypervisor, rule);
}

/**
 * From a spawned hypervisor to a running guest; also how a new daemon finishes the launch of a dead one (`again`): a guest
 * that the dead one had let run is neither set up nor resumed once more.
 */
export async function completeLaunch(supervisor: Supervisor, domain: Domain, again = false): Promise<void> {
  const exited = exitSignal(supervisor);
  const { state } = supervisor;
  if (state.kind !== 'launching' || !state.hypervisor) throw new Error('it was ended while starting');
  const deadlineMs = patienceMs + (domain.memoryBytes / 1024 ** 3) * patiencePerGibMs;
  const status = await connectMonitor(supervisor, deadlineMs, exited);
  reach('monitor answers');
  const { qmp } = supervisor;
  if (!qmp) throw new Error('the monitor went away');
  const { hypervisor } = state;
  const helper = helperOf(hypervisor, supervisor.launch.helper);
  const ramFiles = findRamFiles(hypervisor.pid);
  if (again && status.status !== 'prelaunch') {
    const braked = await engageBrake(supervisor, domain, qmp);
    await supervisor.tell({ kind: 'launched', helper, ramFiles, paused: false, braked });
    await supervisor.tell(eventOfStatus(status, supervisor.launch));
  } else {
    const braked = await letRun(supervisor, domain, qmp);
    await supervisor.tell({ kind: 'launched', helper, ramFiles, paused: supervisor.launch.startPaused, braked });
  }
  follow(supervisor);
}

/** One that lives and does not answer may long run, and its record be what a journal lost: for that it is not ended. */
export async function takeForRunning(supervisor: Supervisor): Promise<void> {
  const { state, launch } = supervisor;
  if (state.kind !== 'launching' || !state.hypervisor) return;
  const helper = helperOf(state.hypervisor, launch.helper);
  const ramFiles = findRamFiles(state.hypervisor.pid);
  await supervisor.tell({ kind: 'launched', helper, ramFiles, paused: false, braked: false });
  follow(supervisor);
}

function follow(supervisor: Supervisor): void {
  followBrake(supervisor);
  supervisor.inBackground('monitor', async () => keepMonitor(supervisor));
}

/** All that comes before a guest runs, and `cont`; whether it runs under a brake. May be done again. */
async function letRun(supervisor: Supervisor, domain: Domain, qmp: QmpClient): Promise<boolean> {
  await setUp(supervisor, domain, qmp);
  reach('hypervisor tuned');
  const braked = await engageBrake(supervisor, domain, qmp);
  if (!supervisor.launch.startPaused) await cont(qmp);
  reach('guest runs');
  return braked;
}

async function setUp(supervisor: Supervisor, domain: Domain, qmp: QmpClient): Promise<void> {
  if (domain.currentMemoryBytes < domain.memoryBytes && domain.memballoon.model !== 'none')
    await balloon(qmp, domain.currentMemoryBytes);
  const { statsPeriodSeconds, model } = domain.memballoon;
  if (statsPeriodSeconds !== null && model !== 'none')
    await pollBalloon(qmp, statsPeriodSeconds, deviceId(domain, 'memballoon', 0));
  await tuneHypervisor(supervisor, domain, qmp);
}

function helperOf(hypervisor: ProcessIdentity, kind: HelperKind): ProcessIdentity | null {
  if (kind === 'none') return null;
  const helper = findTeardownHelper(hypervisor, kind);
  return kind === 'preload' && helper && !isSandboxed(helper) ? null : helper;
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
  reach('runtime directory made');
  await applyLimits(supervisor, plan.domain);
  reach('limits set');
  for (const loan of supervisor.launch.loans) await lend(loan);
  reach('images lent');
  if (supervisor.launch.brake) await preRead(supervisor.launch.emulator);
  const { serials, parallels, consoles, channels } = plan.domain;
  for (const { backend } of [...serials, ...parallels, ...consoles, ...channels])
    if (backend.type === 'file') await makeOwnedFile(backend.path, plan.user);
  await using file = await open(log, 'a', 0o640);
  await file.appendFile(
    `${new Date(supervisor.services.clock.now()).toISOString()} incarnation ${supervisor.launch.id} starting\n`,
  );
  return (await file.stat()).size;
}

/** An output file the hypervisor may write to: made as its user's when missing, left as it is otherwise. */
async function makeOwnedFile(path: string, user: HypervisorUser | null): Promise<void> {
  await using file = await open(path, 'ax', 0o640).catch((error: unknown) => {
    if (isErrno(error, 'EEXIST')) return null;
    throw new DomctlError('HOST_LACKS', `${path} (serial output) cannot be made`, {
      hint: `make its directory: mkdir -p ${dirname(path)}`,
      cause: error,
    });
  });
  if (user) await file?.chown(user.uid, user.gid);
}

/** Companions, taps, then QEMU inside the cgroup; its pidfd is taken over, the taps are its own from then on. */
async function giveBirth(supervisor: Supervisor, plan: LaunchPlan, log: string, logStart: number): Promise<void> {
  const { launch } = supervisor;
  const { domain, user } = plan;
  const sockets = await startCompanions(supervisor, domain, user);
  reach('companions born');
  const unlimitedMemlock = domain.memoryBacking.locked || holdsMemory(domain.hostdevs);
  const taps = openTaps(domain.interfaces, launch.id);
  try {
    await using vsock = await openVsock(domain.vsock !== null);
    await using tpm = await openTpm(domain.tpm);
    const own = [...taps.fds, ...vsock.fds, ...tpm.fds];
    const opened = { ...sockets, taps, vsock: vsock.fds, tpm: tpm.fds };
    const argv = [launch.emulator, ...buildArgv(domain, settingsOf(supervisor, plan, opened))];
    await using preload = await openPreload(launch, own, plan.teardown);
    const environment = { ...hypervisorEnvironment(domain), ...preload.environment };
    const newborn = { argv, user, extraFds: [...own, ...preload.fds], environment, unlimitedMemlock };
    const { identity, pidfd } = await bear(supervisor, newborn);
    reach('hypervisor born');
    supervisor.watchHypervisor({ identity, pidfd }, async () => lastWords(log, logStart));
    await supervisor.tell({ kind: 'hypervisorSpawned', hypervisor: identity });
  } catch (error) {
    throw unlimitedMemlock && isErrno(error, 'EPERM') ? withoutMemlock(domain, error) : error;
  } finally {
    taps.close();
  }
}

/** The teardown library as the hypervisor's last descriptor, and what tells it so; nothing where another helper is wanted. */
async function openPreload(
  { helper, emulator }: Launch,
  before: readonly number[],
  rule: TeardownRule,
): Promise<AsyncDisposable & { fds: readonly number[]; environment: Readonly<Record<string, string>> }> {
  if (helper !== 'preload') return { fds: [], environment: {}, [Symbol.asyncDispose]: async () => undefined };
  const library = await openLibrary();
  const environment = teardownEnvironment(emulator, firstExtraFd + before.length, rule);
  return { fds: [library.fd], environment, [Symbol.asyncDispose]: async () => library.close() };
}

/** What was opened for a hypervisor, in the order in which it gets the descriptors. */
interface Opened {
  readonly taps: OpenTaps;
  readonly vsock: readonly number[];
  readonly tpm: readonly number[];
}

function settingsOf(
  { launch, services }: Supervisor,
  plan: LaunchPlan,
  { taps, vsock, tpm, ...sockets }: CompanionSockets & Opened,
): LaunchSettings {
  const vsockFd = firstExtraFd + taps.fds.length;
  const device = vsockFd + vsock.length;
  const number = launch.claims.find((claim) => claim.kind === 'cid');
  return {
    capabilities: plan.capabilities,
    qmpSocket: qmpSocket(services.places, launch.id),
    asyncTeardown: launch.helper === 'qemu',
    socketDir: runtimeDirectory(services.places, launch.id),
    taps: taps.numberedFrom(firstExtraFd),
    nowMs: services.clock.now(),
    vncPorts: plan.vncPorts,
    firmware: plan.firmware,
    deviceNodes: plan.deviceNodes,
    tpmFds: tpm.length === 0 ? null : { device, cancel: device + 1 },
    vsock: number === undefined ? null : { cid: number.cid, fd: vsockFd },
    ...sockets,
  };
}

function withoutMemlock({ memoryBacking: { locked } }: Domain, cause: unknown): DomctlError {
  const element = locked ? '<locked/>' : '<hostdev>';
  return new DomctlError('HOST_LACKS', `${element} needs the right to lift the limit of locked memory`, {
    hint: 'give the daemon CAP_SYS_RESOURCE, or start it with ulimit -l unlimited',
    cause,
  });
}

function withoutDriver({ launch }: Supervisor, driver: string, cause: unknown): DomctlError {
  return new DomctlError(
    'HOST_LACKS',
    `cannot start domain '${launch.domain}': its QEMU has no block driver '${driver}'`,
    {
      hint: 'apt-get install qemu-block-extra, which has drivers for servers; or name another <emulator>',
      details: { driver },
      cause,
    },
  );
}

/** The hypervisor's own last words say more than our step that noticed. */
function explain(supervisor: Supervisor, error: unknown, said: string | null): DomctlError {
  if (error instanceof DomctlError) return error;
  const driver = lackingDriver(said);
  if (driver !== null) return withoutDriver(supervisor, driver, error);
  const noticed = messageOf(error);
  const destroyed = supervisor.state.kind === 'exiting' && supervisor.state.outcome.kind === 'destroyed';
  const why = destroyed ? 'it was destroyed while starting' : (said ?? noticed);
  return new DomctlError('FAILED', `cannot start domain '${supervisor.launch.domain}': ${why}`, {
    hint: destroyed ? undefined : `log: ${logFile(supervisor.services.places, supervisor.launch.domain)}`,
    cause: error,
  });
}
