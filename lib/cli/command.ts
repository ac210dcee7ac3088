/** What every verb shares: its shape for yargs, the answer as text or JSON, failures as `error:` and `hint:` lines. */
import type { Argv } from 'yargs';
import type { Client } from '../client/client.ts';
import { asDomctlError, type DomctlError } from '../errors.ts';
import { errorEnvelope } from '../client/envelope.ts';
import type { Places } from '../places.ts';
import { asEscapes, printable } from './printable.ts';

/** What a verb works with. */
export interface Context {
  readonly places: Places;
  readonly json: boolean;
  /** A client of the daemon, started where needed. */
  connect(): Promise<Client>;
  /** A line on stdout, unless JSON was asked for. */
  say(line: string): void;
  /** The answer: as JSON with --json, else nothing. */
  answer(value: unknown): void;
  /** A line on stderr. */
  warn(line: string): void;
}

/** One verb: `describe` is its line in the help; `run` resolves with the exit code. */
export interface Verb<Options> {
  readonly usage: string;
  readonly describe: string;
  readonly examples: readonly (readonly [command: string, says: string])[];
  build(yargs: Argv): Argv<Options>;
  run(options: Options, context: Context): Promise<number>;
}

export function defineVerb<Options>(verb: Verb<Options>): Verb<Options> {
  return verb;
}

/** Prints a failure: `error:` and `hint:` on stderr, the envelope on stdout with --json. Returns the exit code. */
export function report(error: unknown, json: boolean): number {
  const failure = asDomctlError(error);
  if (json) process.stdout.write(`${asEscapes(JSON.stringify(errorEnvelope(failure)))}\n`);
  process.stderr.write(describeFailure(failure));
  return failure.exit;
}

export function describeFailure(failure: DomctlError): string {
  const hint = failure.hint === null ? '' : `hint: ${failure.hint}\n`;
  return printable(`error: ${failure.message}\n${hint}`);
}

/** Several domains, one line each: the worst exit code wins, and one failure does not keep the others waiting. */
export async function forEachDomain(
  domains: readonly string[],
  context: Context,
  run: (domain: string) => Promise<number>,
): Promise<number> {
  const codes: number[] = [];
  for (const domain of domains) {
    try {
      codes.push(await run(domain));
    } catch (error) {
      codes.push(report(error, context.json));
    }
  }
  return Math.max(0, ...codes);
}
