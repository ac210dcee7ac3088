import { mkdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { listPolicies, loadHostConfig, loadPolicy, loadPolicyFile } from '../../../lib/policy/load.ts';
import { failure, operatorWith, shippedDir, shippedText } from './places.ts';

const head = (name: string, base: string) => `kind: policy\nversion: 1\nname: ${name}\nextends: ${base}\n`;

describe("an operator's policy", () => {
  test('replaces the shipped one of the same name', async () => {
    const text = shippedText('balanced.yaml').replace('killAfter: 10s', 'killAfter: 7s');
    const places = operatorWith({ 'policies/balanced.yaml': text });
    const { value, origins } = await loadPolicy('balanced', places);
    expect(value.destroy.killAfterMs).toBe(7000);
    expect(origins.get('destroy.killAfter')?.path).toBe(join(places.configDir, 'policies/balanced.yaml'));
  });

  test('takes what it leaves out from the policy it extends', async () => {
    const text = `${head('mine', 'restart-first')}destroy:\n  killAfter: 3s\nshutdown: { mode: [acpi] }\n`;
    const places = operatorWith({ 'policies/mine.yaml': text });
    const { value, origins } = await loadPolicy('mine', places);
    const base = (await loadPolicy('restart-first', places)).value;
    expect(value).toEqual({
      ...base,
      name: 'mine',
      destroy: { killAfterMs: 3000, freedTimeoutMs: 40_000 },
      shutdown: { mode: ['acpi'], forceAfterMs: null },
    });
    expect(origins.get('destroy.killAfter')).toMatchObject({ file: 'mine.yaml', line: 6 });
    expect(origins.get('shutdown.mode')).toMatchObject({ file: 'mine.yaml', line: 7 });
    expect(origins.get('destroy.freedTimeout')).toMatchObject({ file: 'restart-first.yaml' });
  });

  test("extends the operator's policy of that name before the shipped one", async () => {
    const text = shippedText('strict.yaml').replace('freedTimeout: 120s', 'freedTimeout: 99s');
    const places = operatorWith({ 'policies/strict.yaml': text, 'policies/mine.yaml': head('mine', 'strict') });
    expect((await loadPolicy('mine', places)).value.destroy.freedTimeoutMs).toBe(99_000);
  });

  test('may leave extends out when it says every key', async () => {
    const text = shippedText('strict.yaml')
      .replace('strict', 'full')
      .replace(/^extends.*\n/m, '');
    expect((await loadPolicy('full', operatorWith({ 'policies/full.yaml': text }))).value.name).toBe('full');
  });

  test('is read again at each call', async () => {
    const places = operatorWith();
    await loadPolicy('balanced', places);
    mkdirSync(join(places.configDir, 'policies'));
    symlinkSync(join(shippedDir, 'strict.yaml'), join(places.configDir, 'policies/balanced.yaml'));
    expect((await failure(loadPolicy('balanced', places), places)).message).toContain("strict is not the file's name");
  });

  test('may be checked wherever its file is', async () => {
    const places = operatorWith({ 'draft.yaml': `${head('draft', 'strict')}postcopyPaused: keep-running\n` });
    const { value } = await loadPolicyFile(join(places.configDir, 'draft.yaml'), places);
    expect(value.postcopyPaused).toBe('keep-running');
  });
});

describe('host.yaml', () => {
  test('takes the shipped default for every key it leaves out', async () => {
    const text = 'kind: host\nversion: 1\ncapacity:\n  overcommit: 1.5\nsecurity:\n  observe: [group:ops]\n';
    const places = operatorWith({ 'host.yaml': text });
    const { value, origins } = await loadHostConfig(places);
    const shipped = (await loadHostConfig(operatorWith())).value;
    expect(value).toEqual({
      ...shipped,
      capacity: { ...shipped.capacity, overcommit: 1.5 },
      security: { ...shipped.security, observe: ['group:ops'] },
    });
    expect(origins.get('capacity.overcommit')).toEqual({
      file: 'host.yaml',
      line: 4,
      path: join(places.configDir, 'host.yaml'),
    });
    expect(origins.get('capacity.reserve')?.path).toBe(join(shippedDir, 'host.yaml'));
  });

  test('replaces a list as a whole', async () => {
    const places = operatorWith({ 'host.yaml': 'kind: host\nversion: 1\nallowedPolicies: []\n' });
    expect((await loadHostConfig(places)).value.allowedPolicies).toEqual([]);
  });
});

describe('the list of policies', () => {
  test('names the shipped ones and not the host', async () => {
    const entries = await listPolicies(operatorWith());
    expect(entries).toEqual(
      ['balanced', 'restart-first', 'strict'].map((name) => ({
        name,
        file: join(shippedDir, `${name}.yaml`),
        from: 'shipped',
      })),
    );
  });

  test("shows the operator's file in place of the shipped one, and passes over other files", async () => {
    const places = operatorWith({ 'policies/strict.yaml': '', 'policies/mine.yaml': '', 'policies/notes.txt': '' });
    const entries = await listPolicies(places);
    expect(entries.map(({ name, from }) => `${name} ${from}`)).toEqual([
      'balanced shipped',
      'mine operator',
      'restart-first shipped',
      'strict operator',
    ]);
  });
});
