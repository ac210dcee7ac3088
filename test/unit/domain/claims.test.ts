import { describe, expect, test } from 'vitest';
import { type Claim, type ClaimHolder, findConflict } from '../../../lib/domain/claims.ts';

function claim(path: string, inode: number, mode: Claim['mode'], device = 1): Claim {
  return { kind: 'image', path, device, inode, mode };
}

function holder(domain: string, ...claims: Claim[]): ClaimHolder {
  return { domain, incarnation: 7, claims };
}

describe('a claim', () => {
  test.each([
    ['exclusive', 'exclusive', 'conflicts'],
    ['exclusive', 'shared', 'conflicts'],
    ['shared', 'exclusive', 'conflicts'],
    ['shared', 'shared', 'passes'],
  ] as const)('%s over %s %s', (wanted, held, verdict) => {
    const conflict = findConflict([claim('/a', 10, wanted)], [holder('web1', claim('/a', 10, held))]);
    expect(conflict === null ? 'passes' : 'conflicts').toBe(verdict);
  });

  test('knows a file by device and inode, not by its name', () => {
    const linked = holder('web1', claim('/hard/link', 10, 'exclusive'));
    expect(findConflict([claim('/a', 10, 'exclusive')], [linked])?.held.path).toBe('/hard/link');
    expect(findConflict([claim('/hard/link', 11, 'exclusive')], [linked])).toBeNull();
    expect(findConflict([claim('/hard/link', 10, 'exclusive', 2)], [linked])).toBeNull();
  });

  test('is refused with what was wanted, what is held, and by whom', () => {
    const wanted = [claim('/free', 1, 'exclusive'), claim('/a', 10, 'exclusive'), claim('/b', 11, 'exclusive')];
    const holders = [
      holder('idle'),
      holder('base', claim('/other', 12, 'shared'), claim('/a', 10, 'shared')),
      holder('late', claim('/b', 11, 'exclusive')),
    ];
    expect(findConflict(wanted, holders)).toEqual({
      wanted: wanted[1],
      held: holders[1]?.claims[1],
      holder: holders[1],
    });
  });

  test('of the same file held twice looks at both', () => {
    const both = holder('web1', claim('/a', 10, 'shared'), claim('/a', 10, 'exclusive'));
    expect(findConflict([claim('/a', 10, 'shared')], [both])?.held.mode).toBe('exclusive');
  });

  test('on nothing, or over nothing, passes', () => {
    expect(findConflict([], [holder('web1', claim('/a', 10, 'exclusive'))])).toBeNull();
    expect(findConflict([claim('/a', 10, 'exclusive')], [])).toBeNull();
  });
});
