/**
 * Every running guest shut down before the host is: asked side by side, waited for until one deadline, counted anew at the
 * end. What has only memory left to give back needs no waiting for. Nothing is ended unless told to.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Client } from '../client/client.ts';
import type { DomainRow } from '../client/contract.ts';
import { messageOf } from '../errors.ts';
import { formatElapsed } from '../format.ts';

/** How the guests are to end. */
export interface StopGuests {
  /** For all of them together. */
  readonly timeoutMs: number;
  /** How many are asked at a time; 0: all. */
  readonly parallel: number;
  readonly onTimeout: 'leave' | 'destroy';
}

/** Names of the guests that ended, and of those that did not. */
export interface StoppedGuests {
  readonly stopped: readonly string[];
  readonly remaining: readonly string[];
}

const noteEveryMs = 10_000;
const lookEveryMs = 100;

/** Words of domains that need no end: nothing of them runs. */
const ended: ReadonlySet<string> = new Set(['shut off', 'draining']);
/** Guests that can be asked; `in shutdown` was, and is waited for. */
const listening: ReadonlySet<string> = new Set(['running', 'in shutdown']);
/** On their way to a word that can be acted on. */
const passing: ReadonlySet<string> = new Set(['starting', 'exiting']);

type Say = (line: string) => void;

/** Shuts them down; a guest that cannot hear, or does not in time, is left or destroyed as ordered. Says a line for each. */
export async function stopGuests(client: Client, order: StopGuests, say: Say): Promise<StoppedGuests> {
  const deadlineMs = performance.now() + order.timeoutMs;
  const guests = await liveGuests(client);
  say(guests.length === 0 ? 'No guest is running' : `Shutting down ${listOf(guests)}`);
  const pending = new Set(guests);
  const timer = setInterval(() => say(waitingNote([...pending], deadlineMs)), noteEveryMs);
  try {
    await inTurns(guests, order.parallel, async (guest) => {
      say(await endOf(client, guest, deadlineMs));
      pending.delete(guest);
    });
  } finally {
    clearInterval(timer);
  }
  if (order.onTimeout === 'destroy') await destroyAll(client, say);
  // Who is asked may lie, and others may have been started meanwhile: what counts is what there is now.
  const remaining = (await liveGuests(client)).map(({ name }) => name);
  return { stopped: guests.map(({ name }) => name).filter((name) => !remaining.includes(name)), remaining };
}

async function liveGuests(client: Client): Promise<DomainRow[]> {
  return (await client.list()).filter(({ state }) => !ended.has(state));
}

/** Asks one guest and waits for it; the sentence says how that went. Fails for no reason: others are waited for. */
async function endOf(client: Client, guest: DomainRow, deadlineMs: number): Promise<string> {
  const began = performance.now();
  try {
    const state = await settled(client, guest, deadlineMs);
    if (ended.has(state)) return `'${guest.name}' has ended`;
    if (!listening.has(state)) return `'${guest.name}' is ${state}: it cannot be asked`;
    const timeoutMs = Math.floor(deadlineMs - performance.now());
    if (timeoutMs <= 0) return `'${guest.name}' was not asked: no time is left`;
    await client.shutdown(referenceOf(guest), { wait: 'freed', timeoutMs });
    return `'${guest.name}' shut down after ${formatElapsed(performance.now() - began)}`;
  } catch (error) {
    // One that ends in the moment in which it is asked does not answer.
    const now = await settled(client, { ...guest, state: 'exiting' }, deadlineMs).catch(() => guest.state);
    return ended.has(now) ? `'${guest.name}' has ended` : `'${guest.name}': ${messageOf(error)}`;
  }
}

/** The guest's word once it is one that lasts, or at the deadline. */
async function settled(client: Client, guest: DomainRow, deadlineMs: number): Promise<string> {
  for (let { state } = guest; ; ) {
    if (!passing.has(state) || performance.now() > deadlineMs) return state;
    await sleep(lookEveryMs);
    const now = (await client.list()).find(({ id, uuid }) => uuid === guest.uuid && id === guest.id);
    state = now?.state ?? 'shut off';
  }
}

async function destroyAll(client: Client, say: Say): Promise<void> {
  const guests = await liveGuests(client);
  const destroy = async (guest: DomainRow): Promise<void> => {
    const line = await client.destroy(referenceOf(guest), { wait: 'freed' }).then(() => 'destroyed', messageOf);
    say(`'${guest.name}': ${line}`);
  };
  await Promise.all(guests.map(destroy));
}

/** An incarnation by its number: a guest that was started anew meanwhile is another one. */
function referenceOf({ id, uuid }: DomainRow): string {
  return id === null ? uuid : String(id);
}

/** All of them, no more than `parallel` at a time. */
async function inTurns<T>(all: readonly T[], parallel: number, work: (one: T) => Promise<void>): Promise<void> {
  const waiting = [...all];
  const lane = async (): Promise<void> => {
    for (let one = waiting.shift(); one !== undefined; one = waiting.shift()) await work(one);
  };
  await Promise.all(Array.from({ length: parallel === 0 ? all.length : parallel }, lane));
}

function waitingNote(guests: readonly DomainRow[], deadlineMs: number): string {
  return `Waiting for ${listOf(guests)}; ${formatElapsed(Math.max(0, deadlineMs - performance.now()))} left`;
}

function listOf(guests: readonly DomainRow[]): string {
  const names = guests.map(({ name, id }) => `'${name}' (Id ${id ?? '-'})`).join(', ');
  return `${guests.length} ${guests.length === 1 ? 'guest' : 'guests'}: ${names}`;
}
