/** The command line: verbs to yargs, failures to exit codes. The entry has answered --version before this is loaded. */
import yargs, { type Argv } from 'yargs';
import { connectOrStart } from '../client/autostart.ts';
import type { Client } from '../client/client.ts';
import { errorEnvelope } from '../client/envelope.ts';
import { DomctlError } from '../errors.ts';
import { placeVariables } from '../places.ts';
import { version as ownVersion } from '../version.ts';
import { type Context, report, type Verb } from './command.ts';
import { completionFlag, namesFor } from './completion.ts';
import type { AnyVerb } from './manual.ts';
import { fixArguments, placesFromFlags } from './options.ts';
import { asEscapes, printable } from './printable.ts';
import { autostart } from './verbs/autostart.ts';
import { create } from './verbs/create.ts';
import { console as consoleVerb } from './verbs/console.ts';
import { completion } from './verbs/completion.ts';
import { daemon } from './verbs/daemon.ts';
import { define } from './verbs/define.ts';
import { destroy } from './verbs/destroy.ts';
import { doctor } from './verbs/doctor.ts';
import { domid, domname, domuuid } from './verbs/domid.ts';
import { domblklist } from './verbs/domblklist.ts';
import { domiflist } from './verbs/domiflist.ts';
import { dominfo } from './verbs/dominfo.ts';
import { domstate } from './verbs/domstate.ts';
import { domstats } from './verbs/domstats.ts';
import { domxmlToNative } from './verbs/domxml-to-native.ts';
import { drain } from './verbs/drain.ts';
import { dumpxml } from './verbs/dumpxml.ts';
import { edit } from './verbs/edit.ts';
import { event } from './verbs/event.ts';
import { forceStart } from './verbs/force-start.ts';
import { guests } from './verbs/guests.ts';
import { list } from './verbs/list.ts';
import { reboot } from './verbs/reboot.ts';
import { qemuMonitorCommand } from './verbs/qemu-monitor-command.ts';
import { recover } from './verbs/recover.ts';
import { reset } from './verbs/reset.ts';
import { nodeinfo } from './verbs/nodeinfo.ts';
import { policy } from './verbs/policy.ts';
import { resources } from './verbs/resources.ts';
import { resume } from './verbs/resume.ts';
import { setmem } from './verbs/setmem.ts';
import { simulate } from './verbs/simulate.ts';
import { shutdown } from './verbs/shutdown.ts';
import { start } from './verbs/start.ts';
import { suspend } from './verbs/suspend.ts';
import { undefine } from './verbs/undefine.ts';
import { version } from './verbs/version.ts';

const help =
  'domctl: virtual machines by libvirt XML, and the truth about their memory.\n\nUsage: $0 <command> [options]';
const epilogue = [
  'Exit codes: 0 ok, 1 failed, 2 usage, 3 no such domain, 4 refused by state,',
  '5 only draining memory stands in the way, 6 memory short or policy forbids,',
  '7 invalid XML or policy, 8 the host lacks something, 9 no daemon, 10 deadline passed, 130 interrupted.',
].join('\n');

/** yargs' own sentence counts arguments; people ask which one is missing. */
const missing = 'an argument is missing: got %s, need at least %s';
// Plural forms are taken, although the types know only plain strings.
const strings = { 'Not enough non-option arguments: got %s, need at least %s': { one: missing, other: missing } };

const interrupted = new DomctlError('INTERRUPTED', 'interrupted; what the daemon was asked to do goes on');

/** Runs one command line; resolves with its exit code. */
export async function main(args: readonly string[]): Promise<number> {
  const json = args.includes('--json');
  // Ctrl-C ends the wait, not the operation: what the daemon was asked to do goes on, but for a start that is queued.
  process.once('SIGINT', () => {
    if (json) process.stdout.write(`${JSON.stringify(errorEnvelope(interrupted))}\n`);
    process.exit(interrupted.exit);
  });
  try {
    if (args[0] === completionFlag) return await printCompletions(args.slice(1));
    return await runVerb(args);
  } catch (error) {
    return report(error, json);
  }
}

async function runVerb(args: readonly string[]): Promise<number> {
  let exit = 0;
  await makeParser(args, (code) => {
    exit = code;
  }).parseAsync();
  return exit;
}

/** One word a line for what is typed; the last word is the unfinished one, the first is `domctl`. */
async function printCompletions(words: readonly string[]): Promise<number> {
  const typed = words.slice(1, -1);
  const [current = ''] = words.slice(-1);
  const usage = allVerbs().find(({ usage }) => typed.includes(verbOf(usage)))?.usage ?? '';
  const names = current.startsWith('-') ? [] : await namesFor(usage, typed, placesFromFlags({}));
  process.stdout.write(printable(names.map((name) => `${escapeForShell(name)}\n`).join('')));
  // Where names belong, options are not offered before a dash is typed. yargs prints what it finds itself.
  if (names.length === 0) await makeParser([completionFlag, ...words], () => undefined).parseAsync();
  return 0;
}

