/**
 * `npm run test:lab`: every kernel and end-to-end test in labs, on unified cgroup v2. With `-- --all` also the labs' own tests,
 * which boot them two dozen times, and what takes longer there. The last line is `N passed, N failed, N skipped`.
 */
import { formatCounts, sumCounts } from '../setup/counts.ts';
import { runLabSuite } from './jobs.ts';
import { runVitest } from './vitest.ts';

const isAll = process.argv.includes('--all');
const counts = sumCounts([
  await runLabSuite(isAll ? 'all' : 'usual'),
  ...(isAll ? [await runVitest(['--project', 'lab'])] : []),
]);
process.stdout.write(`${formatCounts(counts)}\n`);
process.exitCode = counts.failed > 0 ? 1 : 0;
