/**
 * domctld: owns the cgroups and the journal of one state directory. Comes up by proving that the host can do it, folding
 * the journal, and listening; tells its starter so on descriptor 3. Ending it ends no VM.
 */
import { chmod, mkdir, open, readdir, stat, unlink } from 'node:fs/promises';
import { writeSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { CgroupRoot, readHierarchy } from '../../cgroups/hierarchy.ts';
import { setSubreaper, tryLockFile } from '../../native/index.ts';
import { apiVersion, type VersionAnswer } from '../client/contract.ts';
import { systemClock } from '../clock.ts';
import { DomctlError, isErrno } from '../errors.ts';
import { createLog, type Log } from '../log.ts';
import { findPlaces, type Places, socketPath } from '../places.ts';
import { version } from '../version.ts';
import { DefinitionStore } from './definitions.ts';
import { runEffect } from './effects.ts';
import { errorEnvelope } from '../client/envelope.ts';
import { Fleet } from './fleet.ts';
import { Journal, type Remembered } from './journal.ts';
import { recover } from './recover.ts';
import { makeRuntimeRoot, sweepRuntimeDirectories, trimLog } from './runtime-files.ts';
import { buildServer } from './server.ts';
import { Starter } from './starting.ts';
import type { Services } from './supervisor.ts';
import { Verbs } from './verbs.ts';

/** The starter waits for one line here: `ready`, or the error envelope. */
const startedFd = 3;
const trimLogsEveryMs = 30_000;

/** Runs until told to stop. Throws what keeps it from starting. */
async function runDaemon(places: Places, log: Log): Promise<void> {
  await mkdir(places.stateDir, { recursive: true, mode: 0o700 });
  await makeRuntimeRoot(places);
  const lock = await takeLock(places);
  const root = await CgroupRoot.open(readHierarchy(), places.cgroupRoot);
  setSubreaper();
  const { journal, remembered } = await Journal.open(places.stateDir, systemClock);
  const definitions = await DefinitionStore.open(places.stateDir);
  const fleet = new Fleet(Math.max(remembered.lastId, ...[...cgroupIds(root).values()].flat()));
  const services: Services = {
    journal,
    clock: systemClock,
    log,
    root,
    places,
    runEffect,
    published: (supervisor, before) => {
      fleet.published(supervisor, before);
    },
  };
  await fold(fleet, services, remembered, definitions);
  await sweep(fleet, root, places);
  const about = describe(root);
  const app = buildServer({
    fleet,
    services,
    about,
    starter: new Starter(fleet, services),
    verbs: new Verbs(fleet, definitions),
    stop,
  });
  await listen(app, socketPath(places));
  const trimming = setInterval(() => void trimLogs(places, log), trimLogsEveryMs);
  process.on('SIGTERM', stop);
  process.on('SIGINT', stop);
  log.info({ version, hierarchy: root.hierarchy.kind }, 'listening');
  tellStarter('ready');

  function stop(): void {
    clearInterval(trimming);
    void app.close().then(async () => {
      for (const supervisor of fleet.supervisors) supervisor.close();
      await journal.close();
      await root.at().removeIfEmpty();
      await lock.close();
      log.info('stopped; virtual machines go on');
      process.exit(0);
    });
  }
}

/** One daemon a state directory: the kernel's lock dies with the process, however it dies. */
async function takeLock(places: Places): Promise<{ close(): Promise<void> }> {
  const path = join(places.stateDir, 'domctld.lock');
  const file = await open(path, 'a', 0o600);
  if (tryLockFile(file.fd)) return file;
  await file.close();
  throw new DomctlError('DAEMON_UNREACHABLE', `another domctld owns ${places.stateDir}`, {
    hint: `its lock is ${path}; 'domctl daemon stop' ends it`,
  });
}

/** Ids that still have a cgroup, by domain directory: their records may be lost, their numbers are never used again. */
function cgroupIds(root: CgroupRoot): ReadonlyMap<string, readonly number[]> {
  const branches = root
    .at()
    .children()
    .filter((name) => name.startsWith('vm-'));
  return new Map(branches.map((name) => [name, root.at(name).children().map(Number).filter(Number.isSafeInteger)]));
}

/** What a daemon left that ended while it tidied up: empty cgroups of domains, runtime files of the released. */
async function sweep(fleet: Fleet, root: CgroupRoot, places: Places): Promise<void> {
  const ids = cgroupIds(root);
  for (const [branch, children] of ids) {
    if (children.length === 0) await root.at(branch).removeIfEmpty();
  }
  const known = new Set([...fleet.supervisors.map(({ launch }) => launch.id), ...[...ids.values()].flat()]);
  await sweepRuntimeDirectories(places, (id) => known.has(id));
}

async function fold(
  fleet: Fleet,
  services: Services,
  remembered: Remembered,
  definitions: DefinitionStore,
): Promise<void> {
  const { domains, damage } = await definitions.readAll();
  for (const sentence of [...remembered.damage, ...damage]) services.log.error(sentence);
  for (const domain of domains) fleet.ensure(domain.name).definition = domain;
  const supervisors = remembered.incarnations
    .filter(({ state }) => state.kind !== 'released')
    .map(({ launch, state }) => fleet.adopt(launch, state, services));
  for (const incarnation of remembered.incarnations) {
    if (incarnation.state.kind !== 'released') continue;
    const entry = fleet.ensure(incarnation.launch.domain);
    entry.lastReleased = incarnation;
    fleet.forgetIfGone(entry);
  }
  await Promise.all(supervisors.map(recover));
}

function describe(root: CgroupRoot): VersionAnswer {
  return {
    name: 'domctl',
    version,
    api: apiVersion,
    pid: process.pid,
    startedAt: new Date().toISOString(),
    hierarchy: root.hierarchy.kind,
    cgroupRoot: root.path,
  };
}

/** A socket left by a dead daemon is replaced; one that somebody listens on, or a file of another kind, is not ours to remove. */
async function listen(app: ReturnType<typeof buildServer>, path: string): Promise<void> {
  const stats = await stat(path).catch((error: unknown) => {
    if (isErrno(error, 'ENOENT')) return null;
    throw error;
  });
  if (stats && !stats.isSocket()) throw socketTaken(path, 'is not a socket');
  if (stats && (await isListenedOn(path))) throw socketTaken(path, 'is held by another program');
  if (stats) await unlink(path);
  const before = process.umask(0o177);
  try {
    await app.listen({ path });
    await chmod(path, 0o600);
  } finally {
    process.umask(before);
  }
}

function socketTaken(path: string, why: string): DomctlError {
  return new DomctlError('SOCKET_NOT_OURS', `${path} ${why}`, {
    hint: 'end that program, remove the file, or choose another DOMCTL_RUNTIME_DIR',
  });
}

async function isListenedOn(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', (error) => {
      resolve(!isErrno(error, 'ECONNREFUSED', 'ENOENT'));
    });
  });
}

async function trimLogs(places: Places, log: Log): Promise<void> {
  try {
    const names = (await readdir(places.logDir)).filter((name) => name.endsWith('.log'));
    await Promise.all(names.map(async (name) => trimLog(join(places.logDir, name))));
  } catch (error) {
    log.warn({ err: error }, 'trim logs');
  }
}

/** Nobody may be listening there: started by hand, descriptor 3 is not open. */
function tellStarter(line: string): void {
  if (process.env['DOMCTL_STARTER'] !== 'yes') return;
  try {
    writeSync(startedFd, `${line}\n`);
  } catch (error) {
    if (!isErrno(error, 'EPIPE', 'EBADF')) throw error;
  }
}

const log = createLog();
runDaemon(findPlaces(), log).catch((error: unknown) => {
  const envelope = errorEnvelope(error);
  log.fatal({ err: error }, envelope.error.message);
  tellStarter(JSON.stringify(envelope));
  if (process.env['DOMCTL_STARTER'] !== 'yes') process.stderr.write(`error: ${envelope.error.message}\n`);
  process.exit(envelope.error.exit);
});
