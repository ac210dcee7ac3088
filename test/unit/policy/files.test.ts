import { spawnSync } from 'node:child_process';
import { mkdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { loadHostConfig, loadPolicy, loadPolicyFile } from '../../../lib/policy/load.ts';
import { failure, operatorWith, shippedDir } from './places.ts';

const head = 'kind: policy\nversion: 1\nname: mine\nextends: balanced\n';

async function policyFailure(text: string | Uint8Array) {
  const places = operatorWith({ 'policies/mine.yaml': text });
  return await failure(loadPolicy('mine', places), places);
}

describe('a policy that is asked for', () => {
  test('and does not exist is told with the places and the known ones', async () => {
    const places = operatorWith();
    const found = await failure(loadPolicy('fast', places), places);
    expect(found.message).toBe("no policy is named 'fast': looked for policies/fast.yaml and shipped/fast.yaml");
    expect(found.hint).toBe('known policies: balanced, restart-first, strict');
    expect(found.code).toBe('INVALID_POLICY');
  });

  test("is not the host's file", async () => {
    const places = operatorWith();
    expect((await failure(loadPolicy('host', places), places)).message).toMatch(/^no policy is named 'host'/);
  });

  test.each(['', '.', '..', '../strict', 'a/b', '/etc/passwd', 'a\0b', '.hidden', 'x'.repeat(101)])(
    'cannot be named %j',
    async (name) => {
      const places = operatorWith();
      expect((await failure(loadPolicy(name, places), places)).message).toMatch(/ cannot name a policy$/);
    },
  );
});

describe('a file that cannot be used is named:', () => {
  test('a directory in its place', async () => {
    const places = operatorWith();
    mkdirSync(join(places.configDir, 'policies/strict.yaml'), { recursive: true });
    const found = await failure(loadPolicy('strict', places), places);
    expect(found.message).toBe('policies/strict.yaml: is not a regular file');
  });

  test('a fifo in its place, without waiting for a writer', async () => {
    const places = operatorWith();
    spawnSync('mkfifo', [join(places.configDir, 'host.yaml')]);
    const found = await failure(loadHostConfig(places), places);
    expect(found.message).toBe('host.yaml: is not a regular file');
  });

  test('a link to nowhere, in place of falling back to the shipped file', async () => {
    const places = operatorWith({ 'policies/keep.txt': '' });
    symlinkSync('nowhere', join(places.configDir, 'policies/strict.yaml'));
    const found = await failure(loadPolicy('strict', places), places);
    expect(found.message).toBe('policies/strict.yaml: cannot be read: ENOENT');
  });

  test('a link to itself', async () => {
    const places = operatorWith({ 'policies/keep.txt': '' });
    symlinkSync('strict.yaml', join(places.configDir, 'policies/strict.yaml'));
    const found = await failure(loadPolicy('strict', places), places);
    expect(found.message).toBe('policies/strict.yaml: cannot be read: ELOOP');
  });

  test('one of more than 64 KiB', async () => {
    const full = head + '#'.repeat(64 * 1024 - head.length);
    const places = operatorWith({ 'policies/mine.yaml': full });
    expect((await loadPolicy('mine', places)).value.name).toBe('mine');
    expect((await policyFailure(`${full}#`)).message).toBe('policies/mine.yaml: is larger than 64 KiB');
  });

  test('one that is not UTF-8', async () => {
    expect((await policyFailure(Uint8Array.of(0x61, 0xff))).message).toBe('policies/mine.yaml: is not UTF-8 text');
  });

  test('one that is not there', async () => {
    const places = operatorWith();
    const found = await failure(loadPolicyFile(join(places.configDir, 'draft.yaml'), places), places);
    expect(found.message).toBe('draft.yaml: there is no such file');
  });

  test('the shipped host.yaml', async () => {
    const places = { configDir: shippedDir, shippedDir: join(shippedDir, 'absent') };
    expect((await failure(loadHostConfig(places), places)).message).toContain('the shipped host.yaml is missing');
  });
});

describe('a hostile file is refused quickly:', () => {
  test('aliases that multiply', async () => {
    const bomb = Array.from({ length: 9 }, (_, n) => `a${n + 1}: &a${n + 1} [${`*a${n}, `.repeat(9)}]`).join('\n');
    expect((await policyFailure(`a0: &a0 [x]\n${bomb}\n`)).message).toBe(
      'policies/mine.yaml:2:10: a1: aliases are not allowed',
    );
  });
});
