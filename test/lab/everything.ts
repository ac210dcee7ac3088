/**
 * `npm test`: every test on this host as it is, then what depends on the hierarchy of cgroups once more in labs, and hosts
 * without memory in others. The last line is the sum. With arguments, which go to vitest, the labs are left out: then one is after
 * something in particular.
 */
import { formatCounts, sumCounts } from '../setup/counts.ts';
import { runLabSuite } from './jobs.ts';
import { runVitest } from './vitest.ts';

/** But for `lab`, whose tests boot labs two dozen times (`npm run test:lab -- --all`). */
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
  all.push(await runLabSuite('hierarchy'));
  all.push(await runVitest(withoutMemory));
}
const counts = sumCounts(all);
if (args.length === 0) process.stdout.write(`${formatCounts(counts)}\n`);
process.exitCode = counts.failed > 0 ? 1 : 0;
