/** One definition of the corpus: what domctl makes of it, held against the command line that libvirt makes of it. */
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { assumeCapabilities, assumeFirmware, placeholderLaunch } from '../../lib/convert/placeholders.ts';
import type { Domain } from '../../lib/domain/definition.ts';
import { DomctlError } from '../../lib/errors.ts';
import { buildArgv } from '../../lib/qemu/argv.ts';
import { hypervisorEnvironment } from '../../lib/qemu/environment.ts';
import { parseDomain } from '../../lib/xml/parse.ts';
import { readCommand } from './argv-file.ts';
import { compareMachines, type Difference, movedDevices } from './compare.ts';
import { type Definition, legitimate } from './legitimate.ts';
import { type Part, readMachine } from './machine.ts';

/**
 * `converted`: the same machine, but for `accepted` differences, by the title of their reason. `refused`: with the paths of all it is
 * refused for. `wrong`: what is another, and what is missing.
 */
export type Verdict =
  | {
      readonly kind: 'converted';
      readonly file: string;
      readonly accepted: readonly string[];
      readonly moved: readonly string[];
    }
  | { readonly kind: 'refused'; readonly file: string; readonly reasons: readonly Reason[] }
  | { readonly kind: 'wrong'; readonly file: string; readonly differences: readonly Difference[] };

/** Why a definition is refused; path empty: by what it comes to as a whole. */
export interface Reason {
  readonly path: string;
  readonly message: string;
}

/** Name of a definition's command line, beside `NAME.xml`. */
const commandSuffix = '.x86_64-latest.args';

/** Verdicts on every definition of a directory that has a command line beside it, by name. */
export function judgeDirectory(directory: string): Verdict[] {
  const files = readdirSync(directory)
    .filter((name) => name.endsWith(commandSuffix))
    .sort();
  return files.map((args) => {
    const file = args.replace(commandSuffix, '.xml');
    const xml = readFileSync(path.join(directory, file), 'utf8');
    return judge(file, xml, readFileSync(path.join(directory, args), 'utf8'));
  });
}

/** The verdict on one; `command` as a shell takes it. */
export function judge(file: string, xml: string, command: string): Verdict {
  try {
    const domain = readCorpus(file, xml);
    const { environment, args } = readCommand(command);
    const libvirt = [...readMachine(args), ...environmentOf(environment)];
    const ours = new Map(Object.entries(hypervisorEnvironment(domain)));
    return weigh({ file, xml, domain }, libvirt, [...readMachine(convert(domain)), ...environmentOf(ours)]);
  } catch (error) {
    if (!(error instanceof DomctlError)) throw error;
    return { kind: 'refused', file, reasons: reasonsOf(error) };
  }
}

/** As `domctl define` reads it. Throws INVALID_XML. */
export function readCorpus(file: string, xml: string): Domain {
  const generate = { uuid: () => '00000000-0000-4000-8000-000000000000', mac: () => '52:54:00:00:00:00' };
  return parseDomain(xml, { file, allowUnsupported: false, generate }).domain;
}

/** Where libvirt keeps what is made at start; so that the same things have the same names. */
const nvramDirectory = '/var/lib/libvirt/qemu/nvram';

/** The arguments of a start on a host that has whatever it takes. Throws INVALID_XML for what no machine can have. */
function convert(domain: Domain): string[] {
  const emulator = domain.emulator ?? '/usr/bin/qemu-system-x86_64';
  const { value: capabilities } = assumeCapabilities(domain, emulator);
  const { value: firmware } = assumeFirmware(domain, `${nvramDirectory}/${domain.name}_VARS.fd`);
  const around = { capabilities, firmware, directory: '/run/domctl/incarnations/0', nowMs: 0 };
  return buildArgv(domain, placeholderLaunch(domain, around).value);
}

/** What libvirt runs every hypervisor with. */
const usualVariables = /^(LC_ALL|PATH|HOME|USER|LOGNAME|XDG_(DATA|CACHE|CONFIG)_HOME)$/;

function environmentOf(variables: ReadonlyMap<string, string>): Part[] {
  const own = [...variables].filter(([name]) => !usualVariables.test(name));
  return own.map(([name, value]) => {
    return { kind: 'environment', name, properties: new Map([['value', value]]), place: null };
  });
}

function weigh(definition: Definition & { readonly file: string }, libvirt: Part[], domctl: Part[]): Verdict {
  const { file } = definition;
  const found = compareMachines(libvirt, domctl).map((difference) => ({
    difference,
    reason: legitimate.find(({ covers }) => covers(difference, definition)),
  }));
  const wrong = found.filter(({ reason }) => reason === undefined).map(({ difference }) => difference);
  if (wrong.length > 0) return { kind: 'wrong', file, differences: wrong };
  const accepted = new Set(found.flatMap(({ reason }) => (reason ? [reason.title] : [])));
  return { kind: 'converted', file, accepted: [...accepted], moved: movedDevices(libvirt, domctl) };
}

function reasonsOf({ message, details }: DomctlError): Reason[] {
  const problems = details['problems'];
  if (!Array.isArray(problems)) return [{ path: '', message }];
  return problems.map((problem: Reason) => ({ path: problem.path, message: problem.message }));
}
