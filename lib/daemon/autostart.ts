/** Domains marked for it are started once after each boot of the host, by whichever daemon comes up first. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isErrno } from '../errors.ts';
import { readBootId } from '../host/inventory.ts';
import type { Fleet } from './fleet.ts';
import { writeDurably } from './journal.ts';
import type { Starter } from './starting.ts';
import type { Services } from './supervisor.ts';

/** Starts them by name, one after the other; a refusal is logged and keeps none of the others waiting. */
export async function autostart(fleet: Fleet, starter: Starter, services: Services): Promise<void> {
  try {
    if (!(await isFirstOfBoot(services.places.stateDir))) return;
  } catch (error) {
    services.log.error({ err: error }, 'autostart');
    return;
  }
  const names = fleet.entries.filter((entry) => entry.autostart).map(({ name }) => name);
  for (const name of names.toSorted()) await startOne(name, starter, services);
}

async function startOne(name: string, starter: Starter, { log }: Services): Promise<void> {
  try {
    await starter.start(name, {
      ...{ force: false, dryRun: false, wait: false, paused: false, timeoutMs: undefined },
      requester: { uid: null, pid: null },
      signal: new AbortController().signal,
    });
  } catch (error) {
    log.error({ domain: name, err: error }, 'autostart');
  }
}

/** Remembered before the first is started: a daemon that dies over one must not try it for ever. */
async function isFirstOfBoot(stateDir: string): Promise<boolean> {
  const path = join(stateDir, 'autostarted');
  const bootId = readBootId();
  const last = await readFile(path, 'utf8').catch((error: unknown) => {
    if (isErrno(error, 'ENOENT')) return null;
    throw error;
  });
  if (last === bootId) return false;
  await writeDurably(path, bootId);
  return true;
}
