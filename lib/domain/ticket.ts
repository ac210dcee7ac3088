/** A start that waits for its turn, as it is remembered: an admission that is still to come. */
import type { Requester } from './incarnation.ts';

export interface Ticket {
  /** Order of the queue: grows, and is never used again while the queue is remembered. */
  readonly number: number;
  readonly domain: string;
  readonly uuid: string;
  /** Of the boot it was queued in: no other one serves it. */
  readonly bootId: string;
  readonly force: boolean;
  readonly paused: boolean;
  /** Set aside for it, in bytes. */
  readonly promisedBytes: number;
  readonly sinceMs: number;
  /** When it gives up; null: never. */
  readonly deadlineMs: number | null;
  readonly requester: Requester;
}

/** How the wait of a ticket ended. */
export type TicketEnd = 'started' | 'refused' | 'cancelled' | 'timed out';
