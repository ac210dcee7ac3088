/**
 * `npm run soak -- [--domains N] [--rounds N] [--lifecycles N] [--definitions N] [--idle SECONDS]`: a real QEMU for each of
 * N domains, started and destroyed at the same time, round by round; lifecycles of a hypervisor that weighs nothing; then
 * everything is counted. Exits with 1 when anything is left, or the daemon has grown. As root.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { anyQemu } from '../../e2e/emulators.ts';
import { withEnding } from '../ending.ts';
import { describeMachine, load } from '../machine.ts';
import { processorMs, residentBytes } from '../processes.ts';
import { figure, spread, words } from '../statistics.ts';
import { type Census, takeCensus, whatIsLeft } from './census.ts';
import { openSite, type SoakSite } from './site.ts';
import { defineAll, domainXml, growthOf, namesOf, runLifecycles, runRound } from './work.ts';

const MiB = 2 ** 20;
/** Of the last quarter over the first: what V8 may keep for itself. */
const allowedGrowthBytes = 24 * MiB;
const listings = 41;
const guestMiB = 16;

const option = (usual: number) => ({ type: 'string', default: String(usual) }) as const;
const { values } = parseArgs({
  options: {
    domains: option(110),
    rounds: option(5),
    lifecycles: option(10_000),
    definitions: option(1000),
    idle: option(30),
  },
});
const [domains, rounds, lifecycles, definitions, idleSeconds] = (
  ['domains', 'rounds', 'lifecycles', 'definitions', 'idle'] as const
).map((name) => Number(values[name])) as [number, number, number, number, number];

const failures: string[] = [];

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

function mib(bytes: number): string {
  return `${(bytes / MiB).toFixed(1)} MiB`;
}

async function listMany(site: SoakSite): Promise<void> {
  await defineAll(site.client, namesOf('d', definitions), (name) => domainXml(name, site.light, guestMiB));
  const times: number[] = [];
  for (let round = 0; round <= listings; round += 1) {
    const began = performance.now();
    const rows = await site.client.list();
    if (rows.length !== definitions) throw new Error(`${rows.length} rows`);
    if (round > 0) times.push(performance.now() - began);
  }
  say(
    `${definitions} definitions listed: ${words(spread(times))} ms, ${listings} times; daemon ${mib(residentBytes(site.pid))}`,
  );
}

/** Nothing is asked of it meanwhile. */
async function idle({ pid }: SoakSite, what: string): Promise<void> {
  const before = processorMs(pid);
  await pause(idleSeconds * 1000);
  const spent = processorMs(pid) - before;
  const share = ((spent / (idleSeconds * 1000)) * 100).toFixed(2);
  say(
    `idle with ${what}: ${spent} ms of processor time in ${idleSeconds} s (${share} %), daemon ${mib(residentBytes(pid))}`,
  );
}

async function check(site: SoakSite, before: Census, what: string): Promise<void> {
  const left = await whatIsLeft(site, before);
  const isBack = Object.keys(left).length === 0;
  say(`${what}: ${isBack ? 'exactly back' : `not back: ${JSON.stringify(left)}`} (${JSON.stringify(before)})`);
  if (!isBack) failures.push(`${what}: ${JSON.stringify(left)}`);
}

async function soakRounds(site: SoakSite, qemu: string): Promise<void> {
  const names = namesOf('q', domains);
  await defineAll(site.client, names, (name) => domainXml(name, qemu, guestMiB));
  // Of all that is made once, such as the answers of an emulator, nothing counts as left.
  await runRound(site, names.slice(0, 2));
  await idle(site, 'no domain running');
  const before = await takeCensus(site);
  for (let round = 1; round <= rounds; round += 1) {
    const between = round === 1 ? async () => idle(site, `${domains} domains running`) : undefined;
    const { startMs, destroyMs, running } = await runRound(site, names, between);
    say(
      `round ${round}: ${running} running; started in ${figure(startMs)} ms, destroyed in ${figure(destroyMs)} ms; daemon ${mib(residentBytes(site.pid))}`,
    );
    if (running !== domains) failures.push(`round ${round}: ${running} of ${domains} ran`);
  }
  await check(site, before, `${domains} domains x ${rounds} rounds`);
}

async function soakLifecycles(site: SoakSite): Promise<void> {
  const names = namesOf('l', 8);
  await defineAll(site.client, names, (name) => domainXml(name, site.light, guestMiB));
  await runLifecycles(site, names, 100);
  const before = await takeCensus(site);
  const began = performance.now();
  const taken = await runLifecycles(site, names, lifecycles, (sample) => {
    const { lifecycles: done, residentBytes: bytes, descriptors } = sample;
    if (done % Math.ceil(lifecycles / 10) === 0) say(`after ${done}: daemon ${mib(bytes)}, ${descriptors} descriptors`);
  });
  const perSecond = lifecycles / ((performance.now() - began) / 1000);
  await check(site, before, `${lifecycles} lifecycles, ${figure(perSecond)} a second`);
  const memory = growthOf(taken, (sample) => sample.residentBytes);
  const descriptors = growthOf(taken, (sample) => sample.descriptors);
  say(
    `daemon, first and last quarter: ${mib(memory.firstQuarter)}, ${mib(memory.lastQuarter)}; ${mib(memory.slope)} a thousand lifecycles after the first quarter`,
  );
  say(
    `descriptors, first and last quarter: ${descriptors.firstQuarter}, ${descriptors.lastQuarter}; ${descriptors.slope.toFixed(2)} a thousand lifecycles`,
  );
  if (memory.lastQuarter > memory.firstQuarter + allowedGrowthBytes) failures.push('the daemon has grown');
}

async function main(): Promise<void> {
  if (anyQemu === null) throw new Error('there is no QEMU here');
  say(`machine: ${describeMachine()}, load ${load().toFixed(1)}`);
  say(
    `method: real QEMU (TCG, ${guestMiB} MiB, no disk) and a hypervisor of C; over the socket; memory is VmRSS, no collection forced`,
  );
  const many = await openSite(anyQemu);
  await listMany(many);
  await many.close();
  const site = await openSite(anyQemu);
  await soakRounds(site, anyQemu);
  await soakLifecycles(site);
  await site.close();
  for (const failure of failures) say(`FAILED: ${failure}`);
  if (failures.length > 0) process.exitCode = 1;
}

await withEnding(main);
