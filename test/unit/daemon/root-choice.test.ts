/** Which cgroup root a daemon takes: where machines live, then what it was told, then its unit's subtree, then the default. */
import { expect, test } from 'vitest';
import { chooseRoot, type RootFacts } from '../../../lib/daemon/root-choice.ts';
import type { Incarnation } from '../../../lib/domain/incarnation.ts';
import { launch, stateOfKind } from '../domain/samples.ts';

const boot = 'this-boot';
const facts: RootFacts = { remembered: [], bootId: boot, given: null, own: '/user.slice', byDefault: '/domctl' };
const unit = '/system.slice/domctld.service';

function remembered(kind: 'draining' | 'released', bootId = boot): Incarnation {
  return { launch: { ...launch, bootId, cgroup: '/old/root/vm-db1/7' }, state: stateOfKind[kind] };
}

test.each<[why: string, facts: Partial<RootFacts>, root: string]>([
  ['nothing said', {}, '/domctl'],
  ['in no cgroup', { own: null }, '/domctl'],
  ['told', { given: '/mine', own: `${unit}/daemon` }, '/mine'],
  ['in the leaf of a delegated unit', { own: `${unit}/daemon` }, unit],
  ['in a unit without a leaf', { own: unit }, '/domctl'],
  ['in a deeper cgroup of a unit', { own: `${unit}/other` }, '/domctl'],
  ['a machine drains elsewhere', { remembered: [remembered('draining')], given: '/mine' }, '/old/root'],
  ['it is released', { remembered: [remembered('released')], given: '/mine' }, '/mine'],
  ['it was of another boot', { remembered: [remembered('draining', 'another')] }, '/domctl'],
])('%s', (_why, changed, root) => {
  expect(chooseRoot({ ...facts, ...changed })).toBe(root);
});
