/** sdNotify: datagrams as a real socket receives them, of both kinds that systemd hands out. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { sdNotify } from '../../native/index.ts';
import { afterwards, caught, scratch } from './support.ts';

/** Binds a datagram socket ('@' is abstract), says so, and prints what comes, one JSON text a datagram. */
const listener = `
import json, socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
where = sys.argv[1]
s.bind('\\0' + where[1:] if where[0] == '@' else where)
print('bound', flush=True)
for _ in range(int(sys.argv[2])):
    print(json.dumps(s.recv(65536).decode()), flush=True)
`;

async function receive(where: string, texts: readonly string[]): Promise<string[]> {
  const child = spawn('python3', ['-c', listener, where, String(texts.length)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  afterwards(() => child.kill());
  let said = '';
  child.stdout.on('data', (chunk: Buffer) => (said += chunk.toString()));
  await once(child.stdout, 'data');
  for (const text of texts) sdNotify(where, text);
  await once(child, 'close');
  const [bound, ...lines] = said.trimEnd().split('\n');
  expect(bound).toBe('bound');
  return lines.map((line) => JSON.parse(line));
}

describe('sdNotify', () => {
  const texts = ['READY=1\nSTATUS=Ready: 2 domains', 'STOPPING=1', 'STATUS=größer'];

  it('sends each text whole to a socket with a path', async () => {
    expect(await receive(join(scratch(), 'notify'), texts)).toEqual(texts);
  });

  it('sends to an abstract socket', async () => {
    expect(await receive(`@domctl-notify-${process.pid}`, texts)).toEqual(texts);
  });

  it('names the socket where nobody listens', () => {
    const path = join(scratch(), 'none');
    expect(caught(() => sdNotify(path, 'READY=1'))).toMatchObject({ code: 'ENOENT', syscall: 'sendto', path });
    expect(caught(() => sdNotify('@domctl-nobody', 'READY=1'))).toMatchObject({ code: 'ECONNREFUSED' });
  });

  it.each(['', '/', '@', 'relative', `/${'x'.repeat(107)}`])('refuses %j for a socket', (socket) => {
    expect(caught(() => sdNotify(socket, 'READY=1'))).toBeInstanceOf(TypeError);
  });
});
