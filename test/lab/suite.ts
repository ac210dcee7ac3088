/** `npm run test:lab`: the tests of labs alone; with `-- --all` every kernel and end-to-end test there is. The last line is `N passed, N failed, N skipped`. */
import { formatCounts } from '../setup/counts.ts';
import { runLabSuite } from './jobs.ts';

const counts = await runLabSuite(process.argv.includes('--all') ? 'all' : 'hierarchy');
process.stdout.write(`${formatCounts(counts)}\n`);
process.exitCode = counts.failed > 0 ? 1 : 0;
