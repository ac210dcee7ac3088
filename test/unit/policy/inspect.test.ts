/** What `domctl policy` shows and checks. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { explainValues } from '../../../lib/policy/explain.ts';
import { checkEverything, checkOne, showPolicy, surveyPolicies } from '../../../lib/policy/inspect.ts';
import { loadPolicy, loadPolicyFile } from '../../../lib/policy/load.ts';
import { policyKeys } from '../../../lib/policy/schema.ts';
import { operatorWith, shippedDir } from './places.ts';

const mine = 'kind: policy\nversion: 1\nname: mine\ndescription: Ours\nextends: balanced\ndestroy:\n  killAfter: 3s\n';
const broken = 'kind: policy\nversion: 1\nname: broken\nextends: balanced\nwrong: 1\n';
const host = 'kind: host\nversion: 1\ndefaultPolicy: mine\nallowedPolicies: [strict, mine]\n';

describe('the list', () => {
  test('has origin, default and whether XML may name it; a broken one with its mistake', async () => {
    const places = operatorWith({ 'host.yaml': host, 'policies/mine.yaml': mine, 'policies/broken.yaml': broken });
    const rows = await surveyPolicies(places);
    expect(rows.map(({ name, from, allowed, default: isDefault }) => [name, from, allowed, isDefault])).toEqual([
      ['balanced', 'shipped', false, false],
      ['broken', 'operator', false, false],
      ['mine', 'operator', true, true],
      ['restart-first', 'shipped', false, false],
      ['strict', 'shipped', true, false],
    ]);
    expect(rows[1]).toMatchObject({ description: null, invalid: expect.stringMatching(/broken\.yaml:5:1: wrong/) });
    expect(rows[2]).toMatchObject({ description: 'Ours', file: join(places.configDir, 'policies/mine.yaml') });
  });

  test('does not say what a broken host.yaml allows', async () => {
    const rows = await surveyPolicies(operatorWith({ 'host.yaml': 'kind: host\nversion: 2\n' }));
    expect(rows[0]).toMatchObject({ name: 'balanced', allowed: null, default: null });
  });
});

describe('show', () => {
  test('gives a file that says all of it alone, and comes to the same policy', async () => {
    const places = operatorWith({ 'policies/mine.yaml': mine });
    const { yaml } = await showPolicy('mine', places);
    const alone = operatorWith({});
    const file = join(alone.configDir, 'mine.yaml');
    writeFileSync(file, yaml);
    expect((await loadPolicyFile(file, alone)).value).toEqual((await loadPolicy('mine', places)).value);
    expect(yaml).toMatch(/^extends: null$/m);
    expect(yaml).toMatch(/^ {2}killAfter: 3s$/m);
  });
});

describe('explain', () => {
  test('has every key in order, as written, with the line that says it', async () => {
    const values = explainValues(await loadPolicy('mine', operatorWith({ 'policies/mine.yaml': mine })));
    expect(values.map(({ key }) => key)).toEqual(policyKeys);
    const of = (key: string) => values.find((value) => value.key === key);
    expect(of('destroy.killAfter')).toMatchObject({ value: '3s', file: 'mine.yaml', line: 7 });
    expect(of('forceStart.maxShortfall')).toMatchObject({
      value: '25%',
      file: 'balanced.yaml',
      line: 8,
      path: join(shippedDir, 'balanced.yaml'),
    });
    expect(of('shutdown.mode')).toMatchObject({ value: '[agent, acpi]' });
  });
});

describe('check', () => {
  test('finds every broken file, and host.yaml that names a policy nobody wrote', async () => {
    const places = operatorWith({ 'host.yaml': host, 'policies/broken.yaml': broken });
    const errors = (await checkEverything(places)).flatMap(({ error }) => (error ? [error.message] : []));
    expect(errors).toEqual([
      expect.stringMatching(/host\.yaml:3:1: defaultPolicy: no policy is named 'mine'$/),
      expect.stringMatching(/broken\.yaml:5:1: wrong: unknown key$/),
    ]);
  });

  test('takes a name, and a file of either kind wherever it lies', async () => {
    const places = operatorWith({ 'policies/mine.yaml': mine, 'try/host.yaml': host, 'try/site.yaml': host });
    const at = (path: string) => join(places.configDir, path);
    expect(await checkOne('mine', places)).toEqual({ file: 'mine', error: null });
    expect(await checkOne(at('policies/mine.yaml'), places)).toMatchObject({ error: null });
    expect(await checkOne(at('try/host.yaml'), places)).toMatchObject({ error: null });
    expect(await checkOne(at('try/site.yaml'), places)).toMatchObject({ error: null });
    expect(await checkOne(at('nosuch.yaml'), places)).toMatchObject({ error: { code: 'INVALID_POLICY', exit: 7 } });
    expect(await checkOne('nosuch', places)).toMatchObject({ error: { code: 'INVALID_POLICY' } });
  });

  test('a host.yaml that is not there is refused by its own name, not taken for the shipped one', async () => {
    const places = operatorWith({});
    const file = join(places.configDir, 'else/host.yaml');
    expect(await checkOne(file, places)).toMatchObject({ error: { message: expect.stringContaining(file) } });
  });
});
