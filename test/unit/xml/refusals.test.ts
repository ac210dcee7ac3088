/** What concerns more than one value of a document: how problems are gathered and told. How fast junk is refused: property/junk.test.ts. */
import { describe, expect, test } from 'vitest';
import { domain, refusal } from './documents.ts';

describe('a refusal', () => {
  test('names the first problem and counts the others, all of them in its details', () => {
    const error = refusal(domain("<keywrap/>\n<keys/>\n<vcpu x='1'>none</vcpu>\n"));
    expect(error.message).toBe('vm.xml:5:1: /domain/keywrap: domctl does not support this yet (and 3 more)');
    expect(error.details['problems']).toMatchObject([
      { kind: 'unsupported', line: 5, path: '/domain/keywrap' },
      { kind: 'unsupported', line: 6, path: '/domain/keys' },
      { kind: 'invalid', line: 7, column: 1, path: '/domain/vcpu' },
      { kind: 'unsupported', line: 7, column: 7, path: '/domain/vcpu/@x' },
    ]);
  });

  test.each(['sev', 'sev-snp', 'tdx', 's390-pv'])(
    'is what a guest protected by %s gets: its memory could not be braked',
    (type) => {
      const inside = `<launchSecurity type='${type}'><policy>0x0007</policy></launchSecurity>`;
      const { code, details } = refusal(domain(inside));
      expect(code).toBe('INVALID_XML');
      expect(details).toMatchObject({ path: '/domain/launchSecurity', line: 5 });
    },
  );

  test('of something unknown points to --allow-unsupported', () => {
    expect(refusal(domain('<keys/>')).hint).toContain('--allow-unsupported');
  });

  test('of a wrong value tells a right one, and does not point to --allow-unsupported', () => {
    expect(refusal(domain('<vcpu>many</vcpu>')).hint).toBe('write for example 1');
  });

  test('under --allow-unsupported names only what is wrong for anyone', () => {
    const error = refusal(domain('<keys/><vcpu>many</vcpu>'), true);
    expect(error.details).toMatchObject({ path: '/domain/vcpu', problemCount: 1 });
  });

  test('numbers an element only among siblings of its name', () => {
    const error = refusal(domain('<devices><disk/><video/><disk/></devices>'));
    const problems = error.details['problems'] as { path: string }[];
    expect(new Set(problems.map(({ path }) => path))).toEqual(
      new Set(['/domain/devices/disk[1]', '/domain/devices/video', '/domain/devices/disk[2]']),
    );
  });

  test('quotes a long or hostile value short and on one line', () => {
    const { message } = refusal(domain(`<vcpu>${'\n9'.repeat(500)}</vcpu>`));
    expect(message).not.toContain('\n');
    expect(message.length).toBeLessThan(300);
  });

  test('carries a bounded list when a document has thousands of problems', () => {
    const { details } = refusal(domain('<x/>'.repeat(3000)));
    expect(details['problemCount']).toBe(3000);
    expect(details['problems']).toHaveLength(1000);
  });

  test('comes even under --allow-unsupported when a document has thousands of unknown things', () => {
    expect(refusal(domain('<x/>'.repeat(3000)), true).code).toBe('INVALID_XML');
  });
});

describe('a known element', () => {
  test.each(['<toString/>', '<constructor/>', '<_/>', '<cdata/>', '<__proto__/>', '<hasOwnProperty/>'])(
    'is never taken for one of JavaScript: %s is unknown',
    (element) => {
      expect(refusal(domain(element)).message).toContain('domctl does not know this element');
    },
  );

  test.each(['__proto__', 'hasOwnProperty', 'toString', 'constructor'])('has no attribute %s', (name) => {
    expect(refusal(domain(`<vcpu ${name}='1'>1</vcpu>`)).code).toBe('INVALID_XML');
  });
});

describe('text that escapes would make longer than 1 MiB', () => {
  test('is refused at define, not when it is read again', () => {
    const metadata = `<metadata>${' '.repeat(1024 * 1024 - 60_000)}</metadata>`;
    const text = domain(`${metadata}<description><![CDATA[${'&'.repeat(50_000)}]]></description>`);
    expect(refusal(text).message).toContain('longer than 1 MiB');
  });
});
