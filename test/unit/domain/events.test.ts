/** What is told of each change: total over every pair of states, and virsh's words in the order in which they come. */
import { describe, expect, test } from 'vitest';
import { definitionHappening, eventNames, happenings, hypervisorHappening } from '../../../lib/domain/events.ts';
import type { IncarnationState, OutcomeKind, PauseReason } from '../../../lib/domain/incarnation.ts';
import { stateKinds } from '../../../lib/domain/transition.ts';
import { launch, live, lost, outcome, stateOfKind, states } from './samples.ts';

const figures = { heldBytes: 300, fromBytes: 512 };

function told(before: IncarnationState, after: IncarnationState): string[] {
  return happenings(launch, before, after, figures).map(({ event, text }) => (text === '' ? event : text));
}

function pausedFor(reason: PauseReason): IncarnationState {
  return { kind: 'paused', sinceMs: 30, reason, ...live };
}

const ways: Record<PauseReason, string> = {
  user: 'Suspended Paused',
  'starting up': 'Suspended Paused',
  'I/O error': 'Suspended I/O Error',
  watchdog: 'Suspended Watchdog',
  panicked: 'Crashed Panicked',
  pmsuspended: 'PMSuspended Memory',
  'shutting down': 'Shutdown Finished after guest request',
  memory: 'Suspended Memory',
  unknown: 'Suspended Paused',
};

const ends: Record<OutcomeKind, string> = {
  shutdown: 'Stopped Shutdown',
  destroyed: 'Stopped Destroyed',
  crashed: 'Stopped Crashed',
  saved: 'Stopped Saved',
  migrated: 'Stopped Migrated',
  failed: 'Stopped Failed',
  'host-reboot': 'Stopped Failed',
  unknown: 'Stopped Failed',
};

describe('a change of state', () => {
  const pairs = stateKinds.flatMap((before) => stateKinds.map((after) => [before, after] as const));

  test.each(pairs)('%s to %s is told by known names, and a state that stays is not', (before, after) => {
    const all = happenings(launch, stateOfKind[before], stateOfKind[after], figures);
    for (const { event } of all) expect(eventNames).toContain(event);
    if (before === after) expect(all).toEqual([]);
    const stopped = all.filter(({ text }) => text.startsWith('Stopped'));
    expect(stopped).toHaveLength(after === 'released' && before !== 'released' ? 1 : 0);
  });

  test('a start is Started Booted, then Resumed Unpaused; one that stays paused is not resumed', () => {
    expect(told(states['launching, born'], states.running)).toEqual(['Started Booted', 'Resumed Unpaused']);
    expect(told(states['launching, born'], states.paused)).toEqual(['Started Booted', 'Suspended Paused']);
  });

  test('a brake is told when it begins and when it is lifted, not when it ends with its machine', () => {
    const braked = states['running, braked'];
    expect(told(states['launching, born'], braked)).toEqual(['Started Booted', 'Resumed Unpaused', 'braked']);
    expect(told(braked, states['paused, for memory'])).toEqual(['Suspended Memory']);
    expect(told(states['paused, for memory'], { ...states['paused, for memory'], brakedSinceMs: null })).toEqual([
      'unbraked',
    ]);
    expect(told(braked, { ...braked, brakedSinceMs: null })).toEqual(['unbraked']);
    expect(told(braked, states['exiting, alive'])).toEqual(['exiting']);
  });

  test('a force-start names what it was started over', () => {
    const forced = { overIncarnations: [40, 41], heldDrainingBytes: 1, shortfallBytes: 0, sum: null };
    const [started] = happenings({ ...launch, forced }, states['launching, born'], states.running, figures);
    expect(started?.data).toEqual({ over: '40 41' });
  });

  test.each(Object.entries(ways))('paused for %s', (reason, words) => {
    expect(told(states.running, pausedFor(reason as PauseReason))).toEqual([words]);
    expect(told(pausedFor(reason as PauseReason), states.running)).toEqual([
      reason === 'pmsuspended' ? 'Started Event wakeup' : 'Resumed Unpaused',
    ]);
  });

  test('what stopped it, known after it stopped, is told too', () => {
    expect(told(pausedFor('user'), pausedFor('I/O error'))).toEqual(['Suspended I/O Error']);
  });

  test('the end: who asked, exiting, draining with what is held, a stall once, Stopped only when all is back', () => {
    const { stopping, draining } = states;
    expect(told(states.running, stopping)).toEqual(['Shutdown Finished after guest request']);
    expect(told(states.running, { ...stopping, byGuest: false })).toEqual(['Shutdown Finished after host request']);
    expect(told(stopping, states['exiting, alive'])).toEqual(['exiting']);
    expect(told(states['exiting, alive'], states['exiting, gone'])).toEqual([]);
    expect(happenings(launch, states['exiting, gone'], draining, figures)).toMatchObject([
      { event: 'draining', text: '', data: { heldBytes: 300, freedAfterMs: 10 } },
    ]);
    expect(happenings(launch, draining, states['draining, stalled'], figures)).toMatchObject([
      { event: 'stalled', data: { heldBytes: 300, drainingForMs: 5 } },
    ]);
    expect(told(states['draining, stalled'], states['draining, stalled'])).toEqual([]);
    expect(told(states['draining, stalled'], draining)).toEqual([]);
    expect(happenings(launch, draining, states.released, figures)).toMatchObject([
      { event: 'released', data: { outcome: 'destroyed', fromBytes: 512, freedAfterMs: 10, releasedAfterMs: 20 } },
      { event: 'lifecycle', text: 'Stopped Destroyed' },
    ]);
  });

  test.each(Object.entries(ends))('an end as %s', (kind, words) => {
    const after = { ...states.released, outcome: { ...outcome, kind: kind as OutcomeKind } };
    expect(told(states.draining, after)).toEqual(['released', words]);
  });

  test('lost and found again: as it was, or what happened meanwhile', () => {
    const away = lost(states.running);
    expect(told(states.running, away)).toEqual(['lost']);
    expect(told(away, { ...away, reason: 'another' })).toEqual([]);
    expect(told(away, states.running)).toEqual(['found']);
    expect(told(away, states['exiting, gone'])).toEqual(['found', 'exiting']);
    expect(told(lost(states.draining), states.draining)).toEqual(['found']);
  });
});

