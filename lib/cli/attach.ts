/** This terminal, or a pipe, as a guest's console: until the escape character, the end of input, or the end of the guest. */
import type { Duplex } from 'node:stream';
import type { Client } from '../client/client.ts';
import { openConsole, type ConsoleConnection, type ConsoleRequest } from '../client/console.ts';
import { DomctlError } from '../errors.ts';
import { rawTerminal } from './terminal.ts';

export interface AttachOptions extends ConsoleRequest {
  /** As `^]` or a character alone; absent: `^]`. */
  readonly escape?: string | undefined;
  /** Lets a guest that stands still go on once it is connected, or cannot be. */
  readonly resume?: boolean;
}

const usualEscape = '^]';

/** Nobody who wants to leave waits longer for a guest that reads nothing. */
const leavesWithinMs = 1000;

/**
 * Attaches to the domain's console and resolves with the exit code once it has ended or was left; the guest goes on.
 * Throws USAGE for an escape that is none, WRONG_STATE when somebody is connected or took it over, DOMAIN_NOT_RUNNING.
 */
export async function attachConsole(client: Client, domain: string, options: AttachOptions): Promise<number> {
  const escape = parseEscape(options.escape ?? usualEscape);
  const letGo = async (): Promise<unknown> => (options.resume ? client.guest(domain, 'resume') : null);
  const connection = await openConsole(client, domain, options).catch(async (error: unknown) => {
    await letGo();
    throw error;
  });
  process.stdout.write(`Connected to domain '${connection.domain}'\nEscape character is ${escape.words}\n`);
  const restore = rawTerminal();
  try {
    const relayed = relay(connection.stream, escape.byte);
    await letGo();
    const left = await relayed;
    restore();
    process.stdout.write('\n');
    if (!left) process.stdout.write(`${await sayEnd(client, connection)}\n`);
    return 0;
  } finally {
    restore();
    connection.stream.destroy();
    process.stdin.destroy();
  }
}

/** Throws USAGE: an answer in JSON and a console are not printed to one place. */
export function refuseJsonConsole(console: boolean, json: boolean): void {
  if (console && json) throw new DomctlError('USAGE', '--console and --json exclude each other');
}

/** `^]` is the control character of `]`. Throws USAGE. */
function parseEscape(text: string): { readonly byte: number; readonly words: string } {
  const control = /^\^([@-_a-z])$/.exec(text)?.[1];
  if (control !== undefined) {
    const letter = control.toUpperCase();
    return { byte: letter.charCodeAt(0) ^ 0x40, words: `^${letter} (Ctrl + ${letter})` };
  }
  if (/^[\x20-\x7e]$/.test(text)) return { byte: text.charCodeAt(0), words: text };
  throw new DomctlError('USAGE', `--escape: '${text}' is no escape character`, { hint: 'as in ^] or ~' });
}

/** Bytes both ways, each side as fast as the other takes them; true when it was left from here. */
async function relay(stream: Duplex, escape: number): Promise<boolean> {
  const { stdin, stdout } = process;
  return new Promise((resolve) => {
    let left = false;
    const leave = (): void => {
      left = true;
      stdin.pause();
      stream.end();
    };
    stream.on('error', () => undefined); // its close follows
    stream.once('end', () => stream.end());
    stream.once('close', () => resolve(left));
    stream.pipe(stdout, { end: false });
    stdin.on('data', (chunk: Buffer) => {
      if (left) return;
      const end = chunk.indexOf(escape);
      const isTaken = stream.write(end < 0 ? chunk : chunk.subarray(0, end));
      if (end >= 0) {
        leave();
        // The daemon ends it when the guest has all that was typed; closed before, with output unread, that may be lost.
        setTimeout(() => stream.destroy(), leavesWithinMs).unref();
      } else if (!isTaken) {
        stdin.pause();
        stream.once('drain', () => stdin.resume());
      }
    });
    stdin.once('end', leave);
  });
}

const guestWords = new Set(['starting', 'running', 'paused', 'in shutdown', 'crashed', 'pmsuspended']);

/** Why it ended. Throws WRONG_STATE when the guest is still there: then somebody else has its console. */
async function sayEnd(client: Client, { domain, incarnation }: ConsoleConnection): Promise<string> {
  const info = await client.info(domain).catch((error: unknown) => {
    if (error instanceof DomctlError && error.code === 'NO_SUCH_DOMAIN') return null;
    throw error;
  });
  if (!info) return `Domain '${domain}' has ended`;
  if (info.id !== incarnation || !guestWords.has(info.state))
    return `Domain '${domain}' has ended: it is ${info.state} (${info.reason})`;
  throw new DomctlError('WRONG_STATE', `the console of domain '${domain}' was taken over, or closed by its hypervisor`);
}
