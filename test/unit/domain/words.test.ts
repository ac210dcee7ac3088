/** What users read: the word, virsh's reason, and whose word it is. */
import { describe, expect, test } from 'vitest';
import type { Incarnation, IncarnationState, Outcome } from '../../../lib/domain/incarnation.ts';
import {
  currentIncarnation,
  isUnreleased,
  lastIncarnation,
  outcomeWord,
  predecessors,
  stateReason,
  stateWord,
} from '../../../lib/domain/words.ts';
import { launch, lost, outcome, stateOfKind, states } from './samples.ts';

function incarnation(id: number, state: IncarnationState): Incarnation {
  return { launch: { ...launch, id }, state };
}

describe("a state's word", () => {
  test('is the one of the contract', () => {
    expect(Object.fromEntries(Object.entries(stateOfKind).map(([kind, state]) => [kind, stateWord(state)]))).toEqual({
      launching: 'starting',
      running: 'running',
      paused: 'paused',
      stopping: 'in shutdown',
      exiting: 'exiting',
      draining: 'draining',
      released: 'shut off',
      lost: 'unknown',
    });
  });

  test('is crashed for a preserved panic, and for no other pause', () => {
    expect(stateWord({ ...states.paused, reason: 'panicked' })).toBe('crashed');
    for (const reason of ['user', 'starting up', 'I/O error', 'watchdog', 'unknown'] as const) {
      expect(stateWord({ ...states.paused, reason })).toBe('paused');
    }
  });

  test('is unknown for a lost one, whatever it was', () => {
    expect(stateWord(lost({ ...states.paused, reason: 'panicked' }))).toBe('unknown');
    expect(stateWord(lost(states.draining))).toBe('unknown');
  });
});

describe("a state's reason", () => {
  test.each<[string, IncarnationState | null]>([
    ['unknown', null],
    ['starting up', states['launching, born']],
    ['booted', states.running],
    ['unpaused', { ...states.running, reason: 'unpaused' }],
    ['user', states.paused],
    ['guest request', states.stopping],
    ['host request', { ...states.stopping, byGuest: false }],
    ['destroyed', states['exiting, alive']],
    ['destroyed', states.draining],
    ['destroyed', states.released],
    ['memory.stat: EIO', lost(states.running)],
  ])('is %s', (reason, state) => {
    expect(stateReason(state)).toBe(reason);
  });

  test.each<[string, Partial<Outcome>]>([
    ['failed', { kind: 'failed' }],
    ['crashed', { kind: 'crashed', oomKilled: false }],
    ['crashed, by the OOM killer', { kind: 'crashed', oomKilled: true }],
    ['unknown, the daemon was away', { kind: 'unknown' }],
    ['host-reboot', { kind: 'host-reboot' }],
  ])('of an end is %s', (word, change) => {
    expect(outcomeWord({ ...outcome, ...change })).toBe(word);
  });
});

describe("a domain's word", () => {
  test('is that of its newest incarnation that is not released', () => {
    const [old, young] = [incarnation(41, states.draining), incarnation(42, states.running)];
    expect(currentIncarnation([young, old])).toBe(young);
    expect(currentIncarnation([old, young])).toBe(young);
    expect(currentIncarnation([old, incarnation(42, states.released)])).toBe(old);
  });

  test('has no incarnation to stand on when all are released', () => {
    const released = [incarnation(1, states.released), incarnation(2, states.released)];
    expect(currentIncarnation(released)).toBeNull();
    expect(currentIncarnation([])).toBeNull();
    expect(lastIncarnation(released)).toBe(released[1]);
    expect(lastIncarnation([])).toBeNull();
  });

  test('leaves out the predecessors: older ones that are not released', () => {
    const [released, draining, exiting, running] = [
      incarnation(1, states.released),
      incarnation(2, states.draining),
      incarnation(3, states['exiting, gone']),
      incarnation(4, states.running),
    ];
    expect(predecessors([released, draining, exiting, running])).toEqual([draining, exiting]);
    expect(predecessors([draining])).toEqual([]);
  });

  test('counts every state but released as unreleased', () => {
    const kinds = Object.values(stateOfKind).filter((state) => isUnreleased(incarnation(1, state)));
    expect(kinds.map(({ kind }) => kind)).toEqual([
      'launching',
      'running',
      'paused',
      'stopping',
      'exiting',
      'draining',
      'lost',
    ]);
  });
});
