/**
 * Hypervisors that mean no good (fixtures/hypervisor), each beside a healthy domain: it ends in a true state within its
 * clock, and the other one notices nothing. A row says what the hypervisor does, what ends that, and what is said of it.
 */
import { closeSync, openSync, readdirSync, readFileSync, readSync, statSync, writeFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { DomctlError } from '../../lib/errors.ts';
import { escapeName } from '../../lib/domain/names.ts';
import type { DomainInfo } from '../../lib/client/contract.ts';
import { residentBytes } from '../bench/processes.ts';
import { patient } from '../setup/slowness.ts';
import { cgroupTree, eventually, isAlive, MiB, namesIn, readOrNull, zombiesOf } from '../e2e/facts.ts';
import { describeEndToEnd, type Host } from '../e2e/harness.ts';
import { createNeighbourhood, defineLight, expectUndisturbed, killAfterMs } from '../e2e/neighbourhood.ts';

/** No hypervisor makes it larger: it holds one line of each at most, and its parse. */
const largestDaemon = 512 * MiB;

async function refusal(asked: Promise<unknown>): Promise<DomctlError> {
  const error = await asked.then(
    () => null,
    (reason: unknown) => reason,
  );
  if (error instanceof DomctlError) return error;
  throw new Error(`not refused: ${String(error)}`);
}

/** Defines and starts it. */
async function run(host: Host, name: string, devices = ''): Promise<DomainInfo> {
  await defineLight(host, name, devices);
  await host.client().start(name, {});
  return host.info(name);
}

/** Destroys what runs; gives how it ended, and how long that took. */
async function end(host: Host, name: string): Promise<{ outcome: DomainInfo['lastOutcome']; ms: number }> {
  const began = performance.now();
  await host.client().destroy(name, { wait: 'off', timeoutMs: patient(60_000) });
  return { outcome: (await host.info(name)).lastOutcome, ms: performance.now() - began };
}

const launches: readonly { behaviour: string; clock: string; said: RegExp }[] = [
  { behaviour: 'dies-at-once', clock: 'its exit', said: /that was enough$/ },
  { behaviour: 'dies-in-handshake', clock: 'its exit', said: /that was enough$/ },
  { behaviour: 'hangs-up', clock: 'the end of the connection', said: /the hypervisor closed the connection$/ },
  { behaviour: 'greets-in-noise', clock: 'its first line', said: /does not speak QMP$/ },
  { behaviour: 'greets-without-end', clock: 'the longest line', said: /does not speak QMP$/ },
  { behaviour: 'greets-deeply', clock: 'the deepest nesting', said: /does not speak QMP$/ },
  { behaviour: 'greets-at-length', clock: 'the most values', said: /does not speak QMP$/ },
];

describeEndToEnd('a hypervisor that does not come up', () => {
  test.each(launches)('$behaviour: ends by $clock, and is shut off (failed)', async ({ behaviour, said }) => {
    await using host = await createNeighbourhood();
    await defineLight(host, behaviour);
    const starting = refusal(host.client().start(behaviour, {}));
    await expectUndisturbed(host);
    const { code, message } = await starting;
    expect({ code, message }).toEqual({ code: 'FAILED', message: expect.stringMatching(said) });
    expect(message).not.toMatch(/\p{Cc}/u);
    const { lastOutcome } = await host.becomes(behaviour, 'shut off');
    expect(lastOutcome).toMatchObject({ kind: 'failed' });
    expect(host.history(lastOutcome!.id)).toEqual(['launching', 'exiting', 'draining', 'released']);
    expect(residentBytes(await host.daemonPid())).toBeLessThan(largestDaemon);
  });
});

describeEndToEnd('a hypervisor that misbehaves while it runs', () => {
  /** Its domain runs (or is paused, by its own word) for some seconds, and is destroyed as any other. */
  async function lastsAndEnds(host: Host, name: string, forMs = 3000): Promise<void> {
    const until = performance.now() + forMs;
    do {
      await expectUndisturbed(host);
      expect(['running', 'paused']).toContain(await host.word(name));
    } while (performance.now() < until);
    expect(residentBytes(await host.daemonPid())).toBeLessThan(largestDaemon);
    const { outcome, ms } = await end(host, name);
    expect(outcome).toMatchObject({ kind: 'destroyed' });
    expect(ms).toBeLessThan(patient(killAfterMs + 8000));
    await expectUndisturbed(host);
  }

  test.each(['floods-answers', 'floods-blank'])('%s: is heard at its pace, and runs', async (behaviour) => {
    await using host = await createNeighbourhood();
    await run(host, behaviour);
    await lastsAndEnds(host, behaviour);
  });

  test('floods-events: fills neither journal nor log, and can be destroyed', async () => {
    await using host = await createNeighbourhood();
    const { id } = await run(host, 'floods-events');
    await lastsAndEnds(host, 'floods-events', 5000);
    // Sixty at once and one a second; each is two lines at most: the event, and what was asked instead.
    const own = host.journal().filter(({ incarnation }) => incarnation === id);
    expect(own.length).toBeLessThan(200);
    expect(host.log.length).toBeLessThan(2 * MiB);
    expect(host.log).toContain('"unheard":');
  });

  test('answers-others: is not believed what nobody asked, and obeys', async () => {
    await using host = await createNeighbourhood();
    await run(host, 'answers-others');
    await host.client().guest('answers-others', 'suspend');
    expect(await host.word('answers-others')).toBe('paused');
    await host.client().guest('answers-others', 'resume');
    await lastsAndEnds(host, 'answers-others', 0);
  });

  test('answers-hugely: loses its monitor for a moment, and nothing else', async () => {
    await using host = await createNeighbourhood();
    await run(host, 'answers-hugely');
    const client = host.client();
    const asked = refusal(client.monitor('answers-hugely', { command: 'query-block' }));
    await expectUndisturbed(host);
    expect((await asked).message).toContain('QMP query-block: the other end does not speak QMP');
    await eventually('its monitor is back', async () =>
      client.monitor('answers-hugely', { command: 'query-status' }).catch(() => null),
    );
    await lastsAndEnds(host, 'answers-hugely', 0);
  });

  test('goes-dumb: what it is asked fails after 10 s, and it runs', async () => {
    await using host = await createNeighbourhood();
    await run(host, 'goes-dumb');
    const asked = refusal(host.client().guest('goes-dumb', 'suspend'));
    await expectUndisturbed(host);
    expect(await host.word('goes-dumb')).toBe('running');
    expect((await asked).message).toContain('QMP stop: no answer within 10000 ms');
    await lastsAndEnds(host, 'goes-dumb', 0);
  });

  test('poisons: ends no daemon, makes up no event, and leaves a journal that can be read', async () => {
    await using host = await createNeighbourhood();
    const daemon = await host.daemonPid();
    await run(host, 'poisons');
    await eventually('all that it said was read', () => host.log.includes('"data":{"action":"none"}'));
    await expectUndisturbed(host);
    expect(await host.daemonPid()).toBe(daemon);
    await host.killDaemon();
    // The next one asks for its status, which is a word that every object knows.
    await host.nextDaemon();
    await host.becomes('poisons', 'paused');
    expect(await host.info('poisons')).toMatchObject({ reason: 'unknown' });
    await host.killDaemon();
    await host.nextDaemon();
    expect(namesIn(host.at('state')).filter((name) => name.includes('damaged'))).toEqual([]);
    const events = (readOrNull(host.at('state/events.jsonl'), 'utf8') ?? '').split('\n').filter((line) => line !== '');
    const told = events.map((line) => JSON.parse(line) as { id: number; domain: string; text: string });
    expect(told.map(({ id }) => id)).toEqual(told.map((_event, index) => index + 1));
    expect(told.filter(({ domain, text }) => domain === 'healthy' && text.startsWith('Stopped'))).toEqual([]);
    expect(Math.max(...events.map((line) => line.length))).toBeLessThan(4096);
    await lastsAndEnds(host, 'poisons', 0);
  });

  test('fills-its-log: 3 GiB as fast as it can; the log keeps its tail', async () => {
    await using host = await createNeighbourhood();
    const log = host.at(`log/${escapeName('fills-its-log')}.log`);
    await run(host, 'fills-its-log');
    const sizes: number[] = [];
    await expectUndisturbed(host);
    await eventually('it has written all', () => {
      sizes.push(statSync(log).size);
      return tailOf(log).includes('that was enough');
    });
    expect(Math.max(...sizes)).toBeLessThan(2048 * MiB);
    await eventually('it is short', () => statSync(log).size <= 2 * MiB, 5000);
    await lastsAndEnds(host, 'fills-its-log', 0);
  });

  test('litters: what it leaves in its runtime directory, in memory too, keeps it from nothing', async ({ skip }) => {
    if (!/ \/dev\/shm tmpfs /.test(readFileSync('/proc/mounts', 'utf8'))) skip('no tmpfs at /dev/shm');
    await using host = await createNeighbourhood({ runtimeIn: '/dev/shm' });
    await run(host, 'litters');
    await lastsAndEnds(host, 'litters', 0);
    await host.client().destroy('healthy', { wait: 'off' });
    await host.allForgotten();
  });

  test('stopped by somebody: it runs by its own last word, and is ended by SIGKILL', async () => {
    await using host = await createNeighbourhood();
    const { pid } = await run(host, 'stopped');
    process.kill(pid!, 'SIGSTOP');
    await expectUndisturbed(host);
    expect(await host.word('stopped')).toBe('running');
    expect((await end(host, 'stopped')).outcome).toMatchObject({ kind: 'destroyed', rung: 'SIGKILL', signal: 9 });
  });

  test('frozen by somebody: it is thawed to end', async () => {
    await using host = await createNeighbourhood();
    const { cgroup } = await run(host, 'frozen');
    const [freezer] = cgroupTree(cgroup!)
      .map((directory) => `${directory}/cgroup.freeze`)
      .filter(isThere);
    writeFileSync(freezer!, '1');
    await expectUndisturbed(host);
    expect(await host.word('frozen')).toBe('running');
    expect((await end(host, 'frozen')).outcome).toMatchObject({ kind: 'destroyed', rung: 'SIGTERM', exitCode: 0 });
  });
});

/** Its last hundred bytes: all of it may be gigabytes. */
function tailOf(path: string): string {
  const file = openSync(path, 'r');
  try {
    const bytes = Buffer.alloc(100);
    const length = readSync(file, bytes, 0, bytes.length, Math.max(0, statSync(path).size - bytes.length));
    return bytes.toString('latin1', 0, length);
  } finally {
    closeSync(file);
  }
}

function isThere(path: string): boolean {
  return readOrNull(path) !== null;
}

interface Ending {
  readonly behaviour: string;
  /** What is said while it lasts: until killAfter. */
  readonly word: 'exiting' | 'draining';
  readonly devices?: (host: Host) => string;
  /** Of its recorded state, meanwhile. */
  readonly meanwhile?: object;
  readonly outcome: object;
  /** Its children have to be killed. */
  readonly stragglers: boolean;
}

const disk = (host: Host): string =>
  `<disk type='file' device='disk'><driver name='qemu' type='raw'/><source file='${host.image('a.img')}'/><target dev='vda' bus='virtio'/></disk>`;
const screen = (): string => "<graphics type='vnc' port='-1' autoport='yes' listen='127.0.0.1'/>";
/** What an incarnation says of a resource that keeps it exiting. */
function busy(resource: RegExp, holder: unknown): object {
  return { busy: [expect.objectContaining({ resource: expect.stringMatching(resource), holder })] };
}

const left = { exitCode: 0, signal: null, rung: 'SIGTERM' };
const killed = { signal: 9, rung: 'SIGKILL' };

const endings: readonly Ending[] = [
  { behaviour: 'ignores-sigterm', word: 'exiting', outcome: killed, stragglers: false },
  { behaviour: 'loses-its-leader', word: 'exiting', outcome: killed, stragglers: false },
  { behaviour: 'leaves-children', word: 'draining', outcome: left, stragglers: true },
  { behaviour: 'leaves-no-leader', word: 'draining', outcome: left, stragglers: true },
  { behaviour: 'hops', word: 'draining', outcome: left, stragglers: true },
  {
    behaviour: 'leaves-a-lock',
    word: 'exiting',
    devices: disk,
    meanwhile: busy(/^image .*a\.img$/, expect.stringMatching(/^light \(pid \d+\)$/)),
    outcome: left,
    stragglers: true,
  },
  {
    behaviour: 'leaves-in-flight',
    word: 'exiting',
    devices: screen,
    meanwhile: busy(/^tcp port .*:59\d\d$/, null),
    outcome: left,
    stragglers: true,
  },
];

describe.each(endings)('a hypervisor that does not end as it should', (row) => {
  const { behaviour, word, devices, meanwhile = {}, outcome, stragglers } = row;
  describeEndToEnd(behaviour, () => {
    test(`is ${word} until killAfter, then shut off; nothing of it is left`, async () => {
      await using host = await createNeighbourhood();
      const { id, pid } = await run(host, behaviour, devices?.(host));
      const ending = end(host, behaviour);
      const info = await host.becomes(behaviour, word);
      expect(info.id).toBe(id);
      await expectUndisturbed(host);
      const { outcome: told, ms } = await ending;
      expect(told).toMatchObject({ kind: 'destroyed', ...outcome });
      expect(ms).toBeGreaterThan(killAfterMs - 200);
      expect(ms).toBeLessThan(patient(killAfterMs + 8000));
      expect(isAlive(pid!)).toBe(false);
      const states = host.journal().filter(({ incarnation }) => incarnation === id);
      expect(states.map(({ state }) => state as object)).toContainEqual(expect.objectContaining(meanwhile));
      const due = host.journal().filter(({ event, incarnation }) => event === 'stragglersDue' && incarnation === id);
      expect(due.length > 0).toBe(stragglers);
      const daemon = await host.daemonPid();
      await eventually('no zombie is left', () => zombiesOf(daemon).length === 0, 10_000);
      await host.client().destroy('healthy', { wait: 'off' });
      expect(readdirSync(host.at('run/incarnations'))).toEqual([]);
    });
  });
});
