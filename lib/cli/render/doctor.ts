/** The doctor's findings as lines: the verdict first, so that `grep ^FAIL` finds what must be put right. */
import type { Section, Verdict } from '../../doctor/finding.ts';

/** Groups with a line a finding; what is not PASS has its remedy below. Ends in a newline. */
export function renderSections(sections: readonly Section[]): string {
  const blocks = sections.map(({ group, findings }) => {
    const lines = findings.flatMap(({ verdict, what, finding, remedy }) => [
      `${verdict}  ${what}: ${finding}`,
      ...(remedy === null ? [] : renderRemedy(remedy)),
    ]);
    return [group, ...lines].map((line) => `${line}\n`).join('');
  });
  return `${blocks.join('\n')}\n${renderSummary(sections)}\n`;
}

/** Further lines stand below the first. */
function renderRemedy(remedy: string): string[] {
  return remedy.split('\n').map((line, index) => (index === 0 ? `      remedy: ${line}` : `              ${line}`));
}

function renderSummary(sections: readonly Section[]): string {
  const { PASS, WARN, FAIL } = countVerdicts(sections);
  return `${PASS} passed, ${WARN} ${WARN === 1 ? 'warning' : 'warnings'}, ${FAIL} failed`;
}

/** How many findings of each verdict there are. */
export function countVerdicts(sections: readonly Section[]): Record<Verdict, number> {
  const counts: Record<Verdict, number> = { PASS: 0, WARN: 0, FAIL: 0 };
  for (const { findings } of sections) for (const { verdict } of findings) counts[verdict] += 1;
  return counts;
}
