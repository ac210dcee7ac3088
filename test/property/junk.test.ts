/** A mebibyte of anything is refused, and soon: whoever sends it keeps the daemon from nobody else's questions. */
import { describe, expect, test } from 'vitest';
import { loadPolicy } from '../../lib/policy/load.ts';
import { failure, operatorWith } from '../unit/policy/places.ts';
import { domain, refusal } from '../unit/xml/documents.ts';

const mebi = 1024 * 1024;

/** `unit` again and again, up to 1 MiB in all. */
function fill(before: string, unit: string, after = ''): string {
  return before + unit.repeat(Math.floor((mebi - before.length - after.length) / unit.length)) + after;
}

function manyAttributes(): string {
  return `<domain ${Array.from({ length: 90_000 }, (_, index) => `a${index}='>'`).join(' ')}/>`;
}

const range = "<range start='1' end='65535'/>";
const forwards = `<portForward proto='tcp'>${range.repeat(19_000)}</portForward>`;

describe('junk is refused within a second', () => {
  test.each([
    ['10 MiB of text', 'x'.repeat(10 * mebi)],
    ['1 MiB of text', fill('<domain>', 'x', '</domain>')],
    ['1 MiB of siblings', fill('<domain>', '<a/>', '</domain>')],
    ['1 MiB of nesting', fill('<domain>', '<a>')],
    ['1 MiB of attributes', manyAttributes()],
    ['1 MiB in one attribute', fill("<domain a='", '"', "'/>")],
    ['1 MiB in one name', fill('<', 'a')],
    ['1 MiB of entities', fill('<domain>', '&amp;', '</domain>')],
    ['an entity without end', fill('<domain>&', 'a')],
    ['a declaration without end', fill('<domain><!', 'x')],
    ['comments without end', fill('<domain>', '<!--')],
    ['CDATA without end', fill('<domain>', '<![CDATA[')],
    ['processing instructions without end', fill('<domain>', '<?')],
    ['closing tags', fill('<domain>', '</a>')],
  ])('%s', (_, text) => {
    // Of the CPU: a busy machine may take longer by the clock.
    const begin = process.cpuUsage();
    expect(refusal(text, true).code).toBe('INVALID_XML');
    const { user, system } = process.cpuUsage(begin);
    expect((user + system) / 1000).toBeLessThan(1000);
  });
});

describe('thousands of elements that are each fine are refused in a few seconds', () => {
  test.each([
    ['pins', domain(`<cputune>${"<vcpupin vcpu='0' cpuset='0-8191'/>".repeat(19_000)}</cputune>`)],
    ['controllers', domain(`<devices>${"<controller type='scsi'/>".repeat(19_000)}</devices>`)],
    ['port forwards', domain(`<devices><interface type='user'>${forwards}</interface></devices>`)],
  ])(
    '%s',
    (_, text) => {
      const begin = process.cpuUsage();
      expect(refusal(text, true).code).toBe('INVALID_XML');
      const { user, system } = process.cpuUsage(begin);
      expect((user + system) / 1000).toBeLessThan(4000);
    },
    60_000,
  );
});

describe('a policy without end is refused by file, line and column', () => {
  test.each(['[', '{a: ', '- ', '? '])('%j', async (opening) => {
    const text = opening.repeat(Math.floor((64 * 1024) / opening.length));
    const places = operatorWith({ 'policies/mine.yaml': text });
    const { code, message } = await failure(loadPolicy('mine', places), places);
    expect(code).toBe('INVALID_POLICY');
    expect(message).toMatch(/^policies\/mine\.yaml:\d+:\d+: /);
  });
});
