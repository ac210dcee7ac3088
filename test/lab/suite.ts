/** `npm run test:lab`: the kernel and end-to-end tests in labs alone. The last line is `N passed, N failed, N skipped`. */
import { formatCounts } from '../setup/counts.ts';
import { runLabSuite } from './jobs.ts';

const counts = await runLabSuite();
process.stdout.write(`${formatCounts(counts)}\n`);
process.exitCode = counts.failed > 0 ? 1 : 0;
