/** The suite in labs: which tests, in how many of them, and what they came to. Prints as it goes, each line with its job's name. */
import { execFileSync } from 'node:child_process';
import { readdirSync, statSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { dirname, join } from 'node:path';
import { Writable } from 'node:stream';
import { broken, type Counts, formatCounts, parseCounts, sumCounts } from '../setup/counts.ts';
import { type BootOptions, bootLab, type Lab } from './machine.ts';
import { checkout } from './shown.ts';
import { LabError } from './site.ts';

interface Job {
  readonly name: string;
  readonly options: BootOptions;
  /** Of vitest. */
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

/** An emulated processor is that much slower, beside others like it. */
const slowness = { tcg: '20', kvm: '3', uml: '3' };

/** What differs from one processor to another: pinning takes more than one, and user-mode Linux has neither cpusets nor huge pages. */
const processors: Job = { name: 'lab kernel', options: { cpus: 2 }, args: ['--project', 'kernel'] };

/** What a hypervisor does to its domain with real KVM code; the rest does not depend on it, and here it is slow. */
const kvm: Job = {
  name: 'lab kvm',
  options: {},
  args: ['--project', 'e2e', 'test/e2e/lifecycle.test.ts', '-t', 'goes from a definition'],
  env: { DOMCTL_TEST_DOMAIN_TYPE: 'kvm' },
};

/** The tests of these projects, dealt to as many labs of user-mode Linux as there are processors. */
function dealt(projects: readonly string[], isWanted: (file: TestFile) => boolean = () => true): Job[] {
  const labs = Math.min(4, availableParallelism());
  return deal(projects.flatMap(testFiles).filter(isWanted), labs).map((files, index) => ({
    name: `lab ${projects.join('+')} ${index + 1}/${labs}`,
    options: { kind: 'uml', memoryMiB: 6144 },
    args: [...projects.flatMap((project) => ['--project', project]), ...files],
  }));
}

/** End-to-end tests that are the same on each hierarchy: of texts, refusals, the API's shape, and what no cgroup has a part in. */
const sameEverywhere = new Set(
  [
    ...['api', 'bad-input', 'commandline', 'completion', 'console', 'edit', 'events', 'hostile-names', 'install'],
    ...['json', 'metrics', 'openapi', 'policy', 'ports', 'service', 'shutdown', 'simulate', 'tutorial'],
  ].map((name) => `test/e2e/${name}.test.ts`),
);

interface TestFile {
  readonly path: string;
  readonly bytes: number;
}

function testFiles(project: string): TestFile[] {
  const directory = join(checkout, 'test', project);
  const names = readdirSync(directory, { recursive: true, encoding: 'utf8' });
  return names
    .filter((name) => name.endsWith('.test.ts'))
    .map((name) => ({ path: join('test', project, name), bytes: statSync(join(directory, name)).size }));
}

/** Largest first, each to who has least: they take about as long as they are large. */
function deal(files: readonly TestFile[], count: number): string[][] {
  const hands = Array.from({ length: count }, () => ({ paths: [] as string[], bytes: 0 }));
  for (const { path, bytes } of [...files].sort((a, b) => b.bytes - a.bytes)) {
    const least = hands.reduce((one, other) => (other.bytes < one.bytes ? other : one));
    least.paths.push(path);
    least.bytes += bytes;
  }
  return hands.map(({ paths }) => paths);
}

/**
 * Kernel and end-to-end tests on unified cgroup v2. hierarchy: what depends on that; all: every one, those of reliability,
 * whole guests, and what another kind of lab can show.
 */
export async function runLabSuite(extent: 'hierarchy' | 'all'): Promise<Counts> {
  const began = performance.now();
  const rounds =
    extent === 'hierarchy'
      ? [dealt(['kernel', 'e2e'], ({ path }) => !sameEverywhere.has(path))]
      : [dealt(['kernel', 'e2e']), dealt(['reliability', 'guest']), [processors, kvm]];
  const counts: Counts[] = [];
  for (const jobs of rounds) counts.push(...(await Promise.all(jobs.map(runJob))));
  const sum = sumCounts(counts);
  print(`lab, in all: ${formatCounts(sum)} in ${seconds(began)} s`);
  return sum;
}

async function runJob(job: Job): Promise<Counts> {
  const began = performance.now();
  try {
    await using lab = await bootLab(job.options);
    print(`${job.name}: booted in ${seconds(began)} s, ${lab.kind}`);
    const counts = await runTests(lab, job);
    print(`${job.name}: ${formatCounts(counts)} in ${seconds(began)} s`);
    return counts;
  } catch (error) {
    print(`${job.name}: ${error instanceof LabError ? `${error.message}\nhint: ${error.hint}` : String(error)}`);
    return broken;
  }
}

async function runTests(lab: Lab, job: Job): Promise<Counts> {
  let output = '';
  const lines = new Writable({
    write(chunk: Buffer, _encoding, done) {
      output += chunk.toString();
      print(
        chunk
          .toString()
          .replace(/^(?=.)/gm, `${job.name} | `)
          .replace(/\n$/, ''),
      );
      done();
    },
  });
  const argv = [process.execPath, 'node_modules/vitest/vitest.mjs', 'run', ...job.args];
  const path = `${realPythonDirectory()}:${process.env['PATH'] ?? ''}`;
  const env = { ...process.env, NO_COLOR: '1', DOMCTL_TEST_SLOW: slowness[lab.kind], PATH: path, ...job.env };
  await lab.run(argv, { stdout: lines, stderr: lines }, { cwd: checkout, env }).end;
  return parseCounts(output);
}

/** What the PATH leads to may be a script around it, and scripts are what an emulated processor is worst at. */
function realPythonDirectory(): string {
  return dirname(execFileSync('python3', ['-c', 'import sys; print(sys.executable)']).toString().trim());
}

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

function seconds(began: number): string {
  return ((performance.now() - began) / 1000).toFixed(0);
}
