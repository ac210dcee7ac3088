/** Completion as the shells do it: the script is sourced by a real bash or zsh, which then completes a line. */
import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, symlinkSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { isDaemonAlive } from '../../lib/client/systemd.ts';
import { findPlaces } from '../../lib/places.ts';
import { createHost, describeEndToEnd, type Host } from './harness.ts';

const run = promisify(execFile);
const program = fileURLToPath(new URL('../../dist/domctl.cjs', import.meta.url));

/** The host's environment, with `domctl` on PATH. */
function environment(host: Host): NodeJS.ProcessEnv {
  mkdirSync(host.at('path'), { recursive: true });
  if (!existsSync(host.at('path/domctl'))) symlinkSync(program, host.at('path/domctl'));
  return { ...process.env, ...host.environment, PATH: `${host.at('path')}:${process.env['PATH'] ?? ''}` };
}

/** What bash would offer for these words, the last one unfinished. */
async function inBash(host: Host, ...words: readonly string[]): Promise<string[]> {
  const script =
    'source <(domctl completion bash); COMP_WORDS=(domctl "$@"); COMP_CWORD=$#; _domctl; printf "%s\\n" "${COMPREPLY[@]}"';
  const { stdout } = await run('bash', ['-c', script, 'bash', ...words], { env: environment(host) });
  return stdout.split('\n').filter(Boolean);
}

/** What the function hands to zsh's own `_describe`, a candidate and its description a line. */
async function inZsh(host: Host, ...words: readonly string[]): Promise<string[]> {
  const script = `
    compdef() { print -r -- "compdef $*" }
    _default() { print -r -- files }
    _describe() { print -rl -- "\${(@P)@[-1]}" }
    source <(domctl completion zsh)
    words=(domctl "$@") CURRENT=$(( $# + 1 ))
    _domctl`;
  const { stdout } = await run('zsh', ['-f', '-c', script, 'zsh', ...words], { env: environment(host) });
  const [registered, ...offered] = stdout.split('\n').filter(Boolean);
  expect(registered).toBe('compdef _domctl domctl');
  return offered;
}

const hasZsh = ['/bin/zsh', '/usr/bin/zsh'].some(existsSync);

describeEndToEnd('completion', () => {
  test('bash: verbs, options and their values', async () => {
    await using host = await createHost();
    expect(await inBash(host, 'doms')).toEqual(['domstate', 'domstats']);
    expect(await inBash(host, 'destroy', '--gr')).toEqual(['--graceful']);
    expect(await inBash(host, 'daemon', 'sta')).toEqual(['start', 'status']);
    expect(await inBash(host, 'completion', 'z')).toEqual(['zsh']);
  });

  test('bash: names by state, with what the shell would split escaped', async () => {
    await using host = await createHost();
    const emulator = host.oddQemu('polite');
    await host.run({ name: 'web1', emulator });
    for (const name of ['web2', 'my vm']) await host.define({ name, emulator });
    expect(await inBash(host, 'start', '')).toEqual(['my\\ vm', 'web2']);
    expect(await inBash(host, 'destroy', '')).toEqual(['web1']);
    expect((await inBash(host, 'dominfo', 'w')).sort()).toEqual(['web1', 'web2']);
    expect(await inBash(host, 'start', 'my\\ ')).toEqual(['my\\ vm']);
    expect(await inBash(host, 'start', "'my")).toEqual(['my vm']);
    expect(await inBash(host, 'start', 'web2', 'w')).toEqual([]);
  });

  test('without a daemon, names are those on disk, and none is started', async () => {
    await using host = await createHost();
    await host.define({ name: 'grün er', emulator: host.oddQemu('polite') });
    await host.ok('daemon', 'stop');
    expect(await inBash(host, 'start', 'gr')).toHaveLength(1);
    expect(await inBash(host, 'destroy', 'gr')).toEqual([]);
    expect(isDaemonAlive(findPlaces(host.environment))).toBe(false);
  });

  test.skipIf(!hasZsh)(`zsh: a verb and a name${hasZsh ? '' : ' (skipped: no zsh)'}`, async () => {
    await using host = await createHost();
    for (const name of ['my vm', 'a:b']) await host.define({ name, emulator: host.oddQemu('polite') });
    expect((await inZsh(host, 'start', '')).sort()).toEqual(['a\\:b', 'my vm']);
    expect(await inZsh(host, 'resour')).toContain(
      "resources:Show the host's memory as domctl accounts for it, and who holds what",
    );
    expect(await inZsh(host, 'destroy', '--gr')).toContain('--graceful:SIGTERM only, never SIGKILL');
  });
});
