/**
 * libvirt's own schema of domain XML and a program that checks by it, from the host's package repository: unpacked into the
 * cache, never installed. Owns which packages have them.
 */
import { execFile } from 'node:child_process';
import { access } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { fetchInto, openApt, readRelease } from './apt.ts';
import { type Found, findOrTell, keepCached } from './cache.ts';

const run = promisify(execFile);

/** The first has the schema since libvirt 10.10; an older schema has no words for much of what we print. */
const packages = ['libvirt-common', 'libxml2-utils', 'libxml2'];

const schemaFile = 'usr/share/libvirt/schemas/domain.rng';

export interface Schema {
  /** Path of domain.rng; what it includes is beside it. */
  readonly file: string;
  /** Why the schema does not take a document: its complaints by the path given; no entry for one that it takes. */
  complaints(documents: readonly string[]): Promise<ReadonlyMap<string, string>>;
}

/** The schema, or why there is none here. Quick once the cache is filled. */
export async function findSchema(): Promise<Found<Schema>> {
  return findOrTell("schema of libvirt's", async () => {
    const root = await keepCached(`libvirt-common-${await readRelease()}`, fetchSchema);
    const file = path.join(root, schemaFile);
    return { file, complaints: async (documents) => validate(root, file, documents) };
  });
}

async function fetchSchema(root: string, work: string): Promise<void> {
  const release = await readRelease();
  const apt = await openApt(work, [release, `${release}-backports`]);
  await fetchInto(apt, packages, path.join(work, 'debs'), root);
  await access(path.join(root, schemaFile));
  await xmllint(root, ['--version']);
}

async function validate(root: string, file: string, documents: readonly string[]): Promise<Map<string, string>> {
  const output = await xmllint(root, ['--nonet', '--noout', '--relaxng', file, ...documents]);
  const lines = output.split('\n');
  const refused = documents.filter((document) => !lines.includes(`${document} validates`));
  return new Map(
    refused.map((document) => [document, lines.filter((line) => line.startsWith(`${document}:`)).join('\n')]),
  );
}

/** What it said on stderr, whatever its verdict. */
async function xmllint(root: string, args: readonly string[]): Promise<string> {
  const libraries = path.join(root, 'usr/lib/x86_64-linux-gnu');
  const env = { ...process.env, LC_ALL: 'C', LD_LIBRARY_PATH: libraries };
  const options = { env, maxBuffer: 64 * 1024 * 1024 };
  try {
    return (await run(path.join(root, 'usr/bin/xmllint'), args, options)).stderr;
  } catch (error) {
    // Of the last kind: some document is not valid.
    if (error instanceof Error && 'stderr' in error && 'code' in error && error.code === 3) return String(error.stderr);
    throw error;
  }
}
