/**
 * Policies and the host's configuration from their files: which file counts, what it inherits, where each value was said.
 * Owns: inheritance and origins. Must not know: what a value means; nothing is kept between calls.
 */
import { basename, dirname } from 'node:path';
import { DomctlError } from '../errors.ts';
import { checkSource } from './check.ts';
import { isPolicyName } from './fields.ts';
import { hostFiles, listPolicies, type Places, policyFiles, readIfPresent } from './files.ts';
import { invalidPolicy, nearest } from './problem.ts';
import { hostKeys, policyKeys, toHostConfig, toPolicy } from './schema.ts';
import { readSource, type Source } from './source.ts';
import type { HostConfig, Loaded, Origin, Policy } from './types.ts';

export { listPolicies, type Places } from './files.ts';

/** Values as written, perhaps not all of them, with the origin of each. */
interface Draft {
  readonly data: Readonly<Record<string, unknown>>;
  readonly origins: ReadonlyMap<string, Origin>;
}

/** The host's configuration: the operator's `host.yaml` over the shipped one. INVALID_POLICY names what is wrong where. */
export async function loadHostConfig(places: Places): Promise<Loaded<HostConfig>> {
  return loadHostOver(hostFiles(places).operator, places, { counts: true });
}

/** The configuration a host would have with this file as its `host.yaml`, as `policy check FILE` asks. */
export async function loadHostFile(file: string, places: Places): Promise<Loaded<HostConfig>> {
  return loadHostOver(file, places, { counts: false });
}

async function loadHostOver(file: string, places: Places, how: { counts: boolean }): Promise<Loaded<HostConfig>> {
  const files = hostFiles(places);
  const shipped = await readHost(files.shipped, { counts: false });
  if (shipped === null) throw invalidPolicy({ file: files.shipped, what: 'the shipped host.yaml is missing' });
  const defaults = draftOf(shipped, hostKeys);
  requireAll(defaults, hostKeys, shipped, 'copy the shipped file again');
  const own = await readHost(file, how);
  const whole = own === null ? defaults : over(defaults, draftOf(own, hostKeys));
  return { value: toHostConfig(whole.data), origins: ordered(whole.origins, hostKeys), written: whole.data };
}

/** The policy of that name: the operator's file, else the shipped one. INVALID_POLICY names what is wrong where. */
export async function loadPolicy(name: string, places: Places): Promise<Loaded<Policy>> {
  if (!isPolicyName(name)) throw badName(name);
  const source = await readFirst(name, places);
  if (source === null) throw await unknownPolicy(name, places);
  return await complete(source, places);
}

/** A policy from a file anywhere, as `policy check FILE` asks; what it extends is looked up in `places`. */
export async function loadPolicyFile(file: string, places: Places): Promise<Loaded<Policy>> {
  const text = await readIfPresent(file, { counts: false });
  if (text === null) throw invalidPolicy({ file, what: 'there is no such file' });
  return await complete(policySource(text, file), places);
}

async function readHost(file: string, how: { counts: boolean }): Promise<Source | null> {
  const text = await readIfPresent(file, how);
  if (text === null) return null;
  const source = readSource(text, file);
  checkSource(source, 'host');
  return source;
}

async function readFirst(name: string, places: Places): Promise<Source | null> {
  for (const file of policyFiles(name, places)) {
    // Of those that come with domctl, whoever installed them answers.
    const text = await readIfPresent(file, { counts: dirname(file) !== places.shippedDir });
    if (text !== null) return policySource(text, file);
  }
  return null;
}

function policySource(text: string, file: string): Source {
  const source = readSource(text, file);
  checkSource(source, 'policy');
  const expected = basename(file, '.yaml');
  if (source.data['name'] === expected) return source;
  const at = source.valueAt(['name']);
  const what = `${String(source.data['name'])} is not the file's name`;
  throw invalidPolicy({ file, at, key: 'name', what, hint: `write name: ${expected}, or rename the file` });
}

async function complete(own: Source, places: Places): Promise<Loaded<Policy>> {
  const base = await inherited(own, places);
  const draft = draftOf(own, policyKeys);
  if (base === null) requireAll(draft, policyKeys, own, "add 'extends: balanced' to inherit what is left out");
  const whole = base === null ? draft : over(base, draft);
  return { value: toPolicy(whole.data), origins: ordered(whole.origins, policyKeys), written: whole.data };
}

/** The file that `own` extends; it must be complete by itself, for inheritance is one level deep. */
async function inherited(own: Source, places: Places): Promise<Draft | null> {
  const name = own.data['extends'];
  if (typeof name !== 'string') return null;
  const refuse = (what: string, hint: string) =>
    invalidPolicy({ file: own.file, at: own.valueAt(['extends']), key: 'extends', what, hint });
  if (name === own.data['name']) throw refuse('a policy cannot extend itself', 'copy the file and change the copy');
  const base = await readFirst(name, places);
  if (base === null) {
    const { message, hint } = await unknownPolicy(name, places);
    throw refuse(message, hint ?? '');
  }
  const next = base.data['extends'];
  if (typeof next === 'string')
    throw refuse(`${name} extends ${next} already, and only one level is allowed`, `extend ${next} directly`);
  const draft = draftOf(base, policyKeys);
  requireAll(draft, policyKeys, base, `say them there, or do not extend ${name}`);
  return draft;
}

function draftOf(source: Source, keys: readonly string[]): Draft {
  const origins = new Map<string, Origin>();
  for (const key of keys) {
    const at = source.keyAt(key.split('.'));
    if (at !== undefined) origins.set(key, { file: basename(source.file), line: at.line, path: source.file });
  }
  return { data: source.data, origins };
}

function over(base: Draft, own: Draft): Draft {
  const data: Record<string, unknown> = { ...base.data };
  for (const [key, value] of Object.entries(own.data)) {
    const inherited = data[key];
    data[key] = isSection(value) && isSection(inherited) ? { ...inherited, ...value } : value;
  }
  return { data, origins: new Map([...base.origins, ...own.origins]) };
}

/** As the schema has them, whoever said them first. */
function ordered(origins: Draft['origins'], keys: readonly string[]): Draft['origins'] {
  return new Map(keys.flatMap((key) => [...origins].filter(([name]) => name === key)));
}

function isSection(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function requireAll(draft: Draft, keys: readonly string[], source: Source, hint: string): void {
  const missing = keys.filter((key) => !draft.origins.has(key));
  if (missing.length === 0) return;
  const at = source.keyAt(['extends']) ?? { line: 1, column: 1 };
  const what = missing.length === 1 ? 'missing key' : 'missing keys';
  throw invalidPolicy({ file: source.file, at, key: missing.join(', '), what, hint });
}

function badName(name: string): DomctlError {
  const message = `${JSON.stringify(name.slice(0, 100))} cannot name a policy`;
  const hint = 'a name has 1 to 100 letters, digits, dots, underscores and hyphens, and does not begin with a dot';
  return new DomctlError('INVALID_POLICY', message, { hint, details: { policy: name } });
}

async function unknownPolicy(name: string, places: Places): Promise<DomctlError> {
  const known = (await listPolicies(places)).map((entry) => entry.name);
  const files = policyFiles(name, places);
  const near = nearest(name, known);
  const guess = near === null ? '' : `did you mean ${near}? `;
  const hint = `${guess}known policies: ${known.join(', ') || 'none'}`;
  const message = `no policy is named '${name}': looked for ${files.join(' and ')}`;
  return new DomctlError('INVALID_POLICY', message, { hint, details: { policy: name, known, files } });
}
