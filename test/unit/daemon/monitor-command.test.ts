/** Commands of people are written to the log, and what is secret in them is not. */
import { expect, test } from 'vitest';
import { withoutSecrets } from '../../../lib/daemon/monitor-command.ts';

test.each([
  [
    { protocol: 'vnc', password: 'hunter2' },
    { protocol: 'vnc', password: '***' },
  ],
  [
    { 'qom-type': 'secret', id: 's', data: 'hunter2' },
    { 'qom-type': 'secret', id: 's', data: '***' },
  ],
  [{ file: { driver: 'https', 'cookie-secret': 'hunter2' } }, { file: { driver: 'https', 'cookie-secret': '***' } }],
  [{ 'command-line': 'set_password vnc hunter2' }, { 'command-line': 'set_password ***' }],
  [{ 'command-line': 'set_password vnc\nhunter2' }, { 'command-line': 'set_password ***' }],
  [{ 'command-line': 'info\tvnc' }, { 'command-line': 'info ***' }],
  [{ device: 'virtio0' }, { device: 'virtio0' }],
])('%j is logged as %j', (args, logged) => {
  expect(withoutSecrets(args)).toEqual(logged);
});

test('nothing is logged as nothing', () => {
  expect(withoutSecrets(undefined)).toBeUndefined();
});
