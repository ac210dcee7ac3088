/** domctl, driven by its client over its socket. */
import { constants } from 'node:os';
import { join } from 'node:path';
import type { Client } from '../../../lib/client/client.ts';
import { followEvents } from '../../../lib/client/events.ts';
import { closeFd, pidfdOpen, pidfdSignal } from '../../../native/index.ts';
import { type Daemon, startDaemon } from '../daemon.ts';
import { type Contender, type Live, nowMs, until } from './contender.ts';
import { type Guest, guestXml, makeImage } from './guest.ts';

const policies: Readonly<Record<string, object>> = {
  fast: { teardown: { helper: 'preload', mode: 'fast', minimumSize: '1MiB' } },
  gentle: { teardown: { helper: 'preload', mode: 'gentle', minimumSize: '1MiB' } },
  none: { teardown: { helper: 'none' } },
};

/** With a policy for each way of teardown. */
export async function startDomctl(scratch: string): Promise<Daemon> {
  return startDaemon(scratch, { policies });
}

/** `killed`: not destroy, but its hypervisor killed beneath it, as by a crash. */
export function domctl(options: { policy: string; killed?: boolean }, { client, directory }: Daemon): Contender {
  const { policy, killed = false } = options;
  const name = `d-${policy}${killed ? '-killed' : ''}`;
  const image = makeImage(join(directory, `${name}.raw`));
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
