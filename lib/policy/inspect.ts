/**
 * Policies as an operator looks at them: which there are, what one of them comes to, which files are wrong.
 * Owns the views of `domctl policy`. Must not know: who decides by a policy.
 */
import { basename } from 'node:path';
import { asDomctlError, type DomctlError } from '../errors.ts';
import { hostFiles, listPolicies, type Places, type PolicyEntry, readIfPresent } from './files.ts';
import { loadHostConfig, loadHostFile, loadPolicy, loadPolicyFile } from './load.ts';
import { invalidPolicy } from './problem.ts';
import { fileKind, yamlOf } from './source.ts';
import type { HostConfig, Loaded, Policy } from './types.ts';

/** One line of `policy list`. What cannot be read of it is null, with the reason. */
export interface PolicyRow {
  readonly name: string;
  readonly file: string;
  readonly from: PolicyEntry['from'];
  readonly description: string | null;
  readonly invalid?: string;
  /** Whether XML may name it; null where host.yaml is broken. */
  readonly allowed: boolean | null;
  readonly default: boolean | null;
}

/** Every policy that can be named. A broken one is listed with its mistake. */
export async function surveyPolicies(places: Places): Promise<PolicyRow[]> {
  const host = await loadHostConfig(places).catch(() => null);
  const entries = await listPolicies(places);
  return Promise.all(
    entries.map(async ({ name, file, from }) => ({
      name,
      file,
      from,
      ...(await describePolicy(name, places)),
      allowed: host && host.value.allowedPolicies.includes(name),
      default: host && host.value.defaultPolicy === name,
    })),
  );
}

async function describePolicy(name: string, places: Places): Promise<{ description: string | null; invalid?: string }> {
  try {
    return { description: (await loadPolicy(name, places)).value.description };
  } catch (error) {
    return { description: null, invalid: asDomctlError(error).message };
  }
}

/** A policy as `policy show` has it: the data its files write with what it extends filled in, and that as YAML. */
export interface ShownPolicy {
  readonly data: Loaded<Policy>['written'];
  readonly yaml: string;
}

/** The whole policy, as one file that extends nothing would say it. Throws INVALID_POLICY. */
export async function showPolicy(name: string, places: Places): Promise<ShownPolicy> {
  const { written } = await loadPolicy(name, places);
  const data = { ...written, extends: null };
  return { data, yaml: yamlOf(data) };
}

/** A file that was checked; `error` names file, line and column. */
export interface CheckedSource {
  readonly file: string;
  readonly error: DomctlError | null;
}

/** Checks host.yaml and every policy that can be named. */
export async function checkEverything(places: Places): Promise<CheckedSource[]> {
  const { operator, shipped } = hostFiles(places);
  const own = await readIfPresent(operator, { counts: true }).catch(() => '');
  const host = await attempt(own === null ? shipped : operator, async () => checkHost(places));
  const policies = (await listPolicies(places)).map(async ({ name, file }) =>
    attempt(file, async () => void (await loadPolicy(name, places))),
  );
  return [host, ...(await Promise.all(policies))];
}

/** Checks one policy by its name, or a file of either kind by its path: what has a slash or ends in .yaml is a path. */
export async function checkOne(what: string, places: Places): Promise<CheckedSource> {
  if (!what.includes('/') && !what.endsWith('.yaml'))
    return attempt(what, async () => void (await loadPolicy(what, places)));
  return attempt(what, async () => checkFile(what, places));
}

async function checkFile(file: string, places: Places): Promise<void> {
  const text = await readIfPresent(file, { counts: false });
  if (text !== null && (fileKind(text) ?? kindByName(file)) === 'host') {
    await checkNames(await loadHostFile(file, places), places);
    return;
  }
  await loadPolicyFile(file, places);
}

function kindByName(file: string): 'host' | 'policy' {
  return basename(file) === 'host.yaml' ? 'host' : 'policy';
}

async function checkHost(places: Places): Promise<void> {
  await checkNames(await loadHostConfig(places), places);
}

/** A host that names a policy nobody has written would refuse starts one by one. */
async function checkNames({ value, origins }: Loaded<HostConfig>, places: Places): Promise<void> {
  const known = new Set((await listPolicies(places)).map(({ name }) => name));
  const named = [
    ['defaultPolicy', value.defaultPolicy],
    ...value.allowedPolicies.map((name) => ['allowedPolicies', name] as const),
  ] as const;
  for (const [key, name] of named) {
    if (known.has(name)) continue;
    const origin = origins.get(key);
    throw invalidPolicy({
      file: origin?.path ?? 'host.yaml',
      at: origin && { line: origin.line, column: 1 },
      key,
      what: `no policy is named '${name}'`,
      hint: `known policies: ${[...known].join(', ')}`,
    });
  }
}

async function attempt(file: string, check: () => Promise<void>): Promise<CheckedSource> {
  try {
    await check();
    return { file, error: null };
  } catch (error) {
    return { file, error: asDomctlError(error) };
  }
}
