/** Incarnations without a daemon around them: a supervisor of its own root, places and journal, and a real hypervisor. */
import { chmodSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { Mutex } from 'async-mutex';
import type { TestContext } from 'vitest';
import { runEffect } from '../../lib/daemon/effects.ts';
import { companionsOf } from '../../lib/daemon/companions.ts';
import { EventLog } from '../../lib/daemon/events.ts';
import { Journal } from '../../lib/daemon/journal.ts';
import { launchHypervisor, type LaunchPlan } from '../../lib/daemon/launcher.ts';
import { claimPorts } from '../../lib/daemon/resources.ts';
import { type Services, Supervisor } from '../../lib/daemon/supervisor.ts';
import { claimFile } from '../../lib/host/images.ts';
import { ensureStore } from '../../lib/host/stores.ts';
import type { Claim } from '../../lib/domain/claims.ts';
import type { Domain } from '../../lib/domain/definition.ts';
import type { IncarnationState, Launch } from '../../lib/domain/incarnation.ts';
import { claimMadeTaps, claimNamedTaps } from '../../lib/host/taps.ts';
import { readBootId } from '../../lib/host/inventory.ts';
import { createLog } from '../../lib/log.ts';
import type { Places } from '../../lib/places.ts';
import { probeCapabilities } from '../../lib/qemu/capabilities.ts';
import { launch as sample } from '../unit/domain/samples.ts';
import { findQemus } from '../setup/qemus.ts';
import { afterwards, eventually, freshRoot, scratch } from './support.ts';

const nobody = { name: 'nobody', uid: 65_534, gid: 65_534, groups: [] };
export interface Machine {
  readonly supervisor: Supervisor;
  readonly places: Places;
  /** Kinds of its states so far, in order. */
  readonly history: readonly IncarnationState['kind'][];
  start(): Promise<void>;
  /** Resolves when it has come to that state; rejects after ten seconds. */
  becomes(kind: IncarnationState['kind']): Promise<void>;
}

let ids = 0;

async function claimStore({ pstore }: Domain): Promise<Claim[]> {
  if (pstore === null) return [];
  await ensureStore(pstore, nobody);
  return [await claimFile({ kind: 'store', path: pstore.path, mode: 'exclusive' }, 'store of errors')];
}

/** Registered and not started; ended with the test. Its claims are those on taps, ports and a store of errors alone. */
export async function fresh(context: TestContext, domain: Domain, change: Partial<LaunchPlan> = {}): Promise<Machine> {
  const emulator = (await findQemus()).find((qemu) => qemu.emulator !== null)?.emulator ?? context.skip('no QEMU');
  const root = await freshRoot(context);
  const places = placesIn(scratch(), root.path);
  const history: IncarnationState['kind'][] = [];
  const log = createLog();
  log.level = 'silent';
  const clock = { now: Date.now };
  const services: Services = {
    journal: (await Journal.open(places.stateDir, { now: Date.now })).journal,
    clock,
    log,
    events: await EventLog.open(places.stateDir, { clock, log }),
    root,
    places,
    runEffect,
    all: () => [],
    published: (supervisor) => void history.push(supervisor.state.kind),
  };
  const capabilities = await probeCapabilities(emulator, join(places.stateDir, 'capabilities'), {
    deadlineMs: 20_000,
    user: nobody,
  });
  ids += 1;
  const launch: Launch = {
    ...sample,
    id: (process.pid % 10_000) * 100 + ids,
    domain: domain.name,
    bootId: readBootId(),
    cgroup: `${root.path}/vm-m/${(process.pid % 10_000) * 100 + ids}`,
    claims: [],
    loans: [],
    companions: companionsOf(domain),
    helper: 'qemu',
    emulator,
    clocks: { ...sample.clocks, killAfterMs: 5000 },
  };
  const { interfaces } = domain;
  const taps = [...claimNamedTaps(interfaces), ...claimMadeTaps(interfaces, launch.id)];
  const claims = [...taps, ...claimPorts(domain), ...(await claimStore(domain))];
  await root.makeBranch('vm-m');
  const supervisor = new Supervisor({
    launch: { ...launch, claims },
    state: { kind: 'launching', sinceMs: Date.now(), hypervisor: null },
    queue: new Mutex(),
    services,
  });
  await supervisor.cgroup.create();
  const becomes = async (kind: IncarnationState['kind']): Promise<void> =>
    eventually(`it is ${kind}`, () => supervisor.state.kind === kind, 20_000);
  afterwards(async () => {
    if (supervisor.state.kind === 'launching') await supervisor.cgroup.kill();
    else await end(supervisor, becomes);
    supervisor.close();
    await services.journal.close();
    await services.events.close();
  });
  const plan = {
    domain,
    capabilities,
    user: nobody,
    vncPorts: new Map(),
    deviceNodes: new Map(),
    firmware: null,
    teardown,
    ...change,
  };
  return { supervisor, places, history, becomes, start: async () => launchHypervisor(supervisor, plan) };
}

const teardown = { mode: 'fast', threads: 'auto', gentleRateBytes: 1024 ** 3, preferredOomVictim: true } as const;

async function end(supervisor: Supervisor, becomes: Machine['becomes']): Promise<void> {
  if (supervisor.state.kind === 'released') return;
  await supervisor.tell({ kind: 'destroyRequested', graceful: false });
  await becomes('released');
}

/** The hypervisor's user must reach its sockets and its TPM's state. */
function placesIn(directory: string, cgroupRoot: string): Places {
  const at = (name: string): string => join(directory, name);
  for (const name of ['etc', 'state', 'run', 'log']) mkdirSync(at(name), { mode: 0o711 });
  chmodSync(directory, 0o711);
  return {
    configDir: at('etc'),
    stateDir: at('state'),
    runtimeDir: at('run'),
    logDir: at('log'),
    cgroupRoot,
    promisesDir: at('promises'),
  };
}
