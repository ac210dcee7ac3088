/**
 * domctld: owns the cgroups and the journal of one state directory. Comes up by proving that the host can do it, folding
 * the journal, and listening; tells its starter so on descriptor 3. Ending it ends no VM.
 */
import { open } from 'node:fs/promises';
import { writeSync } from 'node:fs';
import { join } from 'node:path';
import { CgroupRoot, readHierarchy } from '../../cgroups/hierarchy.ts';
import { setSubreaper, tryLockFile } from '../../native/index.ts';
import { readBootId } from '../host/inventory.ts';
import { cgroupOf } from '../host/processes.ts';
import { apiVersion, type VersionAnswer } from '../client/contract.ts';
import { systemClock } from '../clock.ts';
import type { IncarnationState } from '../domain/incarnation.ts';
import { DomctlError, isErrno } from '../errors.ts';
import { createLog, type Log } from '../log.ts';
import { findPlaces, placeVariables, type Places, systemPlaces } from '../places.ts';
import { version } from '../version.ts';
import { promisesOf } from './accounts.ts';
import { autostart } from './autostart.ts';
import { announceMissed, announceState } from './announcements.ts';
import { takeInheritedSocket } from './activation.ts';
import { Connections } from './connections.ts';
import { DefinitionStore } from './definitions.ts';
import { unwritable } from './durable.ts';
import { runEffect } from './effects.ts';
import { errorEnvelope } from '../client/envelope.ts';
import { EventLog } from './events.ts';
import { Fleet } from './fleet.ts';
import { Guests } from './guests.ts';
import { Hardware } from './hardware.ts';
import { inherit, sweep } from './inheritance.ts';
import { Journal } from './journal.ts';
import type { Remembered, Transition } from './journal-file.ts';
import { listen } from './listening.ts';
import { LogKeeper } from './log-keeper.ts';
import { Metrics } from './metrics.ts';
import { Neighbours, type PromisePlaces } from './neighbours.ts';
import { keepReaping } from './orphans.ts';
import { chooseRoot } from './root-choice.ts';
import { makeLogRoot, makeRuntimeRoot, makeStateRoot } from './runtime-files.ts';
import { buildServer } from './server.ts';
import { ServiceManager } from './service-manager.ts';
import { Starter } from './starting.ts';
import { cgroupIds } from './strays.ts';
import type { Services, Supervisor } from './supervisor.ts';
import { Verbs } from './verbs.ts';

/** The starter waits for one line here: `ready`, or the error envelope. Of a service manager it is the listening socket. */
const startedFd = 3;

/** Runs until told to stop. Throws what keeps it from starting. */
async function runDaemon(given: Places, log: Log): Promise<void> {
  const manager = new ServiceManager(log);
  const inherited = takeInheritedSocket();
  const { places, lock, journal, remembered, transitions, root, rootLock } = await claim(given);
  setSubreaper();
  const definitions = await DefinitionStore.open(places.stateDir);
  const events = await openEvents(places, transitions, log);
  const fleet = new Fleet(Math.max(remembered.lastId, ...[...cgroupIds(root).values()].flat()));
  const metrics = new Metrics();
  const neighbours = openNeighbours(fleet, { places, root, log });
  const services: Services = {
    journal,
    clock: systemClock,
    log,
    root,
    places,
    events,
    runEffect,
    all: () => fleet.supervisors,
    published: (supervisor, before, seq) => {
      publish(fleet, supervisor, before, seq);
      metrics.published(supervisor, before);
      manager.status(summarize(fleet));
      void neighbours.refresh();
    },
  };
  await inherit(fleet, services, remembered, definitions);
  const starter = await openStarter({ fleet, services, neighbours }, remembered);
  const guests = new Guests(fleet);
  const verbs = new Verbs({ fleet, definitions, starter, guests, places, events });
  const hardware = new Hardware({ fleet, definitions, events });
  const connections = new Connections();
  const parts = { starter, verbs, guests, hardware, metrics, neighbours, connections };
  const app = buildServer({ fleet, services, about: describe(root), ...parts, stop });
  const logs = new LogKeeper(places.logDir, log);
  // Before anybody is answered: who was may end us, and both sockets go then.
  for (const signal of ['SIGTERM', 'SIGINT']) process.on(signal, stop);
  await listen(app, { places, inherited, connections }).catch(async (error: unknown) => leave(root, error));
  // Only now is it sure that these directories are ours alone.
  await keepHouse(fleet, services, logs);
  log.info({ version, hierarchy: root.hierarchy.kind }, 'listening');
  tellStarter('ready');
  starter.waiting.serve();
  void autostart(fleet, { starter, services, metrics });
  manager.ready(summarize(fleet));

  function stop(): void {
    logs.close();
    manager.stopping();
    starter.close();
    void app
      .close()
      .then(async () => {
        await letGo(fleet, services, [rootLock, lock]);
        log.info('stopped; virtual machines go on');
        process.exit(0);
      })
      .catch((error: unknown) => {
        log.error({ err: error }, 'stop');
        process.exit(1);
      });
  }
}

/** All that the journal tells of was told. */
async function openEvents({ stateDir }: Places, transitions: readonly Transition[], log: Log): Promise<EventLog> {
  const events = await EventLog.open(stateDir, { clock: systemClock, log });
  announceMissed(events, transitions);
  return events;
}

/** Removes what an earlier daemon left, and looks after what hypervisors leave from now on. */
async function keepHouse(fleet: Fleet, services: Services, logs: LogKeeper): Promise<void> {
  await sweep(fleet, services);
  keepReaping(services);
  void logs.keep();
}

