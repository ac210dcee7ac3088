/** A TPM of the host, for which a device stands that every host has. */
import { describe, expect, test } from 'vitest';
import { claimTpm, openTpm } from '../../../lib/host/tpm.ts';

const lent = { model: 'tpm-tis', backend: 'passthrough', path: '/dev/null' } as const;
const absent = { ...lent, path: '/dev/no-such-tpm' };
const lacks = expect.objectContaining({ code: 'HOST_LACKS' });

describe('a TPM of the host', () => {
  test('is claimed by the number of its device', async () => {
    expect(await claimTpm(lent)).toMatchObject([{ kind: 'character', node: '/dev/null', use: 'TPM /dev/null' }]);
    await expect(claimTpm(absent)).rejects.toThrow(lacks);
  });

  test('is opened with the file that cancels its commands', async () => {
    await using opened = await openTpm(lent);
    expect(opened.fds).toHaveLength(2);
    await expect(openTpm(absent)).rejects.toThrow(lacks);
  });
});

test('an emulated TPM needs neither, and that of somebody else its socket', async () => {
  const own = { model: 'tpm-crb', backend: 'emulator', version: '2.0' } as const;
  expect(await claimTpm(own)).toEqual([]);
  expect((await openTpm(own)).fds).toEqual([]);
  expect(await claimTpm(null)).toEqual([]);
  const theirs = { model: 'tpm-crb', backend: 'external', socket: '/run/no-such-socket' } as const;
  await expect(claimTpm(theirs)).rejects.toThrow('/run/no-such-socket (<tpm><backend><source>) is not there');
});
