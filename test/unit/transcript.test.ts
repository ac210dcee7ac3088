/** The reader and comparer of transcripts: a comparison that forgives too much proves nothing. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { difference, readTranscript } from '../e2e/transcript.ts';

function page(text: string): string {
  const directory = mkdtempSync(join(tmpdir(), 'transcript-'));
  onTestFinished(() => {
    rmSync(directory, { recursive: true });
  });
  const path = join(directory, 'page.md');
  writeFileSync(path, text);
  return path;
}

describe('a transcript', () => {
  test('has a step for each command, with what it prints and what is typed', () => {
    const text = [
      'Words.',
      '```console',
      '$ domctl list',
      ' Id   Name',
      '$ true',
      '```',
      '<!-- typed: "root\\n" after "login: "; "\\u001d" after "# " -->',
      '```console',
      '$ domctl console web1',
      '```',
      '```xml',
      '$ not a command',
      '```',
    ].join('\n');
    expect(readTranscript(page(text))).toEqual([
      { line: 3, command: 'domctl list', output: [' Id   Name'], typed: [] },
      { line: 5, command: 'true', output: [], typed: [] },
      {
        line: 9,
        command: 'domctl console web1',
        output: [],
        typed: [
          { text: 'root\n', after: 'login: ' },
          { text: '\u001d', after: '# ' },
        ],
      },
    ]);
  });

  test('is the same when only amounts, times and pids differ', () => {
    expect(difference(['held 1.0 GiB, 12 s left'], ['held 20.3 MiB, 900 ms left'])).toBeNull();
    expect(difference(['PID:            1', 'by x (pid 7)'], ['PID:            22', 'by x (pid 812)'])).toBeNull();
  });

  test('differs in a word, in a missing line and in one too many', () => {
    expect(difference(['running'], ['paused'])).toBe('shown: running\nfound: paused');
    expect(difference(['a', 'b'], ['a'])).toBe('shown: b\nfound: (nothing)');
    expect(difference(['a'], ['a', 'b'])).toBe('shown: (nothing)\nfound: b');
    expect(difference(['Id 1'], ['Id 2'])).not.toBeNull();
  });

  test('leaves out lines where the page does', () => {
    expect(difference(['a', '[...]', 'z'], ['a', 'b', 'c', 'z'])).toBeNull();
    expect(difference(['[...]'], ['a', 'b'])).toBeNull();
    expect(difference(['a', '[...]', 'z'], ['a', 'b'])).not.toBeNull();
  });
});
