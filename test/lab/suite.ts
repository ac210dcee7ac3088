/**
 * `npm run test:lab`: kernel and end-to-end tests in labs, on unified cgroup v2, as far as they depend on it. With `-- --all`
 * every one, those of reliability, whole guests, and the labs' own, which boot them two dozen times. The last line is `N passed, N failed,
 * N skipped`.
 */
import { formatCounts, sumCounts } from '../setup/counts.ts';
import { runLabSuite } from './jobs.ts';
import { runVitest } from './vitest.ts';

const isAll = process.argv.includes('--all');
const counts = sumCounts([
  await runLabSuite(isAll ? 'all' : 'hierarchy'),
  ...(isAll ? [await runVitest(['--project', 'lab'])] : []),
]);
process.stdout.write(`${formatCounts(counts)}\n`);
process.exitCode = counts.failed > 0 ? 1 : 0;
