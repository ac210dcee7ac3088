/** What programs the library can be preloaded into, and what they are started with. */
import { execFileSync } from 'node:child_process';
import { chmodSync, copyFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { findPreloadLibrary, preloadEnvironment, preloadHelperName, whyNotPreloadable } from '../../native/preload.ts';
import { build, isGone, kill, killUnlessGone, library, MiB, nameOf, program, run, theHelper } from './preloading.ts';
import { scratch, until } from './support.ts';

const settings = {
  program,
  threads: 'auto',
  mode: 'fast',
  gentleRateBytes: 2 ** 31,
  minimumSizeBytes: 0,
  preferredOomVictim: true,
} as const;

describe('preloadEnvironment', () => {
  it.each([
    settings,
    { ...settings, threads: 1000, mode: 'gentle', gentleRateBytes: 1, preferredOomVictim: false } as const,
    { ...settings, minimumSizeBytes: 2 ** 53 - 1 },
  ])('is understood by the library: %o', async (wanted) => {
    const running = await run(program, [`anon=${4 * MiB}`], preloadEnvironment(library, wanted));
    expect(nameOf(theHelper(running))).toBe(preloadHelperName(running.pid));
    expect(await running.ask('environment')).toMatch(/^environment 0 /);
    await kill(running);
    killUnlessGone(theHelper(running));
    await until(() => isGone(theHelper(running)));
  });
});

describe('whyNotPreloadable', () => {
  const why = (file: string): string | null => whyNotPreloadable(file, library);

  it('finds nothing against a dynamically linked program, nor against an emulator', () => {
    expect(findPreloadLibrary()).toBe(library);
    expect(why(program)).toBeNull();
    const emulator = execFileSync('sh', ['-c', 'command -v qemu-system-x86_64'], { encoding: 'utf8' }).trim();
    expect(why(emulator)).toBeNull();
  });

  it('knows who never loads it', () => {
    expect(why(build('static', ['-static']))).toBe('it is statically linked');
    const raised = join(scratch(), 'raised');
    copyFileSync(program, raised);
    chmodSync(raised, 0o4755);
    expect(why(raised)).toBe('it is set-user-ID or set-group-ID');
    const script = join(scratch(), 'script');
    for (const text of ['', '#!/bin/sh\n', `\x7fELF\x01${'x'.repeat(80)}`]) {
      writeFileSync(script, text);
      expect(why(script)).toBe('it is no ELF program');
    }
    const foreign = Buffer.alloc(64);
    foreign.write('\x7fELF\x02\x01', 'latin1');
    foreign.writeUInt16LE(243, 18); // EM_RISCV
    writeFileSync(script, foreign);
    expect(why(script)).toBe('it is for another architecture than the library');
  });
});
