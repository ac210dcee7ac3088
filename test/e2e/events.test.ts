/** What happens to domains is told in virsh's words, kept, and goes on over the death of the daemon. */
import { appendFileSync } from 'node:fs';
import { request } from 'node:http';
import { expect, test } from 'vitest';
import type { DomainEvent } from '../../lib/client/contract.ts';
import { eventually } from './facts.ts';
import { createHost, describeEndToEnd, type Host, type Running } from './harness.ts';

/** Whole lines of `domctl event --json`. */
function eventsOf(running: Running): DomainEvent[] {
  const lines = running.stdout().split('\n').slice(0, -1);
  return lines.map((line) => JSON.parse(line) as DomainEvent);
}

function words({ event, text }: DomainEvent): string {
  return text === '' ? event : `${event}: ${text}`;
}

const life = [
  'lifecycle: Started Booted',
  'lifecycle: Resumed Unpaused',
  'exiting',
  'lifecycle: Shutdown Finished after host request',
  'draining',
  'released',
  'lifecycle: Stopped Destroyed',
];

/** Starts `domctl event`, and waits until it listens: a marker is defined until it is told. */
async function listen(host: Host, ...args: readonly string[]): Promise<Running> {
  const running = host.begin(['event', ...args, '--json', '--loop']);
  await eventually('the listener listens', async () => {
    await host.ok('define', host.writeXml({ name: 'marker' }));
    return running.stdout() !== '';
  });
  await host.ok('undefine', 'marker');
  return running;
}

function of(domain: string, all: readonly DomainEvent[]): DomainEvent[] {
  return all.filter((event) => event.domain === domain);
}