describe('what a hypervisor says', () => {
  const running = { state: states.running, agentPort: 'channel1' };
  const block = {
    'qom-path': '/machine/peripheral/virtio-disk0/virtio-backend',
    device: '',
    'node-name': 'libvirt-1-format',
    operation: 'write',
    action: 'stop',
    reason: 'No space left on device',
  };

  test.each([
    ['RESET', { guest: true, reason: 'guest-reset' }, 'reboot', ''],
    ['WATCHDOG', { action: 'pause' }, 'watchdog', 'pause'],
    ['BLOCK_IO_ERROR', block, 'io-error', 'libvirt-1-format (virtio-disk0) pause'],
    ['BLOCK_IO_ERROR', { ...block, action: 'report' }, 'io-error', 'libvirt-1-format (virtio-disk0) report'],
    ['BLOCK_IO_ERROR', { ...block, action: 'ignore' }, 'io-error', 'libvirt-1-format (virtio-disk0) none'],
    [
      'VSERPORT_CHANGE',
      { id: 'channel1', open: true },
      'agent-lifecycle',
      "state: 'connected' reason: 'channel event'",
    ],
    [
      'VSERPORT_CHANGE',
      { id: 'channel1', open: false },
      'agent-lifecycle',
      "state: 'disconnected' reason: 'channel event'",
    ],
    ['BALLOON_CHANGE', { actual: 2 ** 30 }, 'balloon-change', '1048576KiB'],
    ['DEVICE_TRAY_MOVED', { device: '', id: 'ide0-0-1', 'tray-open': true }, 'tray-change', 'disk ide0-0-1: opened'],
    ['GUEST_PANICKED', { action: 'poweroff' }, 'lifecycle', 'Crashed Panicked'],
    ['SUSPEND', {}, 'pm-suspend', ''],
    ['WAKEUP', {}, 'pm-wakeup', ''],
  ] as const)('%s %j', (name, data, event, text) => {
    expect(hypervisorHappening({ name, data }, running)).toMatchObject({ event, text });
  });

  test.each([
    ['STOP', {}],
    ['RESUME', {}],
    ['SHUTDOWN', { guest: true }],
    ['GUEST_PANICKED', { action: 'pause' }],
    ['VSERPORT_CHANGE', { id: 'channel0', open: true }],
    ['BALLOON_CHANGE', { actual: 'much' }],
    ['RTC_CHANGE', { offset: 1 }],
  ])('%s %j is told as a state, or not at all', (name, data) => {
    expect(hypervisorHappening({ name, data }, running)).toBeNull();
  });

  test.each(['constructor', 'valueOf', 'toString', '__proto__', 'hasOwnProperty'])(
    'a name that every object knows (%s) tells nothing, and makes up no event of another domain',
    (name) => {
      const data = { event: 'lifecycle', text: 'Stopped Destroyed', domain: 'other', id: 10 ** 15 };
      expect(hypervisorHappening({ name, data }, running)).toBeNull();
      const { data: told } = hypervisorHappening({ name: 'BLOCK_IO_ERROR', data: { action: name } }, running) ?? {};
      expect(told).toMatchObject({ action: 'none' });
    },
  );

  test('words are told up to a length, and steer no terminal', () => {
    const action = `a\u001b[2J${'x'.repeat(10_000)}`;
    const { text = '' } = hypervisorHappening({ name: 'WATCHDOG', data: { action } }, running) ?? {};
    expect(text).toHaveLength(256);
    expect(text).toMatch(/^a \[2Jx+$/);
    const odd = { toString: 1, deep: [[[[]]]] };
    expect(hypervisorHappening({ name: 'WATCHDOG', data: { action: odd } }, running)).toMatchObject({ text: '' });
  });

  test('its own goodbye is told while it is ended from here', () => {
    const about = { state: states['exiting, alive'], agentPort: null };
    expect(hypervisorHappening({ name: 'SHUTDOWN', data: { guest: false } }, about)).toMatchObject({
      text: 'Shutdown Finished after host request',
    });
  });
});

test("a definition's words", () => {
  expect(definitionHappening('added').text).toBe('Defined Added');
  expect(definitionHappening('updated').text).toBe('Defined Updated');
  expect(definitionHappening('removed').text).toBe('Undefined Removed');
});
