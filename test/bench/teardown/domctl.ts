/** domctl, driven by its client over the socket of a daemon of the benchmark's own. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { constants } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Client } from '../../../lib/client/client.ts';
import { followEvents } from '../../../lib/client/events.ts';
import { closeFd, pidfdOpen, pidfdSignal } from '../../../native/index.ts';
import { type Contender, type Live, nowMs, until } from './contender.ts';
import { atEnd } from './ending.ts';
import { type Guest, guestXml, makeImage } from './guest.ts';

const program = fileURLToPath(new URL('../../../dist/domctl.cjs', import.meta.url));

const policies: Readonly<Record<string, object>> = {
  fast: { helper: 'preload', mode: 'fast', minimumSize: '1MiB' },
  gentle: { helper: 'preload', mode: 'gentle', minimumSize: '1MiB' },
  none: { helper: 'none' },
};

export interface Domctl {
  readonly client: Client;
  readonly scratch: string;
}

/** A daemon with places of its own below `scratch`, ended with the benchmark. */
export async function startDomctl(scratch: string): Promise<Domctl> {
  const at = (name: string): string => join(scratch, name);
  mkdirSync(at('etc/policies'), { recursive: true });
  const allowedPolicies = [...Object.keys(policies), 'balanced'];
  const host = { kind: 'host', version: 1, security: { user: 'nobody' }, allowedPolicies };
  writeFileSync(at('etc/host.yaml'), JSON.stringify(host));
  for (const [name, teardown] of Object.entries(policies)) {
    const policy = { kind: 'policy', version: 1, name, description: 'of the benchmark', extends: 'balanced', teardown };
    writeFileSync(at(`etc/policies/${name}.yaml`), JSON.stringify(policy));
  }
  const env = {
    ...process.env,
    DOMCTL_CONFIG_DIR: at('etc'),
    DOMCTL_STATE_DIR: at('state'),
    DOMCTL_RUNTIME_DIR: at('run'),
    DOMCTL_LOG_DIR: at('log'),
    DOMCTL_CGROUP_ROOT: `/domctl-bench-${process.pid}`,
  };
  const domctl = (...args: string[]): void => {
    const { status, stderr, stdout } = spawnSync(process.execPath, [program, ...args], { env, encoding: 'utf8' });
    if (status !== 0) throw new Error(`domctl ${args.join(' ')}: ${stderr}${stdout}`);
  };
  domctl('daemon', 'start');
  const client = new Client(at('run/domctld.sock'));
  const { pid } = await client.version();
  atEnd(async () => {
    for (const { name, state } of await client.list())
      if (state !== 'shut off') await client.destroy(name, { wait: 'off', timeoutMs: 20_000 });
    await client.stopDaemon();
    await until('the daemon has ended', () => !readdirSync('/proc').includes(String(pid)));
  });
  return { client, scratch };
}

/** The daemon's own CPU time since its start, microseconds. */
export async function daemonUs({ client }: Domctl): Promise<number> {
  const { pid } = await client.version();
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]!.split(' ');
  return (Number(fields[11]) + Number(fields[12])) * 10_000;
}

/** `killed`: not destroy, but its hypervisor killed beneath it, as by a crash. */
export function domctl(options: { policy: string; killed?: boolean }, { client, scratch }: Domctl): Contender {
  const { policy, killed = false } = options;
  const name = `d-${policy}${killed ? '-killed' : ''}`;
  const image = makeImage(join(scratch, `${name}.raw`));
  const metadata = `<policy xmlns='urn:domctl:policy:1' name='${policy}'/>`;
  const define = async (guest: Guest): Promise<unknown> =>
    client.define({ file: name, xml: guestXml({ name, image, guest, metadata }) });
  const isOff = async (): Promise<boolean> => (await client.info(name)).state === 'shut off';
  const start = async (guest: Guest): Promise<Live> => {
    await define(guest);
    await client.start(name, { paused: true });
    const { pid } = await client.info(name);
    if (pid === null) throw new Error(`${name} has no hypervisor`);
    return {
      pid,
      image,
      stop: killed
        ? async () => kill(pid, client, name)
        : async () => void (await client.destroy(name, { wait: 'off' })),
      prepareRestart: async () => void (await define({ ...guest, touched: false })),
      restart: async () => {
        const began = nowMs();
        await client.destroy(name, {});
        const freed = nowMs();
        await client.start(name, { force: true });
        restarts.push({ gib: guest.gib, destroyMs: freed - began, startMs: nowMs() - freed });
      },
      clear: async () => {
        if (!(await isOff())) await client.destroy(name, { wait: 'off' });
        await until('nothing is left', async () => (await client.info(name)).incarnations.length === 0);
      },
    };
  };
  return { name: `domctl ${policy}${killed ? ', hypervisor killed' : ''}`, start };
}

/** The two parts of each restart. */
export const restarts: { gib: number; destroyMs: number; startMs: number }[] = [];

/** Hears that it is off: who asks again and again takes processor time that the free needs. */
async function kill(pid: number, client: Client, name: string): Promise<void> {
  const ending = new AbortController();
  const pidfd = pidfdOpen(pid);
  const query = { domain: name, events: ['released'], sinceMs: Date.now(), follow: true };
  const released = followEvents(client, query, { signal: ending.signal }).next();
  pidfdSignal(pidfd, constants.signals.SIGKILL);
  closeFd(pidfd);
  await released;
  ending.abort();
}
