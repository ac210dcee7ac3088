import { describe, expect, test } from 'vitest';
import { asDomctlError, DomctlError, type ErrorCode, isErrno, isErrorCode, KernelError } from '../../lib/errors.ts';

/** CONTRACT.md, Exit codes: what each means, and the words that mean it. Complete by type. */
const exits: Record<ErrorCode, number> = {
  GUEST_SILENT: 1,
  FAILED: 1,
  DOMAIN_EXISTS: 1,
  USAGE: 2,
  NO_SUCH_DOMAIN: 3,
  DOMAIN_ACTIVE: 4,
  DOMAIN_NOT_RUNNING: 4,
  WRONG_STATE: 4,
  INCARNATION_EXITING: 4,
  INCARNATION_LOST: 4,
  CLAIM_CONFLICT: 4,
  READING_UNKNOWN: 4,
  ALREADY_WAITING: 4,
  INCARNATION_DRAINING: 5,
  MEMORY_DRAINING: 5,
  MEMORY_SHORT: 6,
  POLICY_FORBIDS: 6,
  INVALID_XML: 7,
  INVALID_POLICY: 7,
  HOST_LACKS: 8,
  DAEMON_UNREACHABLE: 9,
  DAEMON_LOST: 9,
  SOCKET_NOT_OURS: 9,
  DEADLINE_PASSED: 10,
  INTERRUPTED: 130,
};
const codes = Object.keys(exits) as ErrorCode[];

describe('an error code', () => {
  test.each(Object.entries(exits) as [ErrorCode, number][])('%s exits with %d', (code, exit) => {
    expect(new DomctlError(code, 'x').exit).toBe(exit);
  });

  test('has an HTTP status that tells failures of the caller from those of the daemon', () => {
    for (const code of codes) expect(new DomctlError(code, 'x').http).toBeGreaterThanOrEqual(400);
    const daemons = codes.filter((code) => new DomctlError(code, 'x').http >= 500);
    expect(daemons).toEqual(['FAILED', 'DAEMON_UNREACHABLE', 'DAEMON_LOST', 'SOCKET_NOT_OURS', 'DEADLINE_PASSED']);
  });

  test('is told from any other word', () => {
    expect(isErrorCode('CLAIM_CONFLICT')).toBe(true);
    for (const word of ['claim_conflict', '', 'toString', '__proto__']) expect(isErrorCode(word)).toBe(false);
  });
});

describe('an error', () => {
  test('keeps hint, details and cause, and has none of its own', () => {
    const cause = new Error('inner');
    expect(new DomctlError('FAILED', 'outer', { hint: 'way out', details: { id: 7 }, cause })).toMatchObject({
      message: 'outer',
      hint: 'way out',
      details: { id: 7 },
      cause,
    });
    const bare = new DomctlError('FAILED', 'outer');
    expect(bare).toMatchObject({ hint: null, details: {} });
    expect('cause' in bare).toBe(false);
  });

  test('of our own passes through as it is; any other becomes FAILED with its cause kept', () => {
    const own = new DomctlError('USAGE', 'x');
    expect(asDomctlError(own)).toBe(own);
    const other = new TypeError('y');
    expect(asDomctlError(other)).toMatchObject({ code: 'FAILED', message: 'y', cause: other });
    expect(asDomctlError('thrown text')).toMatchObject({ code: 'FAILED', message: 'thrown text' });
  });
});

describe('a failure from another bundle', () => {
  test('keeps its code, hint and details: only its class is a copy', () => {
    const twin = Object.assign(new Error('no such policy'), {
      name: 'DomctlError',
      code: 'INVALID_POLICY',
      hint: 'write it',
      details: { line: 7 },
    });
    const ours = asDomctlError(twin);
    expect(ours).toBeInstanceOf(DomctlError);
    expect(ours).toMatchObject({ exit: 7, message: 'no such policy', hint: 'write it', details: { line: 7 } });
    expect(asDomctlError(Object.assign(new Error('x'), { name: 'DomctlError', code: 'E2BIG' })).code).toBe('FAILED');
  });
});

describe("the kernel's errors", () => {
  test('say what was attempted, where, and what was written', () => {
    expect(new KernelError({ errno: 16, code: 'EBUSY', syscall: 'rmdir', path: '/x' }).message).toBe('rmdir /x: EBUSY');
    expect(
      new KernelError({ errno: 22, code: 'EINVAL', syscall: 'write', path: '/x', written: '+memory' }).message,
    ).toBe('write /x: EINVAL (writing "+memory")');
    expect(new KernelError({ errno: 3, code: 'ESRCH', syscall: 'pidfd_open' })).toMatchObject({
      message: 'pidfd_open: ESRCH',
      path: null,
    });
  });

  test('are known by their name, whoever raised them', () => {
    const error = new KernelError({ errno: 2, code: 'ENOENT', syscall: 'open' });
    expect(isErrno(error, 'EIO', 'ENOENT')).toBe(true);
    expect(isErrno(error, 'EIO')).toBe(false);
    expect(isErrno(Object.assign(new Error('node'), { code: 'ENOENT' }), 'ENOENT')).toBe(true);
    expect(isErrno({ code: 'ENOENT' }, 'ENOENT')).toBe(false);
    expect(isErrno(null, 'ENOENT')).toBe(false);
  });
});
