import { describe, expect, test } from 'vitest';
import { combine, known, unknown, valueOrNull } from '../../lib/reading.ts';

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

describe('a reading', () => {
  test('joins only what is known', () => {
    expect(combine([known(1), known(2)], sum)).toEqual(known(3));
    expect(combine([], sum)).toEqual(known(0));
  });

  test('is unknown for the first reason there is, and asks no further', () => {
    expect(combine([known(1), unknown('first'), unknown('second')], sum)).toEqual(unknown('first'));
    expect(
      combine<number, never>([unknown('first')], () => {
        throw new Error('asked');
      }),
    ).toEqual(unknown('first'));
  });

  test('unknown is null in JSON, and zero is zero', () => {
    expect([valueOrNull(unknown('x')), valueOrNull(known(0))]).toEqual([null, 0]);
  });
});
