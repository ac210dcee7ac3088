/** vitest on this host, as a program of its own: what it printed is passed on, and counted. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { type Counts, parseCounts } from '../setup/counts.ts';

export async function runVitest(args: readonly string[]): Promise<Counts> {
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
