/**
 * `npm run bench:api [-- CLIENTS [REQUESTS]]`: the daemon under load, with guests that live. A storm of clients (200, 100,000 requests
 * in all), beside it event readers that read nothing, requests that are never finished, definitions of 1 MB, and one client
 * that asks a question every 20 ms: how long that one waits is the figure. Prints a table for docs/reliability.md.
 */
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { findQemus } from '../../setup/qemus.ts';
import { describeMachine } from '../teardown/machine.ts';
import {
  askForEvents,
  beginAndStop,
  halfOpen,
  longDefinition,
  politeClient,
  post,
  readProcess,
  startStorm,
} from './callers.ts';
import { percentile } from './storm.ts';

const [clients = 200, requests = 100_000] = process.argv.slice(2).map(Number);
const [deaf, halves, longDefinitions] = [20, 20, 100];
const domains = ['bench1', 'bench2', 'bench3'];
const MiB = 2 ** 20;

const program = fileURLToPath(new URL('../../../dist/domctl.cjs', import.meta.url));
const home = mkdtempSync(join(tmpdir(), 'bench-api-'));
chmodSync(home, 0o755);
mkdirSync(join(home, 'etc'));
writeFileSync(join(home, 'etc/host.yaml'), 'kind: host\nversion: 1\nsecurity:\n  user: nobody\n');
const places = {
  DOMCTL_CONFIG_DIR: join(home, 'etc'),
  DOMCTL_STATE_DIR: join(home, 'state'),
  DOMCTL_RUNTIME_DIR: join(home, 'run'),
  DOMCTL_LOG_DIR: join(home, 'log'),
  DOMCTL_PROMISES_DIR: join(home, 'promises'),
  DOMCTL_CGROUP_ROOT: `/domctl-bench-${process.pid}`,
};
const socket = join(home, 'run/domctld.sock');

function domctl(...args: string[]): string {
  const { status, stdout, stderr } = spawnSync(process.execPath, [program, ...args], {
    env: { ...process.env, ...places },
    encoding: 'utf8',
  });
  if (status === 0) return stdout;
  throw new Error(`domctl ${args.join(' ')}: ${stderr}`);
}

function guest(name: string, emulator: string): string {
  const os = "<os><type arch='x86_64' machine='q35'>hvm</type></os>";
  return `<domain type='qemu'><name>${name}</name><memory unit='MiB'>64</memory>${os}<devices><emulator>${emulator}</emulator></devices></domain>`;
}

async function bench(pid: number): Promise<void> {
  const before = readProcess(pid);
  const readings: number[] = [before.residentBytes];
  const reading = setInterval(() => readings.push(readProcess(pid).residentBytes), 250);
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
  const long = sendLongDefinitions();
  const storm = await startStorm({ socket, clients, requests, domains });
  const statuses = await long;
  const during = await beside.stop();
  const ended = await Promise.all(halfRequests.map(async (caller) => caller.ended));
  for (const reader of readers) reader.destroy();
  await new Promise((resolve) => setTimeout(resolve, 2000));
  clearInterval(reading);
  const after = readProcess(pid);
  const ms = (samples: readonly number[], share: number): string => percentile(samples, share).toFixed(1);
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
  process.stdout.write(
    `| figure | value |\n|---|---|\n${rows.map(([what, value]) => `| ${what} | ${value} |\n`).join('')}`,
  );
}

/** One after the other, of just under and just over what a definition may have. */
async function sendLongDefinitions(): Promise<number[]> {
  const statuses: number[] = [];
  for (let index = 0; index < longDefinitions; index += 1) {
    const xml = longDefinition('long', index % 2 === 0 ? 60_000 : MiB);
    statuses.push(await post(socket, '/v1/domains', { file: 'long.xml', xml }));
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  return statuses;
}

const emulator = (await findQemus()).find((qemu) => qemu.emulator !== null)?.emulator;
if (emulator === undefined || emulator === null) throw new Error('no QEMU on this host');
try {
  for (const name of domains) {
    const file = join(home, `${name}.xml`);
    writeFileSync(file, guest(name, emulator));
    domctl('define', file);
    domctl('start', name, '--paused');
  }
  await bench((JSON.parse(domctl('daemon', 'status', '--json')) as { pid: number }).pid);
} finally {
  for (const name of domains) domctl('destroy', name, '--wait');
  domctl('daemon', 'stop');
  rmSync(home, { recursive: true });
}
