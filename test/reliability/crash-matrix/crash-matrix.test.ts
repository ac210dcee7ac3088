/**
 * The daemon is killed at every place where it changes something, and the next one must find everything as the kernel says
 * it is. Of all cells a third is run with each change, another one for each commit; `npm run crash-matrix` runs them all.
 */
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { afterAll, expect, test } from 'vitest';
import { describeEndToEnd } from '../../e2e/harness.ts';
import { Bench, type Row } from './bench.ts';
import { matrix } from './matrix.ts';

/** all: every cell in every scenario; `0`, `1`, `2`: a third of the first scenarios; `others`: those that are no first. */
const wanted = process.env['DOMCTL_CRASH_MATRIX'] ?? thirdOfCommit();
/** Where `npm run crash-matrix` looks for what came of it. */
const tableFile = process.env['DOMCTL_CRASH_MATRIX_TABLE'];

/** The same for everybody who tests that commit; without a repository the first. */
function thirdOfCommit(): string {
  try {
    const commit = execFileSync('git', ['rev-parse', 'HEAD'], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    return String(Number.parseInt(commit.slice(0, 8), 16) % 3);
  } catch {
    return '0';
  }
}

/** Shifted by one after each three, so that a third has every stage (before, half of, after). */
function thirdOf(index: number): number {
  return (index + Math.floor(index / 3)) % 3;
}

const firsts = matrix.filter(({ first }) => first);
const thirds = firsts.filter((_cell, index) => thirdOf(index) === Number(wanted));
const chosen = wanted === 'all' ? matrix : wanted === 'others' ? matrix.filter(({ first }) => !first) : thirds;

const rows: Row[] = [];
let bench: Bench | null = null;

function keep(row: Row): void {
  rows.push(row);
  if (tableFile !== undefined) writeFileSync(tableFile, JSON.stringify(rows));
}

/** The one that all cells share, or a new one after a cell that failed. */
async function openBench(): Promise<Bench> {
  if (bench) return bench;
  const fresh = new Bench();
  bench = fresh;
  await fresh.begin();
  return fresh;
}

describeEndToEnd(`the crash matrix (${Number.isInteger(Number(wanted)) ? `third ${wanted}` : wanted})`, () => {
  afterAll(async () => {
    await bench?.end();
  });

  test.each(chosen)('killed at $point in $scenario', async (cell) => {
    const own = await openBench();
    try {
      const row = await own.run(cell);
      keep(row);
      expect(row.problems).toEqual([]);
    } catch (error) {
      bench = null;
      await own.end();
      if (!rows.some((row) => row.point === cell.point && row.scenario === cell.scenario))
        keep({ ...cell, outcome: 'not run to its end', problems: [String(error)] });
      process.stderr.write(own.host.remains);
      throw error;
    }
  });

  test('and after all of it nothing is left', async () => {
    const own = await openBench();
    bench = null;
    expect(await own.finish()).toEqual([]);
  });
});
