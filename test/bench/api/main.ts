/**
 * `npm run bench:api [-- CLIENTS [REQUESTS]]`: the daemon under load, with guests that live. A storm of clients (200, 100,000 requests
 * in all), beside it event readers that read nothing, requests that are never finished, definitions of 1 MB, and one client
 * that asks a question every 20 ms: how long that one waits is the figure. Prints a table for docs/reliability.md.
 */
import { anyQemu } from '../../e2e/emulators.ts';
import { type Daemon, startDaemon } from '../daemon.ts';
import { makeScratch, withEnding } from '../ending.ts';
import { describeMachine } from '../machine.ts';
import { countSockets, processorMs, residentBytes } from '../processes.ts';
import { domainXml } from '../soak/work.ts';
import { quantile } from '../statistics.ts';
import { table } from '../table.ts';
import { askForEvents, beginAndStop, halfOpen, longDefinition, politeClient, post, startStorm } from './callers.ts';

const [clients = 200, requests = 100_000] = process.argv.slice(2).map(Number);
const [deaf, halves, longDefinitions] = [20, 20, 100];
const domains = ['bench1', 'bench2', 'bench3'];
const MiB = 2 ** 20;

async function bench({ pid, socket }: Daemon): Promise<void> {
  const before = await usedBy(pid);
  const readings: number[] = [before.residentBytes];
  const reading = setInterval(() => readings.push(residentBytes(pid)), 250);
  const quiet = politeClient(socket, '/v1/domains/bench1', 20);
  await new Promise((resolve) => setTimeout(resolve, 3000));
  const alone = await quiet.stop();
  const readers = await Promise.all(Array.from({ length: deaf }, async () => askForEvents(socket, 'since=0')));
  const halfRequests = await Promise.all(
    Array.from({ length: halves }, async (_none, index) =>
      beginAndStop(socket, index % 2 === 0 ? halfOpen.head : halfOpen.body),
    ),
  );
  const beside = politeClient(socket, '/v1/domains/bench1', 20);
  const long = sendLongDefinitions(socket);
  const storm = await startStorm({ socket, clients, requests, domains });
  const statuses = await long;
  const during = await beside.stop();
  const ended = await Promise.all(halfRequests.map(async (caller) => caller.ended));
  for (const reader of readers) reader.destroy();
  await new Promise((resolve) => setTimeout(resolve, 2000));
  clearInterval(reading);
  const after = await usedBy(pid);
  const ms = (samples: readonly number[], share: number): string => quantile(samples, share).toFixed(1);
  const mib = (bytes: number): string => (bytes / MiB).toFixed(0);
  const rows = [
    ['requests answered', `${storm.answered} of ${requests} in ${storm.seconds.toFixed(0)} s`],
    ['answers but 200', JSON.stringify(storm.failures)],
    ['one of the storm: p50, p99', `${storm.p50Ms.toFixed(1)} ms, ${storm.p99Ms.toFixed(1)} ms`],
    ['another client alone: p50, p99', `${ms(alone, 0.5)} ms, ${ms(alone, 0.99)} ms (n = ${alone.length})`],
    [
      'beside the storm: p50, p99, worst',
      `${ms(during, 0.5)} ms, ${ms(during, 0.99)} ms, ${ms(during, 1)} ms (n = ${during.length})`,
    ],
    ['definitions of 1 MB', `${longDefinitions}: ${[...new Set(statuses)].join(', ')}`],
    [
      'half-open requests',
      `${halves}, ended after ${(Math.max(...ended.map(({ afterMs }) => afterMs)) / 1000).toFixed(1)} s at most`,
    ],
    [
      'memory before, most, after',
      `${mib(before.residentBytes)}, ${mib(Math.max(...readings))}, ${mib(after.residentBytes)} MiB`,
    ],
    ['processor time of the daemon', `${((after.processorMs - before.processorMs) / 1000).toFixed(1)} s`],
    ['sockets before, after', `${before.sockets}, ${after.sockets}`],
  ];
  process.stdout.write(`${describeMachine()}; ${clients} clients, ${deaf} readers that read nothing\n\n`);
  process.stdout.write(`${table(['figure', 'value'], rows)}\n`);
}

interface Used {
  readonly residentBytes: number;
  readonly processorMs: number;
  readonly sockets: number;
}

async function usedBy(pid: number): Promise<Used> {
  return { residentBytes: residentBytes(pid), processorMs: processorMs(pid), sockets: await countSockets(pid) };
}

/** One after the other, of just under and just over what a definition may have. */
async function sendLongDefinitions(socket: string): Promise<number[]> {
  const statuses: number[] = [];
  for (let index = 0; index < longDefinitions; index += 1) {
    const xml = longDefinition('long', index % 2 === 0 ? 60_000 : MiB);
    statuses.push(await post(socket, '/v1/domains', { file: 'long.xml', xml }));
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  return statuses;
}

async function main(): Promise<void> {
  if (anyQemu === null) throw new Error('there is no QEMU here');
  const daemon = await startDaemon(makeScratch('bench-api-'));
  for (const name of domains) {
    await daemon.client.define({ file: name, xml: domainXml(name, anyQemu, 64) });
    await daemon.client.start(name, { paused: true });
  }
  await bench(daemon);
}

await withEnding(main);
