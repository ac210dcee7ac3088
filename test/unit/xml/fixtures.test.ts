import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import type { DomctlError } from '../../../lib/errors.ts';
import { emitDomain } from '../../../lib/xml/emit.ts';
import { parseDomain } from '../../../lib/xml/parse.ts';
import { refusal } from './documents.ts';
import { countingOptions } from './generate.ts';

const directory = new URL('../../fixtures/domain-xml/', import.meta.url);
const all = readdirSync(directory).filter((name) => name.endsWith('.xml'));

function pathOf(xml: string, ending: string): URL {
  return new URL(xml.replace(/xml$/, ending), directory);
}

function paired(ending: string): string[] {
  return all.filter((xml) => existsSync(pathOf(xml, ending)));
}

function json(xml: string, ending: string): unknown {
  return JSON.parse(readFileSync(pathOf(xml, ending), 'utf8'));
}

function parse(xml: string, allowUnsupported: boolean): ReturnType<typeof parseDomain> {
  return parseDomain(readFileSync(pathOf(xml, 'xml'), 'utf8'), countingOptions(xml, allowUnsupported));
}

function refusalOf(xml: string, allowUnsupported: boolean): DomctlError {
  return refusal(readFileSync(pathOf(xml, 'xml'), 'utf8'), allowUnsupported, xml);
}

interface ExpectedRefusal {
  readonly message: string;
  readonly line: number;
  readonly column: number;
  readonly path: string;
  readonly problems: number;
}

test('every fixture has its expectation', () => {
  const expected = new Set([...paired('json'), ...paired('err.json')]);
  expect(all.filter((xml) => !expected.has(xml))).toEqual([]);
});

describe('a document domctl knows all of is read', () => {
  test.each(paired('json'))('%s', (xml) => {
    expect(parse(xml, false)).toEqual({ domain: json(xml, 'json'), warnings: [] });
    expect(parse(xml, true)).toEqual({ domain: json(xml, 'json'), warnings: [] });
  });
});

describe('a document is refused by file, line, column and path', () => {
  test.each(paired('err.json'))('%s', (xml) => {
    const error = refusalOf(xml, false);
    const { message, line, column, path, problems } = json(xml, 'err.json') as ExpectedRefusal;
    expect(error).toMatchObject({ code: 'INVALID_XML', exit: 7, details: { file: xml, line, column, path } });
    expect(error.message).toBe(`${xml}:${line}:${column}: ${path === '' ? '' : `${path}: `}${message}`);
    expect(error.hint).not.toBeNull();
    expect(error.details['problems']).toHaveLength(problems);
  });
});

describe('what is wrong for libvirt too is never let through', () => {
  const invalid = paired('err.json').filter((xml) => !existsSync(pathOf(xml, 'allowed.json')));
  test.each(invalid)('%s', (xml) => {
    expect(refusalOf(xml, true).code).toBe('INVALID_XML');
  });
});

describe('what only libvirt knows is let through on request, with a warning, and kept', () => {
  test.each(paired('allowed.json'))('%s', (xml) => {
    expect(parse(xml, true)).toEqual(json(xml, 'allowed.json'));
  });
});

describe('what was printed is read as the same domain', () => {
  test.each([...paired('json'), ...paired('allowed.json')])('%s', (xml) => {
    const { domain } = parse(xml, true);
    const printed = emitDomain(domain);
    const again = parseDomain(printed, countingOptions('again', true)).domain;
    expect(again).toEqual(domain);
    expect(emitDomain(again)).toBe(printed);
  });
});
