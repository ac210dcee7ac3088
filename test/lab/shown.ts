/** What a lab sees of the host: its root, and what of ours is mounted elsewhere, read-only. */
import { readFileSync, realpathSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

export const checkout = realpathSync(fileURLToPath(new URL('../..', import.meta.url)));

const bind = `set -e; root=$1; shift
while [ "$1" != -- ]; do mount --bind "$1" "$root$1"; mount -o remount,bind,ro "$root$1"; shift; done; shift`;

/**
 * Arguments of `unshare` for a shell script that finds all that, and `parts`, below $root, where nobody else does; its own
 * arguments are `args`. `namespaces` are options for more than that of mounts.
 */
export function showing(how: {
  readonly root: string;
  readonly parts: string;
  readonly script: string;
  readonly args: readonly string[];
  readonly namespaces?: readonly string[];
}): string[] {
  const { root, parts, script, args, namespaces = [] } = how;
  const shell = ['sh', '-c', `${bind}\n${script}`, 'sh', root, ...mountsAbove(parts), '--', ...args];
  return ['--mount', '--propagation', 'private', ...namespaces, ...shell];
}

/** Mount points above what a lab reads, outermost first. */
function mountsAbove(parts: string): string[] {
  const read = [checkout, realpathSync(process.execPath), parts, '/usr/bin', '/etc', '/var'];
  const mounts = readFileSync('/proc/self/mountinfo', 'utf8').split('\n');
  const points = mounts.map((line) => line.split(' ')[4]).filter((point) => point !== undefined);
  const above = points.filter((point) => read.some((path) => `${path}/`.startsWith(`${point}/`)));
  return [...new Set(['/', ...above])].sort((a, b) => a.length - b.length);
}
