/** `domctl console` as a person and a script use it, at a socket that serves consoles and nothing else. */
import { readFileSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { openTarget } from '../../lib/daemon/console-target.ts';
import { type ConsoleServer, serveConsoles } from '../fixtures/consoles.ts';
import { eventually } from './facts.ts';
import { createHost, describeEndToEnd, type Host } from './harness.ts';

const inTerminal = fileURLToPath(new URL('../fixtures/programs/in-terminal.py', import.meta.url));
const banner = "Connected to domain 'db1'\nEscape character is ^] (Ctrl + ])\n";

interface Guest extends AsyncDisposable {
  readonly served: ConsoleServer;
  readonly connections: Socket[];
  /** All that was typed, over all connections, as far as it was read: what a program wrote before it ended may be on its way. */
  typed(): string;
  /** Resolves when exactly that was typed. */
  hears(text: string): Promise<unknown>;
}

function childrenOf(pid: number): number[] {
  return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').map(Number);
}

/** A guest that says `login: ` to whoever comes, and ends its line at `poweroff`. */
async function startGuest(host: Host): Promise<Guest> {
  const connections: Socket[] = [];
  let typed = '';
  const guest: Server = createServer((socket) => {
    connections.push(socket);
    socket.on('error', () => undefined);
    socket.write('login: ');
    socket.on('data', (chunk: Buffer) => {
      typed += chunk.toString('latin1');
      if (typed.endsWith('poweroff\n')) {
        served.info = { id: 7, state: 'draining', reason: 'shutdown' };
        socket.end('Power down.\r\n');
      }
    });
  });
  const path = host.at('guest.sock');
  await new Promise<void>((resolve) => guest.listen(path, resolve));
  const hypervisor = { qmp: null, pid: process.pid };
  const served = await serveConsoles(async () => openTarget({ kind: 'unix', path }, hypervisor), host.socket);
  const dispose = async (): Promise<void> => {
    await served.close();
    for (const socket of connections) socket.destroy();
    await new Promise((resolve) => guest.close(resolve));
  };
  const hears = async (text: string): Promise<unknown> =>
    eventually(`${JSON.stringify(text)} is what was typed`, () => typed === text);
  return { served, connections, typed: () => typed, hears, [Symbol.asyncDispose]: dispose };
}

describeEndToEnd('console', () => {
  test('takes a pipe: what is typed arrives whole, and the end of input leaves the guest', async () => {
    await using host = await createHost();
    await using guest = await startGuest(host);
    const { exit, stdout } = await host.domctl(['console', 'db1'], { input: 'root\n' });
    expect({ exit, stdout: stdout.replace('login: ', '') }).toEqual({ exit: 0, stdout: `${banner}\n` });
    await guest.hears('root\n');
  });

  test('leaves at the escape character, of any choice', async () => {
    await using host = await createHost();
    await using guest = await startGuest(host);
    expect((await host.domctl(['console', 'db1'], { input: 'a\x1db' })).exit).toBe(0);
    await guest.hears('a');
    const other = await host.domctl(['console', 'db1', '--escape', '^t'], { input: '\x1d\x14' });
    expect(other.stdout).toContain('Escape character is ^T (Ctrl + T)');
    await guest.hears('a\x1d');
    expect((await host.domctl(['console', 'db1', '--escape', 'never'])).exit).toBe(2);
    expect((await host.domctl(['console', 'none'])).exit).toBe(3);
  });

  test('loses nothing that was typed before the escape, however much the guest says', async () => {
    await using host = await createHost();
    await using guest = await startGuest(host);
    const chatter = setInterval(() => {
      for (const connection of guest.connections) connection.write('x'.repeat(4096));
    }, 1);
    try {
      for (let times = 1; times <= 8; times += 1) {
        expect((await host.domctl(['console', 'db1'], { input: 'k\x1d' })).exit).toBe(0);
        await guest.hears('k'.repeat(times));
      }
    } finally {
      clearInterval(chatter);
    }
  });

  test('says why it ended: the guest has', async () => {
    await using host = await createHost();
    await using guest = await startGuest(host);
    const { exit, stdout } = await host.domctl(['console', 'db1'], {
      input: 'poweroff\n',
      through: ['python3', inTerminal],
    });
    expect(guest.typed()).toContain('poweroff');
    expect(stdout).toContain('Power down.');
    expect(stdout).toContain("Domain 'db1' has ended: it is draining (shutdown)");
    expect(exit).toBe(0);
  });

  test('refuses a second one, unless it takes over; a terminal is as it was, however it ends', async () => {
    await using host = await createHost();
    await using guest = await startGuest(host);
    // The terminal's settings before and after, by a shell around it; nothing typed but what is held back.
    const through = ['python3', inTerminal, 'sh', '-c', 'stty -g; "$@"; echo "exit $?"; stty -g', 'sh'];
    const first = host.begin(['console', 'db1'], { through, input: ' ' });
    await eventually('the first is connected', () => first.stdout().includes('login: '));
    const second = await host.domctl(['console', 'db1'], { input: 'x' });
    expect(second).toMatchObject({ exit: 4, stderr: expect.stringContaining('somebody is connected') });
    const third = await host.domctl(['console', 'db1', '--force'], { input: 'third' });
    expect(third.exit).toBe(0);
    const { stdout } = await first.done;
    await eventually('what the third typed arrives', () => guest.typed().includes('third'));
    expect(stdout).toContain('was taken over');
    expect(stdout).toContain('exit 4');
    const lines = stdout.trim().split(/\r?\n/);
    expect(lines[0]).toMatch(/^[0-9a-f:]+$/);
    expect(lines.at(-1)).toBe(lines[0]);
  });

  test('puts the terminal back when it is ended by a signal', async () => {
    await using host = await createHost();
    await using guest = await startGuest(host);
    const through = ['python3', inTerminal, 'sh', '-c', 'stty -g; "$@"; echo "exit $?"; stty -g', 'sh'];
    const running = host.begin(['console', 'db1'], { through, input: ' ' });
    await guest.hears(' ');
    const [shell] = childrenOf(running.pid);
    const [domctl] = childrenOf(shell!);
    process.kill(domctl!, 'SIGTERM');
    const lines = (await running.done).stdout.trim().split(/\r?\n/);
    expect(lines).toContain('login: exit 143');
    expect(lines.at(-1)).toBe(lines[0]);
  });

  test('is told when the daemon goes away', async () => {
    await using host = await createHost();
    await using guest = await startGuest(host);
    const running = host.begin(['console', 'db1'], { through: ['python3', inTerminal], input: ' ' });
    await eventually('it is connected', () => running.stdout().includes('login: '));
    await guest.served.close();
    const { exit, stdout } = await running.done;
    expect(stdout).toContain('cannot reach the daemon');
    expect(exit).toBe(9);
  });
});
