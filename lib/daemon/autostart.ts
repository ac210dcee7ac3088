/** Domains marked for it are started once after each boot of the host, by whichever daemon comes up first. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { refusedAutostart } from '../domain/events.ts';
import { asDomctlError, isErrno } from '../errors.ts';
import { readBootId } from '../host/inventory.ts';
import type { Entry, Fleet } from './fleet.ts';
import { writeDurably } from './durable.ts';
import type { Metrics } from './metrics.ts';
import type { Starter } from './starting.ts';
import type { Services } from './supervisor.ts';

/** What an autostart needs beside the domains. */
export interface AutostartParts {
  readonly starter: Starter;
  readonly services: Services;
  readonly metrics: Metrics;
}

/** Starts them by name, one after the other; a refusal is told, counted and logged, and keeps none of the others waiting. */
export async function autostart(fleet: Fleet, parts: AutostartParts): Promise<void> {
  const { services } = parts;
  try {
    if (!(await isFirstOfBoot(services.places.stateDir))) return;
  } catch (error) {
    services.log.error({ err: error }, 'autostart');
    return;
  }
  const entries = fleet.entries.filter((entry) => entry.autostart);
  for (const entry of entries.toSorted((a, b) => (a.name < b.name ? -1 : 1))) await startOne(entry, parts);
}

async function startOne({ name, definition }: Entry, { starter, services, metrics }: AutostartParts): Promise<void> {
  try {
    await starter.start(name, {
      ...{ force: false, dryRun: false, wait: false, paused: false, timeoutMs: undefined },
      requester: { uid: null, pid: null },
      signal: new AbortController().signal,
    });
  } catch (error) {
    services.log.error({ domain: name, err: error }, 'autostart');
    metrics.refused('start', error);
    const { code, message } = asDomctlError(error);
    const about = { domain: name, uuid: definition?.uuid ?? '', incarnation: null };
    services.events.publish({ ...about, ...refusedAutostart(code, message) });
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
