/**
 * `npm test`: every test on this host as it is, then a machine's life once more in a lab, and hosts without memory in others.
 * The last line is the sum. With arguments, which go to vitest, the labs are left out: then one is after something in particular.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { type Counts, formatCounts, parseCounts, sumCounts } from '../setup/counts.ts';
import { runLabSuite } from './jobs.ts';

/** But for `lab`, whose tests boot labs two dozen times (`npm run test:lab`). */
const everyProject = [
  ...['unit', 'property', 'fuzz'],
  ...['native', 'kernel', 'qemu', 'guest', 'e2e', 'reliability'],
].flatMap((name) => ['--project', name]);

/** What only a host may show that is the test's own. */
const withoutMemory = ['--project', 'lab', 'test/lab/oom.test.ts'];

const args = process.argv.slice(2);
const native = await runVitest(args.length === 0 ? everyProject : args);
const all = [native];
if (args.length === 0) {
  process.stdout.write(`native: ${formatCounts(native)}\n`);
  all.push(await runLabSuite('life'));
  all.push(await runVitest(withoutMemory));
}
const counts = sumCounts(all);
if (args.length === 0) process.stdout.write(`${formatCounts(counts)}\n`);
process.exitCode = counts.failed > 0 ? 1 : 0;

async function runVitest(args: readonly string[]): Promise<Counts> {
  const argv = ['node_modules/vitest/vitest.mjs', 'run', ...args];
  const child = spawn(process.execPath, argv, { stdio: ['inherit', 'pipe', 'inherit'] });
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => {
    process.stdout.write(chunk);
    output = (output + chunk.toString()).slice(-4096);
  });
  await once(child, 'close');
  return parseCounts(output);
}
