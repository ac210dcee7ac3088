/** States of TPMs on a real disk: which go, when, and what a daemon that died in between leaves to the next one. */
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { markTransient, removeTransient, sweepTransient, tpmState, unmarkTransient } from '../../../lib/daemon/tpm.ts';

let directory = '';
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'domctl-tpm-'));
});
afterEach(() => {
  rmSync(directory, { recursive: true });
});

function make(uuid: string): string {
  const path = tpmState(directory, uuid);
  mkdirSync(path, { recursive: true });
  writeFileSync(join(path, 'tpm2-00.permall'), 'secrets');
  return path;
}

function names(): string[] {
  return readdirSync(join(directory, 'tpm')).toSorted();
}

test('a state goes with its domain only where that was wanted', async () => {
  const [kept, wanted, defined] = ['kept', 'wanted', 'defined'].map(make);
  await markTransient(directory, 'wanted');
  await markTransient(directory, 'defined');
  await unmarkTransient(directory, 'defined');
  for (const uuid of ['kept', 'wanted', 'defined', 'never']) await removeTransient(directory, uuid);
  expect([kept, wanted, defined].map((path) => existsSync(path!))).toEqual([true, false, true]);
  expect(names()).toEqual(['defined', 'kept']);
});

test('a mark may be there before the state is', async () => {
  await markTransient(directory, 'a');
  expect(await removeTransient(directory, 'a')).toBe(false);
  expect(names()).toEqual([]);
});

test('what is not its own stays', async () => {
  mkdirSync(join(make('a'), 'somebody'));
  await markTransient(directory, 'a');
  expect(await removeTransient(directory, 'a')).toBe(false);
  expect(names()).toEqual(['a']);
});

test('the next daemon finishes what was begun: never of a domain that is defined, nor of one that still runs', async () => {
  for (const uuid of ['defined', 'held', 'gone', 'kept']) make(uuid);
  for (const uuid of ['defined', 'held', 'gone']) await markTransient(directory, uuid);
  const facts = { isDefined: (uuid: string) => uuid === 'defined', isHeld: (uuid: string) => uuid === 'held' };
  await sweepTransient(directory, facts);
  expect(names()).toEqual(['defined', 'held', 'held.transient', 'kept']);
});

test('where there was never a TPM there is nothing to do', async () => {
  await sweepTransient(directory, { isDefined: () => false, isHeld: () => false });
  expect(await removeTransient(directory, 'a')).toBe(false);
  expect(readdirSync(directory)).toEqual([]);
});
