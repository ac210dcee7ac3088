/**
 * How long the command line takes to start, beside node with nothing to do: `npm run bench:cli`. The commands take turns,
 * each round from another one on, so that what else the machine does falls on all of them alike.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { cpus, release, tmpdir, totalmem } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const rounds = Math.max(25, Number(process.argv[2] ?? 41));
const domctl = fileURLToPath(new URL('../../dist/domctl.cjs', import.meta.url));
const scratch = mkdtempSync(join(tmpdir(), 'domctl-bench-'));
const env = {
  ...process.env,
  DOMCTL_CONFIG_DIR: join(scratch, 'config'),
  DOMCTL_STATE_DIR: join(scratch, 'state'),
  DOMCTL_RUNTIME_DIR: join(scratch, 'run'),
  DOMCTL_LOG_DIR: join(scratch, 'log'),
  DOMCTL_CGROUP_ROOT: `/domctl-bench-${process.pid}`,
};

function run(command) {
  const start = performance.now();
  const { status, stderr } = spawnSync(command[0], command.slice(1), { env, encoding: 'utf8' });
  return { ms: performance.now() - start, failure: status === 0 ? null : stderr.trim() || `exit ${status}` };
}

/** What runs at all here: `list` needs a daemon, which its first call starts. */
function usable(candidates) {
  return candidates.filter((each) => {
    const { failure } = run(each.command);
    if (failure !== null) console.log(`not measured: ${each.name}: ${failure}`);
    return failure === null;
  });
}

function measure(candidates) {
  const samples = new Map(candidates.map(({ name }) => [name, []]));
  for (let round = 0; round < rounds; round += 1) {
    for (let turn = 0; turn < candidates.length; turn += 1) {
      const { name, command } = candidates[(round + turn) % candidates.length];
      const { ms, failure } = run(command);
      if (failure !== null) throw new Error(`${name}: ${failure}`);
      samples.get(name).push(ms);
    }
  }
  return samples;
}

function quantile(sorted, share) {
  return sorted[Math.round((sorted.length - 1) * share)];
}

function report(samples) {
  let bare = null;
  for (const [name, times] of samples) {
    const sorted = times.toSorted((a, b) => a - b);
    const median = quantile(sorted, 0.5);
    bare ??= median;
    const spread = `p10 ${quantile(sorted, 0.1).toFixed(1)}, p90 ${quantile(sorted, 0.9).toFixed(1)}`;
    const ratio = (median / bare).toFixed(2);
    console.log(`${name.padEnd(18)}  ${median.toFixed(1).padStart(6)} ms  ${ratio} x bare  (${spread})`);
  }
}

const model = /model name\s*: (.*)/.exec(readFileSync('/proc/cpuinfo', 'utf8'))?.[1] ?? process.arch;
const gib = (totalmem() / 2 ** 30).toFixed(0);
console.log(`machine: ${cpus().length} x ${model}, ${gib} GiB, Linux ${release()}, Node ${process.versions.node}`);
console.log(`method: wall time from spawn to exit, ${rounds} interleaved rounds after one to warm up, medians`);
try {
  const bare = { name: 'node -e 0', command: [process.execPath, '-e', '0'] };
  const verbs = ['--version', '--help', 'list'].map((verb) => ({ name: `domctl ${verb}`, command: [domctl, verb] }));
  report(measure(usable([bare, ...verbs])));
} finally {
  run([domctl, 'daemon', 'stop']);
  rmSync(scratch, { recursive: true, force: true });
}
