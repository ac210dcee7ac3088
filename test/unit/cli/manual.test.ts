/** domctl(1): every verb with every option it declares, and roff that troff takes without a word. */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import yargs from 'yargs';
import { allVerbs } from '../../../lib/cli/main.ts';
import { renderManual } from '../../../lib/cli/manual.ts';

const page = renderManual(allVerbs());
const plain = page.replaceAll('\\-', '-');
const groff = '/usr/bin/groff';
const why = existsSync(groff) ? '' : ' (skipped: no groff)';

/** What yargs itself knows of a verb once it is built. */
function optionsOf(verb: ReturnType<typeof allVerbs>[number]): string[] {
  const built = verb.build(yargs([]).help(false).version(false)) as {
    getOptions(): { key: Record<string, boolean> };
  };
  return Object.keys(built.getOptions().key).filter((key) => !['help', 'version'].includes(key));
}

describe('the manual page', () => {
  test.each(allVerbs())('has $usage with all it takes', (verb) => {
    const [, rest = ''] = plain.split(`\n.SS "${verb.usage}"\n`);
    const section = rest.split(/\n\.S[SH] /)[0]!;
    expect(section).toContain(verb.describe);
    for (const option of optionsOf(verb)) expect(section).toMatch(new RegExp(`^\\.B (--)?${option}(=|$)`, 'm'));
    for (const [command] of verb.examples) expect(section.replaceAll('\\(dq', '"')).toContain(command);
  });

  test('has the sections that are looked for', () => {
    const sections = ['NAME', 'SYNOPSIS', 'COMMANDS', 'EXIT STATUS', 'ENVIRONMENT', 'FILES', 'SEE ALSO'];
    for (const section of sections) expect.soft(page).toContain(`\n.SH ${section}\n`);
  });

  test('begins no line with a request that is not one', () => {
    const requests = page.split('\n').filter((line) => /^[.']/.test(line));
    for (const line of requests) expect.soft(line).toMatch(/^\.(TH|SH|SS|TP|PP|B|BR|br)( |$)/);
  });

  test.skipIf(why !== '')(`is set by groff without a warning${why}`, () => {
    const { status, stderr } = spawnSync(groff, ['-man', '-ww', '-Tutf8'], { input: page, encoding: 'utf8' });
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  });
});
