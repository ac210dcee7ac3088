/** `domctl edit` with programs for editors: what is written is stored, refused, or kept, and never lost without a word. */
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { createHost, describeEndToEnd, type Host, type Result } from './harness.ts';

const inTerminal = fileURLToPath(new URL('../fixtures/programs/in-terminal.py', import.meta.url));
const program = fileURLToPath(new URL('../../dist/domctl.cjs', import.meta.url));

interface How {
  /** Commands of sh; `$1` is the file. The n-th line is what the n-th run does. */
  readonly editor: readonly string[];
  /** Typed into a terminal; null: no terminal. */
  readonly typed?: string;
}

async function edit(host: Host, { editor, typed }: How): Promise<Result> {
  const script = host.at('editor');
  const runs = editor.map((command, index) => `if [ $n -eq ${index} ]; then ${command}; fi`).join('\n');
  const count = host.at('runs');
  writeFileSync(count, '0');
  writeFileSync(script, `#!/bin/sh\nset -e\nn=$(cat ${count}); echo $((n+1)) > ${count}\n${runs}\n`);
  chmodSync(script, 0o755);
  mkdirSync(host.at('tmp'), { recursive: true });
  const environment = ['env', '-u', 'VISUAL', `EDITOR=${script}`, `TMPDIR=${host.at('tmp')}`];
  const terminal = typed === undefined ? [] : ['python3', inTerminal];
  return host.domctl(['edit', 'db1'], { through: [...environment, ...terminal], input: typed ?? '' });
}

function runsOf(host: Host): number {
  return Number(readFileSync(host.at('runs'), 'utf8'));
}

/** The one file that was kept. */
function kept(host: Host): string | null {
  const [directory] = readdirSync(host.at('tmp'));
  return directory === undefined ? null : host.at(`tmp/${directory}/db1.xml`);
}

async function memory(host: Host): Promise<number> {
  return (await host.info('db1')).memoryBytes / 2 ** 20;
}

const more = `sed -i 's/>[0-9]*<\\/memory>/>${128 * 1024}<\\/memory>/; /<currentMemory/d' "$1"`;
const broken = `echo '<trailing/>' >> "$1"`;
const unknown = `sed -i 's/<devices>/<bogus\\/><devices>/' "$1"`;
const renamed = `sed -i 's/<name>db1</<name>db2</' "$1"`;

describeEndToEnd('edit', () => {
  test('stores what was changed, and says when nothing was', async () => {
    await using host = await createHost();
    await host.define({ name: 'db1' });
    const same = await edit(host, { editor: [`test "$(stat -c %a "$1")" = 600`] });
    expect(same).toMatchObject({ exit: 0, stdout: "Domain 'db1' XML configuration not changed.\n" });
    const changed = await edit(host, { editor: [more] });
    expect(changed).toMatchObject({ exit: 0, stdout: "Domain 'db1' XML configuration edited.\n", stderr: '' });
    expect(await memory(host)).toBe(128);
    expect(kept(host)).toBeNull();
    expect((await host.domctl(['edit', 'none'])).exit).toBe(3);
  });

  test('keeps a refused text where nobody can be asked, for its owner alone, and tells where', async () => {
    await using host = await createHost();
    await host.define({ name: 'db1' });
    const before = await host.ok('dumpxml', 'db1');
    const refused = await edit(host, { editor: [broken] });
    expect(refused.exit).toBe(7);
    expect(refused.stderr).toContain(`what you wrote is kept in ${kept(host)!}`);
    expect(readFileSync(kept(host)!, 'utf8')).toContain('<trailing/>');
    expect(statSync(kept(host)!).mode & 0o777).toBe(0o600);
    expect(await host.ok('dumpxml', 'db1')).toBe(before);
  });

  test('refuses another name, and a failing editor changes nothing', async () => {
    await using host = await createHost();
    await host.define({ name: 'db1' });
    const failed = await edit(host, { editor: ['exit 3'] });
    expect(failed.exit).toBe(1);
    expect(failed.stderr).toContain('exit code 3');
    expect(kept(host)).toBeNull();
    const other = await edit(host, { editor: [renamed] });
    expect(other.exit).toBe(7);
    expect(other.stderr).toContain("'db1' cannot be renamed to 'db2'");
    expect((await host.client().list()).map(({ name }) => name)).toEqual(['db1']);
  });

  test('does not overwrite what somebody else changed meanwhile, unless it is forced', async () => {
    await using host = await createHost();
    await host.define({ name: 'db1' });
    const theirs = host.writeXml({ name: 'db1', memoryMiB: 96 });
    const meanwhile = `${process.execPath} ${program} define ${theirs} > /dev/null; ${more}`;
    const refused = await edit(host, { editor: [meanwhile] });
    expect(refused.exit).toBe(4);
    expect(refused.stderr).toContain('changed by somebody else in the meantime');
    expect(await memory(host)).toBe(96);
    expect(existsSync(kept(host)!)).toBe(true);

    await host.define({ name: 'db1' });
    const forced = await edit(host, { editor: [meanwhile], typed: 'f\n' });
    expect(forced.exit).toBe(0);
    expect(await memory(host)).toBe(128);
  });

  test('asks in a terminal: again, help, with what is unknown, or not at all', async () => {
    await using host = await createHost();
    await host.define({ name: 'db1' });
    const again = await edit(host, { editor: [broken, `sed -i '/trailing/d' "$1"; ${more}`], typed: '?\ny\n' });
    expect(again.stdout).toContain('Failed. Try again? [y,n,i,f,?]: ');
    expect(again.stdout).toContain('n - no, throw away my changes');
    expect(again.stdout).toContain("Domain 'db1' XML configuration edited.");
    expect(again.exit).toBe(0);
    expect(runsOf(host)).toBe(2);
    expect(await memory(host)).toBe(128);

    const ignored = await edit(host, { editor: [unknown], typed: 'i\n' });
    expect(ignored.exit).toBe(0);
    expect(await host.ok('dumpxml', 'db1')).toContain('<bogus/>');

    const discarded = await edit(host, { editor: [broken], typed: 'n\n' });
    expect(discarded.exit).toBe(7);
    expect(kept(host)).toBeNull();
  });
});
