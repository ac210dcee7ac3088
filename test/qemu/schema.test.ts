/** What domctl prints is domain XML to libvirt: its own schema says so. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, onTestFinished, test } from 'vitest';
import { DomctlError } from '../../lib/errors.ts';
import { emitDomain } from '../../lib/xml/emit.ts';
import { readCorpus } from '../corpus/judge.ts';
import { findSchema } from '../setup/schema.ts';

const schema = await findSchema();

/** Every definition of ours that is read, as it is printed, by its file's name. */
function printed(): Map<string, string> {
  const directories = ['../fixtures/domain-xml/', '../fixtures/corpus/'].map((name) => {
    return fileURLToPath(new URL(name, import.meta.url));
  });
  const files = directories.flatMap((directory) => {
    const names = readdirSync(directory).filter((name) => name.endsWith('.xml'));
    return names.map((name) => [path.join(directory, name), name] as const);
  });
  return new Map(
    files.flatMap(([file, name]) => {
      const text = print(name, readFileSync(file, 'utf8'));
      return text === null ? [] : [[name, text] as const];
    }),
  );
}

/** null: it is refused. */
function print(name: string, xml: string): string | null {
  try {
    return emitDomain(readCorpus(name, xml));
  } catch (error) {
    if (error instanceof DomctlError) return null;
    throw error;
  }
}

test.skipIf(schema.skipReason)(
  `libvirt's own schema takes every definition as it is printed (${schema.skipReason ?? 'domain.rng'})`,
  async () => {
    const { complaints } = schema.found!;
    const directory = mkdtempSync(path.join(tmpdir(), 'schema-'));
    onTestFinished(() => rmSync(directory, { recursive: true }));
    const documents = [...printed()];
    for (const [name, text] of documents) writeFileSync(path.join(directory, name), text);
    expect(documents.length).toBeGreaterThan(50);
    const found = await complaints(documents.map(([name]) => path.join(directory, name)));
    expect(Object.fromEntries(found)).toEqual({});
  },
);
