import { describe, expect, test } from 'vitest';
import { loadHostConfig, loadPolicy } from '../../../lib/policy/load.ts';
import { hostKeys, policyKeys } from '../../../lib/policy/schema.ts';
import type { HostConfig, Policy } from '../../../lib/policy/types.ts';
import { operatorWith, shippedDir, shippedText } from './places.ts';

const places = { configDir: `${shippedDir}/absent`, shippedDir };
const MiB = 2 ** 20;
const GiB = 2 ** 30;

const balanced: Policy = {
  name: 'balanced',
  description: 'Force-start when the drain will be short, braked while memory is short',
  forceStart: {
    allow: true,
    maxShortfall: { kind: 'percent', percent: 25 },
    maxDrainTimeMs: 60_000,
    maxPredecessors: 1,
    maxPressurePercent: 10,
  },
  brake: { margin: 'auto', onStall: 'keep' },
  start: { queueTimeoutMs: null },
  shutdown: { mode: ['agent', 'acpi'], forceAfterMs: null },
  destroy: { killAfterMs: 10_000, freedTimeoutMs: 40_000 },
  teardown: {
    helper: 'auto',
    mode: 'fast',
    threads: 'auto',
    gentleRateBytes: 2 * GiB,
    minimumSizeBytes: GiB,
    stalledAfterMs: 5000,
    preferredOomVictim: true,
  },
  postcopyPaused: 'freeze',
};

const strict: Policy = {
  ...balanced,
  name: 'strict',
  description: 'Never start over memory that is still draining; wait for all of it',
  forceStart: {
    allow: false,
    maxShortfall: { kind: 'percent', percent: 0 },
    maxDrainTimeMs: 0,
    maxPredecessors: 0,
    maxPressurePercent: 0,
  },
  destroy: { killAfterMs: 15_000, freedTimeoutMs: 120_000 },
  teardown: { ...balanced.teardown, helper: 'none', stalledAfterMs: 10_000 },
};

const restartFirst: Policy = {
  ...balanced,
  name: 'restart-first',
  description: 'Be back as soon as the bound permits, even with a quarter of the memory',
  forceStart: {
    allow: true,
    maxShortfall: { kind: 'percent', percent: 75 },
    maxDrainTimeMs: null,
    maxPredecessors: 2,
    maxPressurePercent: 40,
  },
  brake: { margin: 'auto', onStall: 'kill-helper' },
  destroy: { killAfterMs: 2000, freedTimeoutMs: 40_000 },
  postcopyPaused: 'keep-running',
};

const host: HostConfig = {
  defaultPolicy: 'balanced',
  allowedPolicies: ['strict', 'balanced', 'restart-first'],
  capacity: { overcommit: 1, reserve: { kind: 'percent', percent: 2 } },
  overhead: { fixedBytes: 192 * MiB, perVcpuBytes: 8 * MiB, memoryPercent: 0.2 },
  security: {
    user: 'domctl-qemu',
    allowRootHypervisor: false,
    allowQemuCommandline: false,
    control: ['root', 'group:domctl'],
    forceStart: ['root', 'group:domctl'],
    observe: 'everyone',
  },
};

describe('the shipped files', () => {
  test.each([strict, balanced, restartFirst])('$name holds the values of the contract', async (policy) => {
    expect((await loadPolicy(policy.name, places)).value).toEqual(policy);
  });

  test('host.yaml holds the values of the contract', async () => {
    expect((await loadHostConfig(places)).value).toEqual(host);
  });

  test('hold under an empty directory of the operator as well', async () => {
    expect((await loadHostConfig(operatorWith())).value).toEqual(host);
  });

  test('balanced.yaml says forceStart.maxShortfall on line 8', async () => {
    const { origins } = await loadPolicy('balanced', places);
    expect(origins.get('forceStart.maxShortfall')).toMatchObject({ file: 'balanced.yaml', line: 8 });
  });
});

describe('an origin', () => {
  test.each(['strict', 'balanced', 'restart-first'])('is known for every value of %s, in its file', async (name) => {
    const { origins } = await loadPolicy(name, places);
    expect([...origins.keys()].sort()).toEqual([...policyKeys].sort());
    expectLines(`${name}.yaml`, origins);
  });

  test('is known for every value of the host, in its file', async () => {
    const { origins } = await loadHostConfig(places);
    expect([...origins.keys()].sort()).toEqual([...hostKeys].sort());
    expectLines('host.yaml', origins);
  });
});

describe('the README', () => {
  const rows = shippedText('README.md')
    .split('\n')
    .filter((line) => line.startsWith('| `'))
    .map((line) => line.split(' | ').map((cell) => cell.replaceAll(/^\| |`/g, '')));
  const row = (key: string) => rows.find(([first]) => first === key) ?? [];

  test.each(policyKeys.filter((key) => key !== 'name' && key !== 'description'))('tells %s and its defaults', (key) => {
    expect(row(key).slice(2, 5)).toEqual(
      ['strict', 'balanced', 'restart-first'].map((name) => written(`${name}.yaml`, key)),
    );
  });

  test.each(hostKeys)('tells %s and its default', (key) => {
    expect(row(key)[2]).toBe(written('host.yaml', key));
  });
});

/** The text of a value, found without the loader: its section's line, then its own. */
function written(file: string, key: string): string | undefined {
  const [outer, inner] = key.split('.');
  const pattern = inner === undefined ? `^${outer}: ([^#]*)` : `^${outer}:.*\\n(?:  .*\\n)*?  ${inner}: ([^#]*)`;
  return new RegExp(pattern, 'm').exec(shippedText(file))?.[1]?.trim();
}

function expectLines(file: string, origins: ReadonlyMap<string, { file: string; line: number; path?: string }>) {
  const lines = shippedText(file).split('\n');
  for (const [key, origin] of origins) {
    expect(origin).toMatchObject({ file, path: `${shippedDir}/${file}` });
    expect(lines[origin.line - 1]).toContain(`${key.split('.').at(-1)}: `);
  }
}
