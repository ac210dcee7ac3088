/**
 * `npm run crash-matrix`: every cell of the matrix, and a table of what came of each. `-- --markdown` writes the table into
 * docs/reliability.md as well.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Row } from './bench.ts';
import { unreached } from './matrix.ts';

const checkout = fileURLToPath(new URL('../../..', import.meta.url));
const document = join(checkout, 'docs/reliability.md');
const begin = '<!-- crash matrix: npm run crash-matrix -- --markdown -->';
const end = '<!-- end of the crash matrix -->';

function runAll(): { readonly rows: readonly Row[]; readonly status: number } {
  const directory = mkdtempSync(join(tmpdir(), 'crash-matrix-'));
  const table = join(directory, 'rows.json');
  const env = { ...process.env, DOMCTL_CRASH_MATRIX: 'all', DOMCTL_CRASH_MATRIX_TABLE: table };
  const args = ['vitest', 'run', '--project', 'reliability', '--retry', '0', 'test/reliability/crash-matrix'];
  try {
    const { status } = spawnSync('npx', args, { cwd: checkout, env, stdio: 'inherit' });
    return { rows: JSON.parse(readFileSync(table, 'utf8')) as Row[], status: status ?? 1 };
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** A row a point, in the order of the matrix: what was going on, and what db1 was in the end. */
function markdown(rows: readonly Row[]): string {
  const points = [...new Set(rows.map(({ point }) => point))];
  const lines = points.map((point) => {
    const cells = rows.filter((row) => row.point === point);
    const outcomes = cells.map(({ scenario, outcome }) => `${scenario}: ${outcome}`).join('; ');
    const failed = cells.flatMap(({ problems }) => problems);
    return `| ${point} | ${outcomes} | ${failed.length === 0 ? 'green' : `**red**: ${failed.join('; ')}`} |`;
  });
  const left = unreached.map(({ point, why }) => `| ${point} | not reached: ${why} | - |`);
  const green = rows.filter(({ problems }) => problems.length === 0).length;
  const summary = `${rows.length} runs at ${points.length} points: ${green} green, ${rows.length - green} red.`;
  const head = ['| the daemon is killed at | doing what: what the next daemon finds | |', '|---|---|---|'];
  return [summary, '', ...head, ...lines, ...left].join('\n');
}

function writeDocument(table: string): void {
  const text = readFileSync(document, 'utf8');
  const [from, to] = [text.indexOf(begin), text.indexOf(end)];
  if (from < 0 || to < 0) throw new Error(`${document} has no place for the table`);
  writeFileSync(document, `${text.slice(0, from)}${begin}\n${table}\n${text.slice(to)}`);
}

const { rows, status } = runAll();
const table = markdown(rows);
process.stdout.write(`${table}\n`);
if (process.argv.includes('--markdown')) writeDocument(table);
process.exitCode = status;
