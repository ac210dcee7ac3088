/**
 * `domctl` itself: says its version at once, and loads the command line for everything else. Must stay this small:
 * that `--version` starts as fast as node alone is promised in docs/SPECIFICATION.md.
 */
import { version } from '../version.ts';

const args = process.argv.slice(2);
if (args.length === 1 && (args[0] === '--version' || args[0] === '-V')) process.stdout.write(`${version}\n`);
else {
  // `domctl list | head`: whoever reads may stop reading.
  process.stdout.on('error', () => process.exit(0));
  void import('./main.ts').then(async ({ main }) => {
    process.exitCode = await main(args);
  });
}
