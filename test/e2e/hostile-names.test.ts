/** Names with everything in them that somebody could take for something else: in paths, arguments, events, headers, and on a terminal. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, readdirSync } from 'node:fs';
import { request } from 'node:http';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { openConsole } from '../../lib/client/console.ts';
import type { DomainEvent, DomainRow } from '../../lib/client/contract.ts';
import { eventually, namesIn } from './facts.ts';
import { createHost, describeEndToEnd, type Host } from './harness.ts';

/** All that a name may have in it, and is at home in some syntax; the last but one turns the direction of what follows. */
const name = `a,b=c;id: "d" 'e' {f} %0a \\x4 <g> &h; $(i) .. #?! \u202ei ü😀`;
const escaped = name.replace(/[&<>'"]/g, (one) => `&#${one.charCodeAt(0)};`);

async function startHostile(host: Host): Promise<number> {
  const console = "<console type='pty'><target type='serial'/></console>";
  const xml = host
    .xml({ name: 'NAME' })
    .replace('</devices>', `${console}</devices>`)
    .replace('NAME', () => escaped);
  await host.define(xml);
  await host.ok('start', name);
  return (await host.info(name)).pid!;
}

async function textOf(host: Host, path: string): Promise<string> {
  const sent = request({ socketPath: host.socket, path });
  sent.end();
  const [response] = (await once(sent, 'response')) as [AsyncIterable<Buffer>];
  let text = '';
  for await (const chunk of response) text += chunk.toString();
  return text;
}

describeEndToEnd('a name with everything in it', () => {
  test('in events, headers and paths is one name, and nothing besides', async () => {
    await using host = await createHost();
    const pid = await startHostile(host);
    expect(readdirSync(host.directory).sort()).toEqual(['etc', 'given.xml', 'log', 'promises', 'run', 'state']);
    for (const directory of ['state/domains', 'log'])
      for (const each of namesIn(host.at(directory))) expect.soft(each).toMatch(/^[\w:.\\-]+\.(xml|log)$/);
    const guest = readFileSync(`/proc/${pid}/cmdline`, 'utf8')
      .split('\0')
      .find((word) => word.startsWith('guest='));
    expect(guest).toBe(`guest=${name.replaceAll(',', ',,')},debug-threads=on`);
    expect(await host.ok('qemu-monitor-command', name, 'query-name')).toContain(
      JSON.stringify(name).replace('\u202e', '\\u202e'),
    );

    const stream = await textOf(host, '/v1/events?since=0&follow=false');
    for (const line of stream.split('\n')) expect.soft(line).toMatch(/^(id: \d+|event: [\w-]+|data: \{.*\}|: .*|)$/);
    const events = [...stream.matchAll(/^data: (.*)$/gm)].map(([, data]) => JSON.parse(data!) as DomainEvent);
    expect(events.length).toBeGreaterThan(1);
    expect(new Set(events.map(({ domain }) => domain))).toEqual(new Set([name]));

    const console = await openConsole(host.client(), name, {});
    expect(console).toMatchObject({ domain: name, incarnation: 1 });
    console.stream.destroy();
  });

  test('on a terminal is shown without what would drive it; as JSON and XML it is whole', async () => {
    await using host = await createHost();
    await startHostile(host);
    for (const args of [
      ['list'],
      ['dominfo', name],
      ['resources'],
      ['event', '--since', '1h'],
      ['dumpxml', name],
      ['list', '--json'],
    ])
      expect.soft(await host.ok(...args), args[0]).not.toMatch(/\u202e/);
    expect(await host.ok('list')).toContain('?i ü😀');
    expect((await host.json<DomainRow[]>('list'))[0]).toMatchObject({ name });
    await host.define((await host.ok('dumpxml', name, '--inactive')).replace('<vcpu>1', '<vcpu>2'));
    expect((await host.client().list()).map((row) => row.name)).toEqual([name]);
  });
});

/** Takes a name of its own, then is the program its first argument names. */
const renamed = `
import runpy, sys
open('/proc/self/comm', 'w').write('\\x1b[2Jevil')
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name='__main__')
`;

describeEndToEnd("another program's name for itself", () => {
  test('does not drive the terminal of who asks what holds an image', async () => {
    await using host = await createHost();
    const image = host.image('a.img');
    const holder = fileURLToPath(new URL('../fixtures/programs/lock-holder.py', import.meta.url));
    const child = spawn('python3', ['-c', renamed, holder, image, '101', '201'], { stdio: 'pipe' });
    await once(child.stdout, 'data');
    await host.define({ name: 'db1', disks: [image] });
    const refused = await eventually('the start is refused', async () => host.domctl(['start', 'db1']));
    child.stdin.end();
    await once(child, 'close');
    expect(refused.exit).toBe(4);
    expect(refused.stderr).toContain(`is locked by ?[2Jevil (pid ${child.pid})`);
    expect(refused.stderr + host.log).not.toMatch(/\u001b/);
  });
});
