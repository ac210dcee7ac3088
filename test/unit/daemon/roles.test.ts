/** host.yaml's lists, and who is in them. */
import { expect, test } from 'vitest';
import { type Caller, hasRole } from '../../../lib/daemon/roles.ts';

const security = {
  ...{ user: 'nobody', allowRootHypervisor: false, allowQemuCommandline: false },
  control: ['root', 'group:domctl', 'eve'],
  forceStart: ['group:dba', 'root'],
  observe: ['group:staff'],
};
const nobody: Caller = { name: 'ann', groups: [], isOwner: false };
const roles = ['observe', 'control', 'forceStart'] as const;

test.each<[string, Partial<Caller>, string]>([
  ['in no list', {}, ''],
  ['of a group that may look', { groups: ['staff'] }, 'observe'],
  ['of a group that may change', { groups: ['users', 'domctl'] }, 'observe control'],
  ['named', { name: 'eve' }, 'observe control'],
  ['who may force-start alone: it grants nothing', { groups: ['dba'] }, ''],
  ['of both', { groups: ['domctl', 'dba'] }, 'observe control forceStart'],
  ['without a name', { name: null }, ''],
  ['who runs the daemon: root in the lists', { name: 'ann', isOwner: true }, 'observe control forceStart'],
])('a user %s', (_who, changes, expected) => {
  const caller = { ...nobody, ...changes };
  expect(roles.filter((role) => hasRole(caller, role, security)).join(' ')).toBe(expected);
});

test('everyone may look by default; a list of force-start shuts out even who runs the daemon', () => {
  expect(hasRole(nobody, 'observe', { ...security, observe: 'everyone' })).toBe(true);
  const owner = { ...nobody, isOwner: true };
  expect(hasRole(owner, 'forceStart', { ...security, forceStart: ['group:dba'] })).toBe(false);
  expect(hasRole(owner, 'control', { ...security, control: [] })).toBe(true);
});
