/**
 * Domain XML -> domain.
 * Owns, with `parse-*.ts`: libvirt's defaults for what is absent. The accepted form of each value is the table's
 * (`properties.ts`), what must hold between two of them `rules.ts`.
 */
import type { Domain, UnsupportedFragment } from '../domain/definition.ts';
import { checkDocument } from './check.ts';
import { maxDocumentBytes, readDocument } from './document.ts';
import { emitDomain } from './emit.ts';
import { elementXml } from './fragment.ts';
import { find, need, valueAt, type Known } from './known.ts';
import { readAliases } from './parse-aliases.ts';
import { readCharacters } from './parse-characters.ts';
import { readDevices } from './parse-devices.ts';
import { readDisks } from './parse-disks.ts';
import { readFilesystems } from './parse-filesystems.ts';
import { readHostdevs } from './parse-hostdevs.ts';
import { readGenerationId, readSysinfo } from './parse-identity.ts';
import { readInterfaces } from './parse-interfaces.ts';
import { readMachine } from './parse-machine.ts';
import { readMemory } from './parse-memory.ts';
import { readRedirection } from './parse-redirection.ts';
import { readShmems } from './parse-shmem.ts';
import { readTranslation } from './parse-translation.ts';
import { readTuning } from './parse-tuning.ts';
import { readPolicy } from './policy.ts';
import { invalidXml, problemLimit, tellProblem, type Problem } from './problems.ts';
import { brokenRules } from './rules.ts';

/** Where a definition comes from and what may be wrong with it. */
export interface ParseOptions {
  /** Names the document in errors and warnings; not opened. */
  readonly file: string;
  /** What domctl does not know becomes a warning and is kept in `unsupported`, without effect. */
  readonly allowUnsupported: boolean;
  /** Makes what every domain has and the XML may leave out. */
  readonly generate: { uuid(): string; mac(): string };
}

/** A domain, and one line for each thing `--allow-unsupported` let through. */
export interface ParsedDomain {
  readonly domain: Domain;
  readonly warnings: readonly string[];
}

/** Reads a `<domain>` document. Throws INVALID_XML with file, line, column and path; all problems are in its details. */
export function parseDomain(text: string, options: ParseOptions): ParsedDomain {
  const { known, problems, fragments } = checkDocument(readDocument(text, options.file));
  refuse(options.file, options.allowUnsupported ? problems.filter(isFatal) : problems);
  if (problems.length > problemLimit) refuse(options.file, problems);
  const domain = readDomain(known, options, fragments.toSorted(byParent));
  refuse(options.file, brokenRules(known, domain));
  if (text.length > harmlessLength) refuse(options.file, tooLongToKeep(domain, known));
  return { domain, warnings: problems.map((problem) => `${tellProblem(options.file, problem)}; kept without effect`) };
}

function refuse(file: string, problems: readonly Problem[]): void {
  const [first, ...rest] = problems;
  if (first !== undefined) throw invalidXml(file, [first, ...rest]);
}

/** Whatever is as short as that: defaults and escapes make a definition ten times as long, not thirty. */
const harmlessLength = maxDocumentBytes / 32;

/** Escaping makes text longer; what is accepted must also be readable again when it was written. */
function tooLongToKeep(domain: Domain, { element }: Known): Problem[] {
  if (Buffer.byteLength(emitDomain(domain)) <= maxDocumentBytes) return [];
  const message = 'written again, with defaults and escapes, the document is longer than 1 MiB';
  return [{ kind: 'invalid', position: element.position, path: element.path, message, hint: 'shorten its texts' }];
}

/** The order a definition has again once it was printed; fragments of one parent keep theirs. */
function byParent(a: UnsupportedFragment, b: UnsupportedFragment): number {
  return a.parent === b.parent ? 0 : a.parent < b.parent ? -1 : 1;
}

function isFatal({ kind }: Problem): boolean {
  return kind === 'invalid';
}

function readDomain(domain: Known, { generate }: ParseOptions, unsupported: Domain['unsupported']): Domain {
  const machine = readMachine(domain);
  const tuning = readTuning(domain);
  const metadata = find(domain, '/domain/metadata')?.element ?? null;
  return {
    type: need(domain, '/domain/@type'),
    name: need(domain, '/domain/name'),
    uuid: valueAt(domain, '/domain/uuid') ?? generate.uuid(),
    genid: readGenerationId(domain, () => generate.uuid()),
    sysinfo: readSysinfo(domain),
    title: valueAt(domain, '/domain/title') ?? null,
    description: valueAt(domain, '/domain/description') ?? null,
    policy: readPolicy(metadata).name,
    metadataXml: metadata === null ? null : elementXml(metadata),
    ...tuning,
    ...machine,
    ...readMemory(domain, { ...machine, ...tuning }),
    disks: readDisks(domain),
    filesystems: readFilesystems(domain),
    interfaces: readInterfaces(domain, generate.mac),
    ...readCharacters(domain),
    ...readDevices(domain),
    ...readRedirection(domain),
    ...readTranslation(domain),
    ...readHostdevs(domain),
    shmems: readShmems(domain),
    aliases: readAliases(domain),
    unsupported,
  };
}
