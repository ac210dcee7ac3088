import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { emitDomain } from '../../lib/xml/emit.ts';
import { judgeDirectory, readCorpus } from '../corpus/judge.ts';
import { legitimate } from '../corpus/legitimate.ts';
import { only, renderReport, tellDifference } from '../corpus/report.ts';

const directory = fileURLToPath(new URL('../fixtures/corpus', import.meta.url));
const verdicts = judgeDirectory(directory);

/** Raised as more is read; never lowered. */
const leastConverted = 149;

describe("libvirt's own definitions", () => {
  test('none comes to another machine, and none lacks what its definition has', () => {
    const wrong = only('wrong', verdicts);
    expect(
      wrong.flatMap(({ file, differences }) => differences.map((each) => `${file}: ${tellDifference(each)}`)),
    ).toEqual([]);
  });

  test('as many as ever come to the machine that libvirt makes', () => {
    expect(verdicts).toHaveLength(181);
    expect(only('converted', verdicts).length).toBeGreaterThanOrEqual(leastConverted);
  });

  test('each that is refused is refused for an element it has', () => {
    const misplaced = only('refused', verdicts).flatMap(({ file, reasons }) => {
      const xml = readFileSync(`${directory}/${file}`, 'utf8');
      const absent = reasons.filter(({ path }) => {
        const steps = path.split('/').filter((step) => step !== '' && !step.startsWith('@'));
        return !steps.every((step) => xml.includes(`<${step.replace(/\[\d+\]$/, '')}`));
      });
      return reasons.length === 0 ? [file] : absent.map(({ path }) => `${file}: ${path}`);
    });
    expect(misplaced).toEqual([]);
  });

  test('what is read is the same domain after it was printed, and printed the same again', () => {
    for (const { file } of verdicts.filter(({ kind }) => kind !== 'refused')) {
      const domain = readCorpus(file, readFileSync(`${directory}/${file}`, 'utf8'));
      const printed = emitDomain(domain);
      const again = readCorpus(file, printed);
      expect.soft(again, file).toEqual(domain);
      expect.soft(emitDomain(again), file).toBe(printed);
    }
  }, 30_000);

  test('the report is as it is generated', async () => {
    await expect(renderReport(verdicts)).toMatchFileSnapshot('../../docs/corpus.md');
  });

  test('each difference that is let pass has a reason of its own', () => {
    expect(new Set(legitimate.map(({ title }) => title)).size).toBe(legitimate.length);
  });
});
