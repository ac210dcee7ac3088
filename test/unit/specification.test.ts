/** docs/SPECIFICATION.md promises a test beside each promise: it must be there, under that name. */
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';

const root = fileURLToPath(new URL('../..', import.meta.url));
const rows = readFileSync(join(root, 'docs/SPECIFICATION.md'), 'utf8')
  .split('\n')
  .filter((line) => line.startsWith('| ') && !line.startsWith('| promise'));

interface Reference {
  readonly file: string;
  readonly titles: readonly string[];
}

/** `path` "title", "another": the titles after a path are of that file; `…` stands for the rest of one. */
function references(row: string): Reference[] {
  const proof = row.split('|').at(-2) ?? '';
  return [...proof.matchAll(/`([a-z0-9]+\/[^`]*)`([^`]*)/g)].map(([, file, after]) => ({
    file: file ?? '',
    titles: [...(after ?? '').matchAll(/"([^"]+)"/g)].map(([, title]) => (title ?? '').replace(/ ?…$/, '')),
  }));
}

function textOf(file: string): string {
  const path = join(root, 'test', file);
  if (!statSync(path).isDirectory()) return readFileSync(path, 'utf8');
  return readdirSync(path)
    .map((name) => readFileSync(join(path, name), 'utf8'))
    .join('\n');
}

describe('the specification', () => {
  test('has a proof in every row', () => {
    expect(rows.length).toBeGreaterThan(30);
    for (const row of rows) expect.soft(row).toMatch(/\| .*(`[a-z0-9]+\/|npm run|by hand).* \|$/);
  });

  test.each(rows.flatMap(references))('names a test that is there: $file $titles', ({ file, titles }) => {
    expect(existsSync(join(root, 'test', file))).toBe(true);
    for (const title of titles) expect.soft(textOf(file)).toContain(title);
  });
});
