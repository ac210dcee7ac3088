/** Misuse: what is not of the right type is a TypeError that names the field, before anything is done. */
import { expect, it } from 'vitest';
import {
  closeFd,
  peerCredentials,
  pidfdExited,
  pidfdOpen,
  pidfdSignal,
  probeLockedBytes,
  spawn,
  tryLockFile,
  watchPidfd,
} from '../../native/index.ts';

const request = {
  file: '/bin/true',
  argv: ['true'],
  env: {},
  cwd: '/',
  stdin: 0,
  stdout: 1,
  stderr: 2,
  extraFds: [],
  cgroupFd: 3,
  joinFds: [],
  credentials: null,
  rlimits: [],
};
const user = { uid: 1, gid: 1, groups: [] };
const core = { name: 'core', soft: 0, hard: 0 };

const wrong: [field: string, change: object][] = [
  ['file', { file: 7 }],
  ['file', { file: 'true' }],
  ['file', { file: '' }],
  ['file', { file: '/bin/true\0' }],
  ['argv', { argv: 'true' }],
  ['argv', { argv: [] }],
  ['argv[1]', { argv: ['true', null] }],
  ['argv[1]', { argv: ['true', 'a\0b'] }],
  ['env', { env: null }],
  ['env', { env: ['A=1'] }],
  ['env.A', { env: { A: 1 } }],
  ['env.A', { env: { A: undefined } }],
  ['env key', { env: { 'A=B': '1' } }],
  ['env key', { env: { '': '1' } }],
  ['cwd', { cwd: 'here' }],
  ['stdin', { stdin: -1 }],
  ['stdout', { stdout: 1.5 }],
  ['stderr', { stderr: 2 ** 31 }],
  ['stderr', { stderr: Number.NaN }],
  ['extraFds', { extraFds: 3 }],
  ['extraFds[0]', { extraFds: ['3'] }],
  ['cgroupFd', { cgroupFd: undefined }],
  ['joinFds[1]', { joinFds: [1, -1] }],
  ['credentials', { credentials: undefined }],
  ['credentials', { credentials: 0 }],
  ['credentials.uid', { credentials: { ...user, uid: 2 ** 32 - 1 } }],
  ['credentials.uid', { credentials: { ...user, uid: -1 } }],
  ['credentials.gid', { credentials: { ...user, gid: '1' } }],
  ['credentials.groups', { credentials: { ...user, groups: undefined } }],
  ['credentials.groups[0]', { credentials: { ...user, groups: [0.5] } }],
  ['rlimits', { rlimits: {} }],
  ['rlimits[0]', { rlimits: [null] }],
  ['rlimits[0].name', { rlimits: [{ ...core, name: 'cpu' }] }],
  ['rlimits[0].soft', { rlimits: [{ ...core, soft: -1 }] }],
  ['rlimits[0].hard', { rlimits: [{ ...core, hard: Number.NEGATIVE_INFINITY }] }],
];

function refuses(call: () => unknown, field: string): void {
  expect(call).toThrow(TypeError);
  expect(call).toThrow(new RegExp(`^${field.replaceAll(/[[\].]/gu, '\\$&')} must `, 'u'));
}

it.each(wrong)('spawn refuses a wrong %s: %j', (field, change) => {
  refuses(() => spawn({ ...request, ...change }), field);
});

it.each([undefined, null, 7, [], () => 0])('spawn refuses %s for a request', (value) => {
  refuses(() => spawn(value as never), 'request');
});

it('hands on what a getter of the request throws', () => {
  const thrown = new RangeError('from the getter');
  const odd = Object.defineProperty({ ...request }, 'cwd', {
    get: () => {
      throw thrown;
    },
  });
  expect(() => spawn(odd)).toThrow(thrown);
});

const descriptorCalls: [name: string, field: string, call: (fd: never) => unknown][] = [
  ['pidfdSignal', 'pidfd', (fd) => pidfdSignal(fd, 0)],
  ['pidfdExited', 'pidfd', (fd) => pidfdExited(fd)],
  ['watchPidfd', 'pidfd', (fd) => watchPidfd(fd, () => undefined)],
  ['closeFd', 'fd', (fd) => closeFd(fd)],
  ['probeLockedBytes', 'fd', (fd) => probeLockedBytes(fd, [])],
  ['tryLockFile', 'fd', (fd) => tryLockFile(fd)],
  ['peerCredentials', 'socketFd', (fd) => peerCredentials(fd)],
];

it.each(descriptorCalls)('%s refuses what is not a descriptor', (_, field, call) => {
  for (const value of [undefined, null, '1', -1, 0.5, Number.NaN, 2 ** 31]) refuses(() => call(value as never), field);
});

it('the other arguments are checked too', () => {
  refuses(() => pidfdOpen('1' as never), 'pid');
  refuses(() => pidfdOpen(2 ** 40), 'pid');
  refuses(() => pidfdSignal(0, 'SIGKILL' as never), 'signal');
  refuses(() => watchPidfd(0, 'callback' as never), 'onExit');
  refuses(() => watchPidfd(0, () => undefined, { unref: 1 as never }), 'unref');
  refuses(() => probeLockedBytes(0, 100 as never), 'bytes');
  refuses(() => probeLockedBytes(0, [100, -1]), 'bytes[1]');
  refuses(() => probeLockedBytes(0, [2 ** 53]), 'bytes[0]');
});
