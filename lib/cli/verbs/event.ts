import { once } from 'node:events';
import { followEvents } from '../../client/events.ts';
import type { DomainEvent, EventGap, EventQuery } from '../../client/contract.ts';
import { eventNames } from '../../domain/events.ts';
import { DomctlError } from '../../errors.ts';
import { parseDuration } from '../../policy/values.ts';
import { type Context, defineVerb } from '../command.ts';
import { durationOption } from '../options.ts';
import { renderEvent, renderTime } from '../render/event.ts';

const interruptedExit = 130;

export const event = defineVerb({
  usage: 'event [domain]',
  describe: 'Print what happens to domains, or what happened: the first event, or all with --loop',
  examples: [
    ['domctl event --loop', 'everything, until Ctrl-C; goes on when the daemon is restarted'],
    ['domctl event db1 --since 12h', 'what happened to db1 last night'],
    ['domctl event db1 --event released --timeout 5m', 'wait until all of its memory is back'],
  ],
  build: (yargs) =>
    yargs
      .positional('domain', { type: 'string', describe: 'Name, UUID or id; all domains without' })
      .option('event', {
        type: 'string',
        requiresArg: true,
        coerce: namesOf,
        describe: 'Only events of this name; may be given more than once',
      })
      .option('all', { type: 'boolean', describe: 'Events of every name (as without --event)' })
      .option('loop', { type: 'boolean', default: false, describe: 'Go on after the first event' })
      .option('timeout', { type: 'string', requiresArg: true, describe: 'End after DUR (a plain number: seconds)' })
      .option('timestamp', { type: 'boolean', describe: 'Begin each line with the time; history does anyway' })
      .option('list', { type: 'boolean', default: false, describe: 'Print the names of all events' })
      .option('since', {
        type: 'string',
        requiresArg: true,
        describe:
          'What is recorded: since 12h ago, since a time, or after the event with an id; goes on only with --loop',
      })
      .conflicts('all', 'event'),
  async run(options, context) {
    if (options.list) return listNames(context);
    const since = options.since === undefined ? null : parseSince(options.since, Date.now());
    const timeoutMs = timeoutOption(options.timeout);
    const { domain, event: events, loop } = options;
    const query: EventQuery = { domain, events, ...since, follow: since === null || loop };
    const client = await context.connect();
    const ending = new Ending(timeoutMs);
    const printer = new Printer(context, options.timestamp ?? since !== null);
    const stream = followEvents(client, query, {
      signal: ending.signal,
      onLost: (lost) => context.warn(lost ? 'warning: the daemon is gone; waiting for it' : 'the daemon is back'),
    });
    await printAll(stream, printer, { onlyOne: query.follow === true && !loop, signal: ending.signal });
    return finish(ending, printer.count, since !== null, context);
  },
});

async function printAll(
  stream: AsyncIterable<DomainEvent | EventGap>,
  printer: Printer,
  { onlyOne, signal }: { onlyOne: boolean; signal: AbortSignal },
): Promise<void> {
  for await (const one of stream) {
    if (signal.aborted) return;
    await printer.print(one);
    if (onlyOne && printer.count > 0) return;
  }
}

/** virsh's last lines and exit code; a history without events is an answer too. */
function finish(ending: Ending, count: number, history: boolean, context: Context): number {
  ending.clear();
  if (ending.why !== null) context.say(`event loop ${ending.why}`);
  context.say(`events received: ${count}`);
  if (ending.why === 'interrupted') return interruptedExit;
  return count > 0 || (history && ending.why === null) ? 0 : 1;
}

function listNames(context: Context): number {
  for (const name of eventNames) context.say(name);
  context.answer(eventNames);
  return 0;
}

/** Why it ends before its time: the deadline, or Ctrl-C. */
class Ending {
  why: 'timed out' | 'interrupted' | null = null;
  readonly #controller = new AbortController();
  readonly #timer: NodeJS.Timeout | undefined;

  constructor(timeoutMs: number | undefined) {
    this.#timer = timeoutMs === undefined ? undefined : setTimeout(() => this.#end('timed out'), timeoutMs);
    // Nothing was asked of the daemon that could go on: the number of events is the last word, as in virsh.
    process.removeAllListeners('SIGINT');
    process.once('SIGINT', () => this.#end('interrupted'));
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  clear(): void {
    clearTimeout(this.#timer);
  }

  #end(why: 'timed out' | 'interrupted'): void {
    this.why = why;
    this.#controller.abort();
  }
}

class Printer {
  count = 0;
  readonly #context: Context;
  readonly #timestamps: boolean;

  constructor(context: Context, timestamps: boolean) {
    this.#context = context;
    this.#timestamps = timestamps;
  }

  /** One line; a reader that is slow is waited for. */
  async print(one: DomainEvent | EventGap): Promise<void> {
    this.#context.answer(one);
    if (one.event === 'gap') this.#context.warn(gapText(one as EventGap));
    else {
      const event = one as DomainEvent;
      const time = this.#timestamps ? `${renderTime(event.atMs)}: ` : '';
      this.#context.say(time + renderEvent(event));
      this.count += 1;
    }
    if (process.stdout.writableNeedDrain) await once(process.stdout, 'drain');
  }
}

function gapText({ afterId, nextId }: EventGap): string {
  return afterId + 1 < nextId
    ? `warning: events ${afterId + 1} to ${nextId - 1} are not kept any more`
    : `warning: event ${afterId} is not known here; the last is ${nextId - 1}`;
}

function namesOf(value: string | readonly string[] | undefined): string[] | undefined {
  if (value === undefined) return undefined;
  const names = [value].flat().flatMap((list) => list.split(','));
  const unknown = names.find((name) => !(eventNames as readonly string[]).includes(name));
  if (unknown === undefined) return names;
  throw new DomctlError('USAGE', `unknown event type ${unknown}`, { hint: "'domctl event --list' shows them" });
}

/** virsh's plain number is seconds. */
function timeoutOption(value: string | undefined): number | undefined {
  return durationOption('timeout', value !== undefined && /^\d+$/.test(value) ? `${value}s` : value);
}

/** `12h`, an id, or a time that JavaScript reads, without a zone in this host's. Throws USAGE. */
export function parseSince(text: string, nowMs: number): { since: number } | { sinceMs: number } {
  if (/^\d+$/.test(text)) return { since: Number(text) };
  const agoMs = parseDuration(text);
  if (agoMs !== null) return { sinceMs: Math.max(0, nowMs - agoMs) };
  const atMs = /^\d{4}-\d\d-\d\d/.test(text) ? Date.parse(text.replace(/([+-]\d\d)(\d\d)$/, '$1:$2')) : Number.NaN;
  if (Number.isFinite(atMs) && atMs >= 0) return { sinceMs: Math.floor(atMs) };
  throw new DomctlError('USAGE', `--since: '${text}' is no duration, time or id`, {
    hint: "as in 12h, '2026-11-20 23:10' or 4711",
  });
}