/** In zsh a description would follow a colon. */
function escapeForShell(name: string): string {
  return process.env['SHELL']?.endsWith('zsh') ? name.replaceAll(':', '\\:') : name;
}

function makeParser(args: readonly string[], finish: (exit: number) => void): Argv {
  const parser = yargs(fixArguments(args))
    .scriptName('domctl')
    .usage(help)
    .epilogue(epilogue)
    .version(ownVersion)
    .option('json', {
      type: 'boolean',
      default: false,
      describe: 'Print the answer, or the failure, as JSON',
      global: true,
    })
    .strict()
    .demandCommand(1, 'which command?')
    .recommendCommands()
    .updateStrings(strings as unknown as Record<string, string>)
    .help()
    .alias('help', 'h')
    .wrap(process.stdout.isTTY ? Math.min(120, process.stdout.columns) : 100)
    .exitProcess(false)
    .fail((message: string | null, error: Error | undefined) => {
      if (error instanceof Error && error.name !== 'YError') throw error;
      throw new DomctlError('USAGE', oneLine(message ?? error?.message ?? 'not a command'), {
        hint: "'domctl --help' lists commands, 'domctl COMMAND --help' its options",
      });
    });
  keepHelpForWhoAsks(parser);
  addPlaces(parser);
  const add = <Options>(verb: Verb<Options>): Argv =>
    parser.command({
      command: verb.usage,
      describe: verb.describe,
      builder: (argv: Argv) =>
        verb.examples.reduce((built, [command, says]) => built.example(command, says), verb.build(argv)),
      handler: async (options: unknown) => {
        finish(await verb.run(options as Options, makeContext(options as Record<string, unknown>)));
      },
    } as never);
  addVerbs(add);
  return parser;
}

/** yargs lays out the help of every command that it runs, lest that fail: it takes longer than most of our commands, and none shows it. */
function keepHelpForWhoAsks(parser: Argv): void {
  const internal = parser as unknown as {
    getInternalMethods(): { getUsageInstance(): { cacheHelpMessage(): void } };
  };
  internal.getInternalMethods().getUsageInstance().cacheHelpMessage = () => undefined;
}

function verbOf(usage: string): string {
  return usage.split(' ')[0] ?? '';
}

/** Every verb, without the type of its options. */
export function allVerbs(): AnyVerb[] {
  const verbs: AnyVerb[] = [];
  addVerbs((verb) => verbs.push(verb));
  return verbs;
}

/** yargs spreads some sentences over lines. */
function oneLine(text: string): string {
  return text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '')
    .join(' ');
}

/** Each in its own type: no list of verbs can hold them all. */
function addVerbs(add: <Options>(verb: Verb<Options>) => unknown): void {
  add(define);
  add(undefine);
  add(list);
  add(dumpxml);
  add(domxmlToNative);
  add(edit);
  add(start);
  add(forceStart);
  add(shutdown);
  add(destroy);
  add(consoleVerb);
  add(domstate);
  add(dominfo);
  add(domid);
  add(domuuid);
  add(domname);
  add(domstats);
  add(domblklist);
  add(domiflist);
  add(nodeinfo);
  add(resources);
  add(simulate);
  add(drain);
  add(event);
  add(policy);
  add(doctor);
  add(guests);
  add(daemon);
  add(version);
  add(create);
  add(reboot);
  add(reset);
  add(suspend);
  add(resume);
  add(setmem);
  add(qemuMonitorCommand);
  add(autostart);
  add(recover);
  add(completion);
}

function addPlaces(parser: Argv): void {
  for (const [key, variable] of Object.entries(placeVariables)) {
    parser.option(flagOf(key), {
      type: 'string',
      requiresArg: true,
      global: true,
      group: 'Places:',
      describe: `instead of $${variable}`,
    });
  }
}

function flagOf(key: string): string {
  return key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

function makeContext(flags: Readonly<Record<string, unknown>>): Context {
  const places = placesFromFlags(flags);
  const json = flags['json'] === true;
  let client: Promise<Client> | null = null;
  return {
    places,
    json,
    connect: async () => (client ??= connectOrStart(places)),
    say: (line) => {
      if (!json) process.stdout.write(`${printable(line)}\n`);
    },
    answer: (value) => {
      if (json) process.stdout.write(`${asEscapes(JSON.stringify(value))}\n`);
    },
    warn: (line) => {
      process.stderr.write(`${printable(line)}\n`);
    },
  };
}
