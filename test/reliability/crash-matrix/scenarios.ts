/**
 * What the daemon is doing when it is killed. Each prepares `db1` under a daemon that nothing befalls, then acts under one
 * that is to be killed; real QEMU but where a hypervisor must misbehave.
 */
import { appendFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { DomainInfo } from '../../../lib/client/contract.ts';
import { DomctlError } from '../../../lib/errors.ts';
import { cgroupTree, eventually, isAlive, removeTree, signalUnlessGone } from '../../e2e/facts.ts';
import type { Holder, Host } from '../../e2e/harness.ts';

/** What one run of a scenario works with. */
export interface Stage {
  readonly host: Host;
  /** The image of db1. */
  readonly image: string;
  /** Something outside that keeps hold of what db1 had. */
  holder: Holder | null;
}

export interface Scenario {
  /** A daemon is up; db1 is not defined. */
  prepare(stage: Stage): Promise<unknown>;
  /** No daemon is up: what happens to its files meanwhile. */
  between?(stage: Stage): Promise<void> | void;
  /** The daemon that is to die is up, or has died over its start. Errors of a daemon that goes away are no failure. */
  act?(stage: Stage): Promise<unknown>;
  /** The next daemon is up. */
  conclude?(stage: Stage): Promise<unknown>;
  /** Whatever the daemon does, db1 ends. */
  readonly ends?: true;
}

async function define({ host, image }: Stage, more: { shared?: boolean; emulator?: string } = {}): Promise<void> {
  await host.client().define({ file: 'db1', xml: host.xml({ name: 'db1', disks: [image], policy: 'quick', ...more }) });
}

async function run(stage: Stage, more: { shared?: boolean; emulator?: string } = {}): Promise<DomainInfo> {
  await define(stage, more);
  await stage.host.client().start('db1', {});
  return stage.host.info('db1');
}

/** db1 drains, its memory held by another program. */
async function drain(stage: Stage): Promise<void> {
  const { pid } = await run(stage, { shared: true });
  stage.holder = await stage.host.holdMemory(pid!);
  await stage.host.client().destroy('db1', { wait: 'freed' });
}

async function letGo(stage: Stage): Promise<void> {
  const { holder } = stage;
  stage.holder = null;
  await holder?.letGo();
}

/** The condition holds, or the daemon is dead. */
async function unlessDead(host: Host, what: string, isThere: (info: DomainInfo) => boolean): Promise<void> {
  await eventually(what, async () => {
    try {
      return isThere(await host.info('db1'));
    } catch (error) {
      if (error instanceof DomctlError && error.exit === 9) return true;
      throw error;
    }
  });
}

async function tell({ host }: Stage, command: string): Promise<void> {
  await host.client().monitor('db1', { command });
}

/** The daemon has found db1's monitor again. */
async function connected(stage: Stage): Promise<void> {
  await eventually('the monitor is back', async () =>
    tell(stage, 'query-status').then(
      () => true,
      (error: unknown) => error instanceof DomctlError && error.exit === 9,
    ),
  );
}

/** In both hierarchies of a hybrid host. */
function moveInto(cgroup: string, pid: number): void {
  for (const directory of cgroupTree(cgroup)) writeFileSync(join(directory, 'cgroup.procs'), String(pid));
}

/** Lines of the journal, changed. */
function rewrite(host: Host, change: (line: string) => string): void {
  const lines = readFileSync(host.journalFile, 'utf8').split('\n');
  writeFileSync(host.journalFile, lines.map(change).join('\n'));
}

const noOutcome = { exitCode: null, signal: null, rung: 'itself', oomKilled: null, detail: null };

export const scenarios = {
  define: {
    prepare: async () => Promise.resolve(),
    act: define,
  },
  undefine: {
    async prepare(stage) {
      await run(stage);
      await stage.host.client().autostart('db1', true);
    },
    act: async ({ host }) => host.client().undefine('db1', null),
  },
  start: {
    prepare: define,
    act: async ({ host }) => host.client().start('db1', {}),
  },
  'failed start': {
    async prepare({ host, image }) {
      const serial = "<serial type='file'><source path='/nowhere/serial.log'/></serial></devices>";
      const xml = host.xml({ name: 'db1', disks: [image] }).replace('</devices>', serial);
      await host.client().define({ file: 'db1', xml });
    },
    act: async ({ host }) => host.client().start('db1', {}),
    ends: true,
  },
  'force-start': {
    prepare: drain,
    act: async ({ host }) => host.client().start('db1', { force: true }),
    conclude: letGo,
  },
  'force-start, its end': {
    async prepare(stage) {
      await drain(stage);
      await stage.host.client().start('db1', { force: true });
    },
    act: letGo,
    conclude: letGo,
  },
  queue: {
    prepare: drain,
    async act({ host }) {
      const waiting = host.client().start('db1', { wait: true });
      waiting.catch(() => undefined);
      await unlessDead(host, 'the start is queued', ({ queuedStart }) => queuedStart);
      await host.client().cancelStart('db1');
      await waiting;
    },
    conclude: letGo,
  },
  destroy: {
    prepare: run,
    act: async ({ host }) => host.client().destroy('db1', { wait: 'off' }),
  },
  stubborn: {
    async prepare(stage) {
      const { pid } = await run(stage);
      process.kill(pid!, 'SIGSTOP');
    },
    act: async ({ host }) => host.client().destroy('db1', { wait: 'off' }),
  },
  stragglers: {
    prepare: async (stage) => run(stage, { emulator: stage.host.oddQemu('leaves-a-child') }),
    act: async ({ host }) => host.client().destroy('db1', { wait: 'off' }),
  },
  busy: {
    async prepare(stage) {
      const { cgroup } = await run(stage);
      stage.holder = await stage.host.holdLock(stage.image, 101);
      moveInto(cgroup!, stage.holder.pid);
    },
    act: async ({ host }) => host.client().destroy('db1', { wait: 'off' }),
  },
  'held memory': {
    async prepare(stage) {
      const { pid } = await run(stage, { shared: true });
      stage.holder = await stage.host.holdMemory(pid!);
    },
    async act(stage) {
      await stage.host.client().destroy('db1', { wait: 'freed' });
      await unlessDead(stage.host, 'the stall is seen', ({ incarnations: [first] }) => first?.stalledForMs != null);
      await letGo(stage);
    },
    conclude: letGo,
  },
  lost: {
    prepare: drain,
    async act(stage) {
      const { cgroup } = await stage.host.info('db1');
      await eventually('its cgroup is removed by somebody', () => removeTree(cgroup!));
      await unlessDead(stage.host, 'it is lost', ({ state }) => state === 'unknown');
      await letGo(stage);
    },
    conclude: letGo,
  },
  exit: {
    prepare: run,
    async act(stage) {
      const { pid } = await stage.host.info('db1');
      await connected(stage);
      // The daemon may be dead by the question alone: then its machine ends without it.
      await tell(stage, 'quit').catch(() => signalUnlessGone(pid!, 'SIGTERM'));
    },
    ends: true,
  },
  shutdown: {
    prepare: run,
    async act(stage) {
      await connected(stage);
      await stage.host.client().shutdown('db1', { modes: ['acpi'], forceAfterMs: 500, wait: 'off' });
    },
  },
  unheard: {
    prepare: run,
    async act(stage) {
      await connected(stage);
      await stage.host.client().shutdown('db1', { modes: ['agent'] });
    },
  },
  reboot: {
    prepare: run,
    async act(stage) {
      await connected(stage);
      await stage.host.client().reboot('db1', { modes: ['acpi'] });
      await tell(stage, 'system_reset');
    },
  },
  reset: {
    prepare: run,
    async act(stage) {
      await connected(stage);
      await stage.host.client().guest('db1', 'reset');
    },
  },
  pause: {
    prepare: run,
    async act(stage) {
      await connected(stage);
      await stage.host.client().guest('db1', 'suspend');
      await stage.host.client().guest('db1', 'resume');
    },
  },
  recover: { prepare: run },
  'recover an end': {
    async prepare(stage) {
      const { pid } = await run(stage);
      process.kill(pid!, 'SIGSTOP');
      const destroying = stage.host.client().destroy('db1', { wait: 'off' });
      destroying.catch(() => undefined);
      await stage.host.becomes('db1', 'exiting');
    },
  },
  'another boot': {
    async prepare(stage) {
      const { pid } = await run(stage);
      await stage.host.killDaemon();
      // As the boot would have ended it.
      process.kill(pid!, 'SIGKILL');
      await eventually('it is dead', () => !isAlive(pid!));
    },
    between({ host }) {
      const bootId = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
      const isOurs = (line: string): boolean => line.includes('"kind":"launch"') && line.includes('"domain":"db1"');
      const other = '00000000-0000-4000-8000-000000000000';
      rewrite(host, (line) => (isOurs(line) ? line.replaceAll(bootId, other) : line));
    },
    ends: true,
  },
  'large journal': {
    prepare: run,
    between({ host }) {
      const lines = host.journal();
      const last = lines.findLast(({ kind, launch }) => kind === 'launch' && launch.domain === 'db1');
      const released = { kind: 'released', sinceMs: 1, outcome: { ...noOutcome, kind: 'destroyed' } };
      const launch = { ...last?.launch, domain: 'old' };
      const seq = lines.at(-1)!.seq + 1;
      const id = Math.max(...lines.map((line) => Number(line.launch?.id ?? 0))) + 1;
      // Of a domain that is gone the last one is kept: it is a small one.
      const bulky = { ...launch, id, xml: String(last?.launch.xml).padEnd(5 * 2 ** 20) };
      for (const [index, each] of [bulky, { ...launch, id: id + 1 }].entries()) {
        const line = { ...last, seq: seq + index, launch: each, state: released };
        appendFileSync(host.journalFile, `${JSON.stringify(line)}\n`);
      }
    },
  },
} satisfies Record<string, Scenario>;

export type ScenarioName = keyof typeof scenarios;
