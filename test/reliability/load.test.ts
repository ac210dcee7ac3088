/** The API under load, in small: `npm run bench:api` is the whole of it. Memory is bounded, others are answered, nothing is lost. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { expect, test } from 'vitest';
import type { DomainEvent } from '../../lib/client/contract.ts';
import { readEvents } from '../../lib/client/sse.ts';
import { mostOfOneUser } from '../../lib/daemon/connections.ts';
import {
  askForEvents,
  beginAndStop,
  halfOpen,
  longDefinition,
  politeClient,
  post,
  startStorm,
} from '../bench/api/callers.ts';
import { countSockets, residentBytes } from '../bench/processes.ts';
import { quantile } from '../bench/statistics.ts';
import { patient } from '../setup/slowness.ts';
import { eventually, MiB } from '../e2e/facts.ts';
import { isErrno } from '../../lib/errors.ts';
import { createHost, describeEndToEnd, type Host, nobody } from '../e2e/harness.ts';

/** Made and gone again so often: more events than fit between the daemon and one who reads none of them. */
async function makeEvents(host: Host, pairs: number): Promise<void> {
  const client = host.client();
  for (let index = 0; index < pairs; index += 1) {
    await client.define({ file: 'x.xml', xml: host.xml({ name: `passing${index}` }) });
    await client.undefine(`passing${index}`, null);
  }
}

interface Heard {
  /** Numbers of the events, in their order. */
  readonly ids: number[];
  readonly lastId: string;
}

/** Everything of a stream until it ends, the daemon ends it or, of one that goes on, until number `last` has come. */
async function listen(stream: IncomingMessage, last = Infinity): Promise<Heard> {
  const ids: number[] = [];
  let lastId = '0';
  try {
    for await (const { id, data } of readEvents(stream)) {
      if (id !== null) lastId = id;
      if (data !== null) ids.push((JSON.parse(data) as DomainEvent).id);
      if (Number(lastId) >= last) break;
    }
  } catch (error) {
    if (!isErrno(error, 'ECONNRESET')) throw error;
  }
  stream.destroy();
  return { ids, lastId };
}

describeEndToEnd('the API under load', () => {
  // Five hundred changes that are on disk before they are answered: beside other tests that write, those take their time.
  test('bounded memory, descriptors back, half-open requests ended, other clients answered, no event lost', {
    timeout: patient(300_000),
  }, async () => {
    await using host = await createHost();
    const domains = ['db1', 'db2'];
    for (const name of domains) await host.run({ name, emulator: host.oddQemu('polite') });
    const pid = await host.daemonPid();
    const before = { residentBytes: residentBytes(pid), sockets: await countSockets(pid) };
    let mostBytes = 0;
    const reading = setInterval(() => (mostBytes = Math.max(mostBytes, residentBytes(pid))), 100);

    const reader = await askForEvents(host.socket, 'since=0');
    const halves = await Promise.all(Object.values(halfOpen).map(async (text) => beginAndStop(host.socket, text)));
    const polite = politeClient(host.socket, '/v1/domains/db1', 20);
    const storming = startStorm({ socket: host.socket, clients: 60, requests: 3000, domains });
    const long = longDefinition('long', MiB);
    for (let count = 0; count < 5; count += 1)
      expect(await post(host.socket, '/v1/domains', { file: 'long.xml', xml: long })).toBe(422);
    await makeEvents(host, 250);
    expect(await storming).toMatchObject({ answered: 3000, failures: {} });
    const latencies = await polite.stop();
    expect(latencies.length).toBeGreaterThan(50);
    expect(quantile(latencies, 0.99)).toBeLessThan(patient(1000));

    for (const { ended } of halves) {
      const { said, afterMs } = await ended;
      expect.soft(afterMs).toBeLessThan(patient(30_000));
      expect.soft(said).toMatch(/^HTTP\/1\.1 408 .*"code":"USAGE"/s);
    }
    await eventually('whoever reads nothing is cut off', async () => (await countSockets(pid)) <= before.sockets);
    clearInterval(reading);
    expect(mostBytes).toBeLessThan(before.residentBytes + 300 * MiB);

    const heard = await listen(reader);
    const { lastId } = await listen(await askForEvents(host.socket, 'since=0&follow=false'));
    const last = Number(lastId);
    expect(heard.ids.length).toBeLessThan(last);
    const rest = await listen(await askForEvents(host.socket, '', heard.lastId), last);
    expect([...heard.ids, ...rest.ids]).toEqual(Array.from({ length: last }, (_none, index) => index + 1));
  });

  test('one user who may only look cannot take every connection', async () => {
    await using host = await createHost();
    await host.ok('daemon', 'start');
    const args = [host.at('run/domctld-ro.sock'), nobody, mostOfOneUser, 50].map(String);
    const flood = spawn('python3', ['-c', flooding, ...args], { stdio: ['pipe', 'pipe', 'inherit'] });
    const [refused] = (await once(flood.stdout, 'data')) as [Buffer];
    expect(Number(refused.toString())).toBe(50);
    expect(await host.ok('list', '--all')).toContain('Name');
    flood.stdin.end();
    await once(flood, 'close');
  });
});

/** Becomes that user, opens as many connections as it may and more, tells how many of those are refused in words, and holds on until its input ends. */
const flooding = `
import os, socket, sys
path, (user, most, more) = sys.argv[1], map(int, sys.argv[2:])
os.setgroups([])
os.setgid(user)
os.setuid(user)
def dial():
    s = socket.socket(socket.AF_UNIX)
    s.connect(path)
    return s
held = [dial() for _ in range(most)]
held[-1].sendall(b'GET /v1/version HTTP/1.1\\r\\nhost: x\\r\\n\\r\\n')
assert held[-1].recv(4096).startswith(b'HTTP/1.1 200')
print(sum(dial().recv(4096).startswith(b'HTTP/1.1 503') for _ in range(more)), flush=True)
sys.stdin.read()
`;