describeEndToEnd('event', () => {
  test("tells a machine's life in virsh's words, Stopped only when all of it is back", async () => {
    await using host = await createHost();
    await host.ok('daemon', 'start');
    const listener = await listen(host);
    await host.run({ name: 'db1', shared: true });
    await host.ok('destroy', 'db1', '--wait');
    await host.define({ name: 'db1' });
    await host.ok('undefine', 'db1');
    await eventually('all of it is told', () => of('db1', eventsOf(listener)).length >= life.length + 3);
    const told = of('db1', eventsOf(listener));
    const whole = ['lifecycle: Defined Added', ...life, 'lifecycle: Defined Updated', 'lifecycle: Undefined Removed'];
    expect(told.map(words)).toEqual(expect.arrayContaining(whole));
    // QEMU's own goodbye comes when it comes; all else has its order.
    const late = 'lifecycle: Shutdown Finished after host request';
    const ordered = (all: readonly string[]): string[] => all.filter((one) => one !== late);
    expect(ordered(told.map(words))).toEqual(ordered(whole));
    expect(told.map(({ id }) => id)).toEqual(told.map(({ id }) => id).sort((a, b) => a - b));
    const draining = told.find(({ event }) => event === 'draining');
    expect(draining).toMatchObject({ incarnation: 1, data: { heldBytes: expect.any(Number) } });
    expect(told.find(({ event }) => event === 'released')?.data).toMatchObject({ outcome: 'destroyed', signal: null });
    listener.kill('SIGINT');
    expect((await listener.done).exit).toBe(130);
  });

  test('goes on over the death of the daemon: nothing lost, nothing doubled', async () => {
    await using host = await createHost();
    await host.ok('daemon', 'start');
    const listener = await listen(host);
    await host.define({ name: 'db1', emulator: host.oddQemu('polite') });
    for (let round = 1; round <= 3; round += 1) {
      await host.ok('start', 'db1');
      await host.killDaemon();
      await host.nextDaemon();
      await host.ok('destroy', 'db1', '--wait');
    }
    await eventually('the last end is told', () => {
      const ends = of('db1', eventsOf(listener)).filter(({ text }) => text === 'Stopped Destroyed');
      return ends.length >= 3;
    });
    listener.kill('SIGINT');
    const result = await listener.done;
    expect(result.stderr).toContain('the daemon is gone');
    const told = eventsOf(listener);
    const lines = (await host.ok('event', '--since', '0', '--json')).trimEnd().split('\n');
    const recorded = lines.map((line) => JSON.parse(line) as DomainEvent);
    expect(recorded.map(({ id }) => id)).toEqual(recorded.map((_, index) => index + 1));
    const first = told[0]!.id;
    expect(told.map(({ id }) => id)).toEqual(told.map((_, index) => first + index));
    expect(told).toEqual(recorded.slice(first - 1));
    for (const id of [1, 2, 3]) {
      const texts = told.filter(({ incarnation }) => incarnation === id).map(({ text }) => text);
      expect(texts).toEqual(['Started Booted', 'Resumed Unpaused', '', '', '', 'Stopped Destroyed']);
    }
  });

  test('ends with the first event, at its deadline, or prints what is recorded; each with its exit code', async () => {
    await using host = await createHost();
    await host.ok('daemon', 'start');
    const early = await host.domctl(['event', '--timeout', '200ms']);
    expect(early).toMatchObject({ exit: 1, stdout: 'event loop timed out\nevents received: 0\n' });
    expect(await host.domctl(['event', '--since', '1h'])).toMatchObject({ exit: 0, stdout: 'events received: 0\n' });

    const first = host.begin(['event', '--event', 'lifecycle', '--timestamp', '--timeout', '30']);
    await eventually('it is told', async () => {
      await host.ok('define', host.writeXml({ name: 'db1' }));
      return first.stdout() !== '';
    });
    const { exit, stdout } = await first.done;
    expect(exit).toBe(0);
    expect(stdout).toMatch(
      /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}\+0000: event 'lifecycle' for domain 'db1': Defined (Added|Updated)\nevents received: 1\n$/,
    );

    await host.ok('start', 'db1');
    await host.ok('destroy', 'db1', '--wait');
    await host.ok('undefine', 'db1');
    const night = await host.ok('event', 'db1', '--since', '12h');
    expect(night).toContain(" event 'lifecycle' for domain 'db1': Started Booted\n");
    expect(night).toMatch(/event 'draining' for domain 'db1': incarnation 1, 0\.\d GiB held/);
    expect(night).toMatch(/event 'released' for domain 'db1': incarnation 1, destroyed, all memory back after \d/);
    expect(await host.ok('event', 'db1', '--since', '0', '--event', 'draining,stalled')).toMatch(
      /^[^\n]*'draining'[^\n]*\nevents received: 1\n$/,
    );
    expect(await host.ok('event', 'other', '--since', '2020-01-01')).toBe('events received: 0\n');
    expect(await host.ok('event', '--list')).toContain('lifecycle\n');
    expect((await host.domctl(['event', 'none'])).exit).toBe(3);
    expect((await host.domctl(['event', '--event', 'bogus'])).exit).toBe(2);
    expect((await host.domctl(['event', '--since', 'yesterday'])).exit).toBe(2);
    const beyond = await host.domctl(['event', '--since', '4711']);
    expect(beyond).toMatchObject({ exit: 0, stderr: expect.stringContaining('event 4711 is not known here') });
  });

  test('is a stream of server-sent events, with numbers that go on after damage', async () => {
    await using host = await createHost();
    await host.define({ name: 'db1' });
    expect(await get(host, '/v1/events?follow=false&since=0')).toContain('"id":1,');
    await host.killDaemon();
    appendFileSync(host.at('state/events.jsonl'), '{"id":2,"torn');
    await host.nextDaemon();
    await host.define({ name: 'db2' });
    const text = await get(host, '/v1/events?follow=false&since=0');
    expect(text).toMatch(/^: nothing new\nid: 0\n\nid: 1\nevent: lifecycle\ndata: \{"id":1,.*\}\n\nid: 2\n/);
    expect(await get(host, '/v1/events?follow=false', { 'last-event-id': '1' })).toContain('"domain":"db2"');
    expect(await get(host, '/v1/events?since=-1')).toContain('"USAGE"');
    expect(await get(host, '/v1/events?domain=none')).toContain('"NO_SUCH_DOMAIN"');
  });
});

async function get(host: Host, path: string, headers: Record<string, string> = {}): Promise<string> {
  return new Promise((resolve, reject) => {
    const sent = request({ socketPath: host.socket, path, headers }, (response) => {
      let said = '';
      response.on('data', (chunk: Buffer) => (said += chunk.toString()));
      response.on('end', () => resolve(said));
    });
    sent.on('error', reject);
    sent.end();
  });
}
