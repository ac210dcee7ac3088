import { expect, test } from 'vitest';
import { virtiofsdOptions } from '../../../lib/daemon/virtiofsd-options.ts';
import { directory } from '../../fixtures/qmp/domains.ts';

const told = { xattr: true, cache: 'none', sandbox: 'chroot', threads: 16 } as const;

test('each virtiofsd is told in its own words', () => {
  const one = directory('/a,b', { server: told, readonly: true });
  expect(virtiofsdOptions(one, true)).toEqual([
    ...['--shared-dir', '/a,b', '--xattr', '--cache=never', '--sandbox=chroot', '--thread-pool-size=16', '--readonly'],
  ]);
  expect(virtiofsdOptions(one, false)).toEqual([
    ...['-f', '-o', 'source=/a\\,b', '-o', 'xattr', '-o', 'cache=none', '-o', 'sandbox=chroot'],
    ...['--thread-pool-size=16', '--readonly'],
  ]);
});

test('nothing is said that is not told', () => {
  expect(virtiofsdOptions(directory('/a'), true)).toEqual(['--shared-dir', '/a']);
  const off = directory('/a', { server: { ...told, xattr: false, cache: 'always', sandbox: null, threads: null } });
  expect(virtiofsdOptions(off, false)).toEqual(['-f', '-o', 'source=/a', '-o', 'no_xattr', '-o', 'cache=always']);
});