/** Other daemons of this host. */
function openNeighbours(fleet: Fleet, host: Pick<Services, 'places' | 'root' | 'log'>): Neighbours {
  return new Neighbours({ ...host, places: promisePlaces(host.places), live: () => promisesOf(fleet.supervisors) });
}

/** What was promised is known to the neighbours, and what was queued has its place. */
async function openStarter(
  { fleet, services, neighbours }: { fleet: Fleet; services: Services; neighbours: Neighbours },
  { tickets }: Remembered,
): Promise<Starter> {
  await neighbours.refresh();
  const starter = new Starter(fleet, services, neighbours);
  await starter.waiting.restore(tickets);
  return starter;
}

/** Of everything that only this daemon needed; the locks last. */
async function letGo(fleet: Fleet, services: Services, locks: readonly { close(): Promise<void> }[]): Promise<void> {
  const { journal, events, root } = services;
  for (const supervisor of fleet.supervisors) supervisor.close();
  await journal.close();
  await events.close();
  await root.at().removeIfEmpty();
  for (const lock of locks) await lock.close();
}

/** Leaves no root behind that nobody uses. */
async function leave(root: CgroupRoot, error: unknown): Promise<never> {
  await root.at().removeIfEmpty();
  throw error;
}

/** Those who listen are told before the fleet lets go of what was released. */
function publish(fleet: Fleet, supervisor: Supervisor, before: IncarnationState, seq: number | null): void {
  announceState(supervisor, before, seq);
  fleet.published(supervisor, before);
}

/** Makes the state directory and the cgroup root this process's own. The journal tells which root: it is read in between. */
async function claim(given: Places) {
  // The starter's umask must not keep the hypervisor's user out of its runtime directory.
  process.umask(0o022);
  await makeStateRoot(given);
  await makeRuntimeRoot(given);
  await makeLogRoot(given);
  const lock = await takeLock(given);
  const { journal, remembered, transitions } = await Journal.open(given.stateDir, systemClock);
  const places = { ...given, cgroupRoot: findRoot(given, remembered) };
  const root = await CgroupRoot.open(readHierarchy(), places.cgroupRoot);
  return { places, lock, journal, remembered, transitions, root, rootLock: await takeRootLock(root) };
}

/** A user's daemon shares the host with the system's, too. */
function promisePlaces({ promisesDir }: Places): PromisePlaces {
  const isUsers = process.getuid?.() !== 0;
  return { own: promisesDir, others: isUsers ? [systemPlaces.promisesDir] : [] };
}

/** The cgroup root to use; warns when it is not the one that was asked for. */
function findRoot(places: Places, { incarnations }: Remembered): string {
  const given = process.env[placeVariables.cgroupRoot] ? places.cgroupRoot : null;
  const own = cgroupOf(process.pid);
  const facts = { remembered: incarnations, bootId: readBootId(), given, own, byDefault: places.cgroupRoot };
  const root = chooseRoot(facts);
  if (given !== null && root !== given) log.warn({ given, root }, 'machines still live in another cgroup root: kept');
  return root;
}

/** For `systemctl status`. */
function summarize(fleet: Fleet): string {
  const draining = fleet.supervisors.filter(({ state }) => state.kind === 'draining').length;
  const ended = draining === 0 ? '' : `, ${draining} draining`;
  return `${fleet.entries.length} domains, ${fleet.supervisors.length - draining} live${ended}`;
}

/** One daemon a state directory: the kernel's lock dies with the process, however it dies. */
async function takeLock(places: Places): Promise<{ close(): Promise<void> }> {
  const path = join(places.stateDir, 'domctld.lock');
  const file = await open(path, 'a', 0o600).catch((error: unknown) => {
    // On a read-only disk there is nothing to write twice, and the cgroup root has a lock of its own.
    if (isErrno(error, 'EROFS')) return null;
    throw unwritable(path, error);
  });
  if (file === null) return { close: async () => Promise.resolve() };
  if (tryLockFile(file.fd)) return file;
  await file.close();
  throw new DomctlError('DAEMON_UNREACHABLE', `another domctld owns ${places.stateDir}`, {
    details: { stateDir: places.stateDir },
    hint: `its lock is ${path}; 'domctl daemon stop' ends it`,
  });
}

/** And one a cgroup root: two would give the same number to two incarnations. The lock is on a file of the root itself. */
async function takeRootLock(root: CgroupRoot): Promise<{ close(): Promise<void> }> {
  const file = await open(join(root.at().directory, 'cgroup.procs'), 'r+');
  if (tryLockFile(file.fd)) return file;
  await file.close();
  throw new DomctlError('DAEMON_UNREACHABLE', `another domctld owns the cgroup root ${root.path}`, {
    hint: 'choose another DOMCTL_CGROUP_ROOT, or use the state directory of that one',
  });
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

/** Nobody may be listening there: started by hand, descriptor 3 is not open. */
function tellStarter(line: string): void {
  if (!hasStarter) return;
  try {
    writeSync(startedFd, `${line}\n`);
  } catch (error) {
    if (!isErrno(error, 'EPIPE', 'EBADF')) throw error;
  }
}

const log = createLog();
const hasStarter = process.env['DOMCTL_STARTER'] === 'yes' && process.env['LISTEN_PID'] !== String(process.pid);
runDaemon(findPlaces(), log).catch((error: unknown) => {
  const envelope = errorEnvelope(error);
  log.fatal({ err: error }, envelope.error.message);
  tellStarter(JSON.stringify(envelope));
  if (!hasStarter) process.stderr.write(`error: ${envelope.error.message}\n`);
  process.exit(envelope.error.exit);
});
