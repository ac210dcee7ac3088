/** Scenario files: what is left out, and how a mistake is told. */
import { describe, expect, test } from 'vitest';
import { DomctlError } from '../../../lib/errors.ts';
import { loadHostConfig } from '../../../lib/policy/load.ts';
import { packageDir } from '../../../lib/places.ts';
import { parseScenario } from '../../../lib/simulation/scenario.ts';

const { value: host } = await loadHostConfig({ configDir: '/nowhere', shippedDir: `${packageDir()}/policies` });
const head = 'kind: scenario\nversion: 1\n';
const GiB = 2 ** 30;

function refusalOf(text: string): unknown {
  try {
    parseScenario(text, 's.yaml', host);
  } catch (error) {
    if (error instanceof DomctlError) return [error.code, error.message, error.hint];
  }
  return 'none';
}

describe('a scenario', () => {
  test('needs but the memory of the host and of what is restarted', () => {
    const scenario = parseScenario(`${head}host: { memory: 64GiB }\nrestart: { memory: 32GiB }\n`, 's.yaml', host);
    expect(scenario).toMatchObject({
      host: { memoryBytes: 64 * GiB, otherBytes: 0, overcommit: 1, reserve: { kind: 'percent', percent: 2 } },
      restart: { count: 1, memoryBytes: 32 * GiB, heldPercent: 100, preallocated: false },
      neighbours: { count: 0 },
      policies: ['strict', 'balanced', 'restart-first'],
    });
  });

  test.each([
    ['an unknown key', 'host: { memory: 1GiB, memroy: 2GiB }', 's.yaml:3:23: host.memroy: unknown key'],
    ['no size', 'host: { memory: 12 }', 's.yaml:3:17: host.memory: 12 is not a size of at least 1MiB'],
    ['a missing key', 'host: { memory: 1GiB }\nrestart: { count: 2 }', 's.yaml:4:1: restart.memory: missing key'],
    [
      'more than is ever touched',
      'host: { memory: 1GiB }\nrestart: { memory: 1GiB, held: 20% }\nboot: { needs: 30% }',
      's.yaml:5:16: boot.needs: 30% is more than is ever touched (restart.held)',
    ],
    ['not YAML', 'host: [', /^s\.yaml:3:\d+: not valid YAML/],
  ])('with %s is refused with its line and key', (_what, text, sentence) => {
    const [code, message] = refusalOf(head + text) as [string, string];
    expect(code).toBe('INVALID_POLICY');
    if (typeof sentence === 'string') expect(message).toBe(sentence);
    else expect(message).toMatch(sentence);
  });
});
