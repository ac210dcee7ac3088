import { describe, expect, it } from 'vitest';
import { allowedSecondTries, judgeSecondTries, type SecondTry } from '../setup/second-tries.ts';

function tries(count: number): SecondTry[] {
  return Array.from({ length: count }, (_, index) => ({ name: `test ${index}`, error: 'not in time\n  at line 7' }));
}

describe('tests that passed at the second try', () => {
  it('are told by name, with what failed, in one line', () => {
    expect(judgeSecondTries([{ name: 'a > b', error: 'expected 1\nto be 2' }]).lines).toEqual([
      'passed at the second try: a > b: expected 1 | to be 2',
    ]);
    expect(judgeSecondTries([{ name: 'a', error: null }]).lines).toEqual([
      'passed at the second try: a: no error is known',
    ]);
    expect(judgeSecondTries([])).toEqual({ lines: [], tooMany: false });
  });

  it('fail the run when they are more than three', () => {
    expect(allowedSecondTries).toBe(3);
    expect(judgeSecondTries(tries(3)).tooMany).toBe(false);
    const { lines, tooMany } = judgeSecondTries(tries(4));
    expect(tooMany).toBe(true);
    expect(lines).toHaveLength(5);
    expect(lines.at(-1)).toBe('FAILED: 4 tests passed at the second try only, allowed are 3');
  });
});
