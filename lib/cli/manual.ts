/**
 * domctl(1) as roff, from the same definitions as --help: a section a verb, with what its `build` declares. Pure but for the
 * declarations themselves; must not know yargs beyond its `option` and `positional`.
 */
import type { Argv } from 'yargs';
import { placeVariables } from '../places.ts';
import { version } from '../version.ts';
import type { Verb } from './command.ts';

/** What a verb declares of one option or positional. */
interface Declared {
  readonly name: string;
  readonly positional: boolean;
  readonly type?: string;
  readonly describe?: string;
  readonly choices?: readonly unknown[];
  readonly default?: string | number | boolean;
  readonly defaultDescription?: string;
  readonly hidden?: boolean;
}

/** Any verb, whatever its options. */
export type AnyVerb = Pick<Verb<never>, 'usage' | 'describe' | 'examples'> & { build(yargs: Argv): unknown };

const exits: readonly (readonly [code: string, meaning: string])[] = [
  ['0', 'done'],
  ['1', 'failed'],
  ['2', 'usage'],
  ['3', 'no such domain'],
  ['4', 'refused by state'],
  ['5', 'only draining memory stands in the way'],
  ['6', 'memory short without draining, or the policy forbids it'],
  ['7', 'invalid XML or policy'],
  ['8', 'the host lacks something; the remedy is named'],
  ['9', 'no daemon, or it went away'],
  ['10', 'the deadline passed; nothing was undone'],
  ['130', 'interrupted; what was asked goes on'],
];

const files: readonly (readonly [path: string, meaning: string])[] = [
  ['/etc/domctl/host.yaml', 'what the host allows and reserves'],
  ['/etc/domctl/policies/NAME.yaml', 'policies; one of a shipped name replaces that'],
  ['/etc/default/domctl-guests', 'how guests are shut down with the host'],
  ['/var/lib/domctl', 'definitions and the journal'],
  ['/run/domctl/domctld.sock', 'the API: HTTP with JSON, OpenAPI at /v1/openapi.json, Prometheus at /metrics'],
  ['/var/log/domctl/NAME.log', 'what a hypervisor said'],
];

/** The whole page. */
export function renderManual(verbs: readonly AnyVerb[]): string {
  return [
    `.TH DOMCTL 1 "" "domctl ${escape(version)}" "domctl"`,
    '.SH NAME',
    escape('domctl - virtual machines by libvirt XML, and the truth about their memory'),
    '.SH SYNOPSIS',
    '.B domctl',
    escape('COMMAND [OPTIONS]'),
    '.SH DESCRIPTION',
    escape(
      'Manages virtual machines that libvirt domain XML describes, each in a cgroup of its own. The daemon, domctld, is',
    ),
    escape(
      'started on first use. A state word is never said before it is true: between "the hypervisor is gone" and "its',
    ),
    escape('memory is back" a domain is draining.'),
    '.SH COMMANDS',
    ...verbs.flatMap(verbSection),
    '.SH OPTIONS OF EVERY COMMAND',
    ...term('--json', 'print the answer, or the failure, as one JSON document a domain'),
    ...term('--help', 'what a command takes, with examples'),
    ...Object.entries(placeVariables).flatMap(([key, variable]) =>
      term(`--${flagOf(key)} PATH`, `instead of $${variable}`),
    ),
    '.SH EXIT STATUS',
    ...exits.flatMap(([code, meaning]) => term(code, meaning)),
    '.SH ENVIRONMENT',
    ...Object.values(placeVariables).flatMap((variable) => term(variable, 'where things are; see FILES')),
    '.SH FILES',
    ...files.flatMap(([path, meaning]) => term(path, meaning)),
    escape("Another user's are below the XDG base directories."),
    '.SH SEE ALSO',
    '.BR virsh (1),',
    '.BR qemu (1),',
    '.BR systemd (1)',
    '',
  ].join('\n');
}

function verbSection(verb: AnyVerb): string[] {
  const declared = declarationsOf(verb).filter(({ hidden }) => hidden !== true);
  const examples = verb.examples.flatMap(([command, says]) => ['.PP', `.B ${escape(command)}`, '.br', escape(says)]);
  return [
    `.SS "${escape(verb.usage)}"`,
    escape(verb.describe),
    ...declared.flatMap((one) => term(headOf(one), textOf(one))),
    ...(examples.length > 0 ? ['.PP', 'Examples:', ...examples] : []),
  ];
}

/** What `build` declares, by calling it with something that remembers; what else it calls has no place in the page. */
function declarationsOf(verb: AnyVerb): Declared[] {
  const found: Declared[] = [];
  const remember = (positional: boolean) => (name: string, rest: Omit<Declared, 'name' | 'positional'>) => {
    found.push({ ...rest, name, positional });
    return recorder;
  };
  const methods = { option: remember(false), positional: remember(true) };
  const recorder: object = new Proxy(methods, {
    get: (known, method): unknown => Reflect.get(known, method) ?? (() => recorder),
  });
  verb.build(recorder as Argv);
  return found;
}

function headOf({ name, positional, type, choices }: Declared): string {
  if (positional) return name;
  const value = choices ? choices.join('|') : type === 'boolean' ? null : 'VALUE';
  return value === null ? `--${name}` : `--${name}=${value}`;
}

function textOf({ positional, describe = '', choices, default: usual, defaultDescription }: Declared): string {
  const values = positional && choices ? `: ${choices.join(', ')}` : '';
  const shown = defaultDescription ?? (usual === undefined || usual === false ? null : String(usual));
  return `${describe}${values}${shown === null ? '' : ` (default: ${shown})`}`;
}

function term(head: string, text: string): string[] {
  return ['.TP', `.B ${escape(head)}`, escape(text)];
}

/** What roff would take for its own: backslash, dash (a hyphen otherwise), quotes in arguments, a control character at the start. */
function escape(text: string): string {
  const plain = text.replaceAll('\\', '\\e').replaceAll('-', '\\-').replaceAll('"', '\\(dq').replaceAll('\n', ' ');
  return plain.replace(/^([.'])/, '\\&$1');
}

function flagOf(key: string): string {
  return key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}
