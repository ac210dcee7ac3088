/** libvirt, driven through one virsh that stays connected. */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, openSync, readdirSync, readFileSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Contender, type Live, until } from './contender.ts';
import { atEnd } from '../ending.ts';
import { type Guest, guestXml, makeImage } from './guest.ts';

export interface Libvirt {
  readonly scratch: string;
  readonly version: string;
  run(command: string): Promise<string>;
  /** Ends virsh and libvirtd. */
  close(): Promise<void>;
}

const socket = '/run/libvirt/libvirt-sock';

/** `parent` runs libvirtd and is what its orphans fall to; empty: they fall to whoever reaps on this host. */
export async function startLibvirt(scratch: string, parent: readonly string[]): Promise<Libvirt> {
  const log = openSync(join(scratch, 'libvirtd.log'), 'a');
  const [file, ...args] = [...parent, '/usr/sbin/libvirtd'];
  const daemon = spawn(file, args, { stdio: ['ignore', log, log], detached: true });
  await until('libvirtd listens', () => existsSync(socket));
  const virsh = spawn('sh', ['-c', 'exec stdbuf -oL virsh -q -c qemu:///system 2>&1'], {
    stdio: 'pipe',
    detached: true,
  });
  const run = talk(virsh);
  let closed = false;
  virsh.stdin.on('error', () => undefined);
  const close = async (): Promise<void> => {
    if (closed) return;
    closed = true;
    // Not by virsh: it may be in the middle of something, and its domains are ours alone.
    for (const pid of hypervisors()) kill(pid);
    virsh.kill('SIGKILL');
    daemon.kill('SIGTERM');
    const stubborn = setTimeout(() => daemon.kill('SIGKILL'), 5000);
    if (daemon.exitCode === null && daemon.signalCode === null) await once(daemon, 'exit');
    clearTimeout(stubborn);
    rmSync(socket, { force: true });
  };
  atEnd(close);
  return { scratch, version: (await run('version --daemon')).match(/daemon: (\S+)/)?.[1] ?? 'unknown', run, close };
}

/** From libvirt's files in our own /run. */
function hypervisors(): number[] {
  const directory = '/run/libvirt/qemu';
  const files = existsSync(directory) ? readdirSync(directory).filter((name) => /^l-.*\.pid$/.test(name)) : [];
  return files.map((name) => Number(readFileSync(join(directory, name), 'utf8')));
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It has ended.
  }
}

let questions = 0;

/** One command at a time, each followed by an echo that ends its answer; virsh repeats each line after its prompt. */
function talk(virsh: ChildProcessWithoutNullStreams): Libvirt['run'] {
  let said = '';
  let wake = (): void => undefined;
  virsh.stdout.on('data', (chunk: Buffer) => ((said += chunk.toString()), wake()));
  virsh.on('exit', () => wake());
  return async (command) => {
    questions += 1;
    const mark = `@${questions}@`;
    said = '';
    virsh.stdin.write(`${command}\necho ${mark}\n`);
    while (!said.includes(`\n${mark}`)) {
      if (virsh.exitCode !== null || virsh.signalCode !== null) throw new Error(`virsh ended: ${said}`);
      await new Promise<void>((resolve) => (wake = resolve));
    }
    if (/^error: /m.test(said)) throw new Error(`virsh ${command}: ${said.trim()}`);
    const lines = said
      .split('\n')
      .filter((line) => !line.includes('virsh # ') && !line.includes(mark) && line !== command);
    return lines.join('\n').trim();
  };
}

export function libvirt(options: { name: string; asyncTeardown: boolean }, daemon: () => Libvirt): Contender {
  const name = options.asyncTeardown ? 'l-async' : 'l-plain';
  const features = options.asyncTeardown ? "<async-teardown enabled='yes'/>" : '';
  const start = async (guest: Guest): Promise<Live> => {
    const { scratch, run } = daemon();
    const image = makeImage(join(scratch, `${name}.raw`));
    const define = async (wanted: Guest): Promise<unknown> => {
      const file = join(scratch, `${name}.xml`);
      writeFileSync(file, guestXml({ name, image, guest: wanted, features }));
      return run(`define ${file}`);
    };
    await define(guest);
    await run(`start ${name} --paused`);
    return {
      pid: Number(readFileSync(`/run/libvirt/qemu/${name}.pid`, 'utf8')),
      image,
      stop: async () => void (await run(`destroy ${name}`)),
      restart: async () => {
        await run(`destroy ${name}`);
        await run(`start ${name}`);
      },
      prepareRestart: async () => void (await define({ ...guest, touched: false })),
      clear: async () => {
        if ((await run(`domstate ${name}`)).trim() !== 'shut off') await run(`destroy ${name}`);
      },
    };
  };
  return { name: options.name, start };
}

/** libvirt leaves its cgroups behind where a helper was still in them: empty ones go, deepest first. */
export function removeCgroups(directories: readonly string[]): void {
  for (const directory of directories.toReversed()) {
    try {
      rmdirSync(directory);
    } catch {
      // Somebody else's, or gone.
    }
  }
}
