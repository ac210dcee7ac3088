/**
 * `npm run bench:teardown -- [--quick] [--guests|--programs] [--only PART,...] [--add FILE] [--json FILE] [--svg FILE]
 * [--minutes N] [--kvm]`: how guests' memory comes back, domctl's against libvirt's and QEMU's own. `--add` takes up what an
 * earlier run wrote with `--json`, or was about to when it was ended. After `--minutes` it is over, whatever is still due. Goes into a mount namespace of its own first; needs root.
 */
import { spawn } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { makeScratch, withEnding } from '../ending.ts';
import { describeMachine, load, useThp } from '../machine.ts';
import { findPackages, type Packages } from './packages.ts';
import { draw } from './plot.ts';
import { enterPrivateRoot } from './private-root.ts';
import { benchPrograms } from './programs.ts';
import { quietly, report, type Report } from './report.ts';
import { allParts, type Part } from './plan.ts';
import { benchGuests } from './run.ts';
import { nowMs } from './contender.ts';

const { values: options } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    programs: { type: 'boolean', default: false },
    guests: { type: 'boolean', default: false },
    json: { type: 'string' },
    svg: { type: 'string' },
    minutes: { type: 'string', default: '55' },
    only: { type: 'string' },
    add: { type: 'string' },
    kvm: { type: 'boolean', default: false },
  },
});
/** Handed to the process inside. */
const variable = 'DOMCTL_BENCH_PACKAGES';

async function goInside(): Promise<void> {
  if (process.getuid?.() !== 0) {
    console.error('error: needs root, for mounts, cgroups and huge pages');
    process.exit(8);
  }
  const packages = await findPackages();
  const again = [...process.execArgv, fileURLToPath(import.meta.url), ...process.argv.slice(2)];
  const env = { ...process.env, [variable]: JSON.stringify(packages) };
  const argv = ['--mount', '--propagation', 'private', process.execPath, ...again];
  const child = spawn('unshare', argv, { stdio: 'inherit', env });
  // The process inside cleans up; this one has nothing to.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => child.kill(signal));
  child.once('exit', (code) => (process.exitCode = code ?? 1));
}

function partOf(name: string): Part {
  const part = allParts.find((each) => each === name);
  if (part === undefined) throw new Error(`--only: no part '${name}'; there are ${allParts.join(', ')}`);
  return part;
}

async function inside(packages: Packages): Promise<void> {
  const scratch = makeScratch('domctl-bench-');
  enterPrivateRoot(packages.roots, scratch);
  useThp('madvise');
  const before = load();
  console.log(`machine: ${describeMachine()}; load before ${before.toFixed(2)}`);
  const parts = options.only === undefined ? allParts : options.only.split(',').map(partOf);
  const earlier = options.add === undefined ? null : (JSON.parse(readFileSync(resolve(options.add), 'utf8')) as Report);
  const sofar: { guests: Report['guests']; programs: Report['programs'] } = {
    guests: earlier?.guests ?? null,
    programs: earlier?.programs ?? null,
  };
  const save = (more: Partial<typeof sofar>): void => {
    Object.assign(sofar, more);
    if (options.json !== undefined) writeFileSync(resolve(options.json), `${JSON.stringify(sofar)}\n`);
  };
  const endMs = nowMs() + Number(options.minutes) * 60_000;
  const common = { scratch, quick: options.quick, endMs };
  // The programs have few rounds; what time is left is for the guests.
  if (!options.guests || options.programs) {
    const saved = (programs: Report['programs']): void => save({ programs });
    save({ programs: await benchPrograms({ ...common, before: sofar.programs, save: saved }) });
  }
  if (!options.programs || options.guests) {
    const saved = (guests: Report['guests']): void => save({ guests });
    save({ guests: await benchGuests({ ...common, parts, packages, before: sofar.guests, save: saved }) });
  }
  const { guests, programs } = sofar;
  const results = {
    machine: describeMachine(),
    load: { before, after: load() },
    quick: options.quick,
    guests,
    programs,
  };
  const shown = { ...results, guests: guests && quietly(guests) };
  console.log(report(shown));
  if (options.json !== undefined) writeFileSync(resolve(options.json), `${JSON.stringify(results)}\n`);
  if (options.svg !== undefined && shown.guests) writeFileSync(resolve(options.svg), draw(shown.guests));
}

const given = process.env[variable];
if (given === undefined) await goInside();
else {
  await withEnding(async () => inside(JSON.parse(given) as Packages));
  process.exit(0);
}
