/** What is compared: anything that can start a guest, stop it and say that it is off. */
import type { Guest } from './guest.ts';

export interface Contender {
  /** As in the tables. */
  readonly name: string;
  start(guest: Guest): Promise<Live>;
}

export interface Live {
  /** Of the hypervisor. */
  readonly pid: number;
  readonly image: string;
  /** Asks for the end; resolves when the contender says that the guest is off. */
  stop(): Promise<void>;
  /** Redefines it with memory that nobody touches, for the next start. */
  prepareRestart(): Promise<void>;
  /** Ends the guest and starts its next incarnation; resolves when its vCPUs run. */
  restart(): Promise<void>;
  /** After all memory is back: puts away what is left. */
  clear(): Promise<void>;
}

/** Milliseconds on CLOCK_MONOTONIC. */
export function nowMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}

/** Looks every `pauseMs` until `isThere`; throws after half a minute. */
export async function until(what: string, isThere: () => boolean | Promise<boolean>, pauseMs = 5): Promise<void> {
  const end = nowMs() + 30_000;
  while (!(await isThere())) {
    if (nowMs() > end) throw new Error(`not within 30 s: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, pauseMs));
  }
}
