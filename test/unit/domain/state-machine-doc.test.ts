import { expect, test } from 'vitest';
import { stateReason, stateWord } from '../../../lib/domain/words.ts';
import { describeCell, eventKinds, stateKinds, transition } from '../../../lib/domain/transition.ts';
import type { Event } from '../../../lib/domain/transition-event.ts';
import { eventOfKind, states } from './samples.ts';

/** The transition table as Markdown; `npx vitest run --project unit -u` writes it anew. */
function renderTable(): string {
  const row = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  const lines = eventKinds.map((event) =>
    row([`\`${event}\``, ...stateKinds.map((state) => cell(describeCell(state, event)))]),
  );
  return [
    '# The transition table',
    '',
    'Generated from `lib/domain/transition.ts`, which opens with the failure paths; `lib/domain/incarnation.ts` has the diagram.',
    'A name in capitals refuses the request with that code; a dot ignores the event (already true, a repeated hint, or no',
    'objection to a start); `decides` moves on, and its effects are in the code.',
    '',
    row(['event', ...stateKinds]),
    row(['---', ...stateKinds.map(() => '---')]),
    ...lines,
    '',
    '## What follows each end of a guest',
    '',
    'Of a running guest, by what its definition (or device) wants done. QEMU itself does what needs no manager, and says so.',
    '',
    row(['what happens', 'wanted', 'then', 'and domctl']),
    row(['---', '---', '---', '---']),
    ...ends.map(([what, wanted, event, running]) => row([what, wanted, ...followUp(event, running)])),
    '',
  ].join('\n');
}

const { guestShutdown, guestPanicked, watchdogFired, diskFailed, guestReset } = eventOfKind;
type End = readonly [what: string, wanted: string, event: Event, running?: 'running' | 'running, asked to reboot'];
const ends: readonly End[] = [
  ['power-off', '`on_poweroff=destroy`', guestShutdown],
  ['power-off', '`on_poweroff=restart`', { ...guestShutdown, action: 'restart' }],
  ['power-off', '`domctl reboot` asked for it', guestShutdown, 'running, asked to reboot'],
  ['reset by the guest', '`on_reboot=restart`', guestReset],
  ['reset by the guest', '`on_reboot=destroy`', { ...guestShutdown, byGuest: true }],
  ['kernel panic', '`on_crash=destroy`', { ...guestShutdown, panicked: true }],
  ['kernel panic', '`on_crash=restart`', { ...guestPanicked, action: 'restart' }],
  ['kernel panic', '`on_crash=preserve`', { ...guestPanicked, action: 'preserve' }],
  ...['reset', 'shutdown', 'poweroff', 'pause', 'none', 'inject-nmi'].map(
    (action): End => ['watchdog fires', `\`action=${action}\``, { ...watchdogFired, action }],
  ),
  ...['stop', 'report', 'ignore'].map(
    (action): End => ['disk fails', `\`error_policy=${action}\``, { ...diskFailed, action }],
  ),
];

function followUp(event: Event, running: 'running' | 'running, asked to reboot' = 'running'): [string, string] {
  const verdict = transition(states[running], event);
  if (verdict.kind !== 'to') return ['running', 'only tells it'];
  const effects = verdict.effects.map(({ kind }) => `\`${kind}\``).join(' ');
  return [`${stateWord(verdict.state)} (${stateReason(verdict.state)})`, effects === '' ? 'only tells it' : effects];
}

function cell(text: string): string {
  return text === 'ignore' ? '·' : text;
}

test('docs/state-machine.md is the table of the code', async () => {
  await expect(renderTable()).toMatchFileSnapshot('../../../docs/state-machine.md');
});
