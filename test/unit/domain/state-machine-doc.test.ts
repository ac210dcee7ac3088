import { expect, test } from 'vitest';
import { describeCell, eventKinds, stateKinds } from '../../../lib/domain/transition.ts';

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
  ].join('\n');
}

function cell(text: string): string {
  return text === 'ignore' ? '·' : text;
}

test('docs/state-machine.md is the table of the code', async () => {
  await expect(renderTable()).toMatchFileSnapshot('../../../docs/state-machine.md');
});
