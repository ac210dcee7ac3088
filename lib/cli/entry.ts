/**
 * `domctl` itself: says its version at once, and loads the command line's bundle beside it for everything else. Must stay
 * this small: that `--version` starts as fast as node alone is promised in docs/SPECIFICATION.md.
 */
import { fileURLToPath } from 'node:url';
import { loadBundle } from '../bundle.ts';
import { version } from '../version.ts';
import type { main as Main } from './main.ts';

const args = process.argv.slice(2);
if (args.length === 1 && (args[0] === '--version' || args[0] === '-V')) process.stdout.write(`${version}\n`);
else {
  // `domctl list | head`: whoever reads may stop reading.
  process.stdout.on('error', () => process.exit(0));
  const { main } = loadBundle(fileURLToPath(new URL('cli.cjs', import.meta.url))) as { readonly main: typeof Main };
  void main(args).then((exit) => (process.exitCode = exit));
}
