/** Policies in words: the list, and one domain's policy with what it would say now. */
import type { PolicyExplanation, StartAnswer } from '../../client/contract.ts';
import type { DomctlError } from '../../errors.ts';
import type { PolicyRow } from '../../policy/inspect.ts';
import { renderArithmetic } from './memory.ts';
import { renderTable } from './table.ts';

/** The table of `policy list`; the default one has a star. */
export function renderPolicies(rows: readonly PolicyRow[]): string {
  const columns = ['Name', 'From', 'XML may name it', 'Description'].map((title) => ({ title }));
  const cells = rows.map((row) => [
    row.default === true ? `${row.name} *` : row.name,
    row.from === 'shipped' ? 'shipped' : row.file,
    row.allowed === null ? '?' : row.allowed ? 'yes' : 'no',
    row.description ?? `invalid: ${row.invalid ?? 'unknown'}`,
  ]);
  return renderTable(columns, cells);
}

/** What a start and a force-start of the domain would come to now; an error where not even that can be decided. */
export interface Prospects {
  readonly start: StartAnswer | DomctlError;
  readonly forceStart: StartAnswer | DomctlError;
}

/** The domain's policy, where each value is said, and what it would decide now. */
export function renderExplanation(explanation: PolicyExplanation, prospects: Prospects): string {
  const blocks = [
    `${renderChoice(explanation)}\n`,
    renderTable(
      ['Key', 'Value', 'Said in'].map((title) => ({ title })),
      explanation.values.map(({ key, value, file, line }) => [key, value, `${file}:${line}`]),
    ) + renderFiles(explanation),
    renderProspect('start', withoutShare(prospects.start)),
    renderProspect('force-start', prospects.forceStart),
  ];
  return blocks.join('\n');
}

function renderChoice({ name, policy, chosenBy, allowed, launchedWith }: PolicyExplanation): string {
  const by = chosenBy === 'xml' ? 'named by its XML' : 'defaultPolicy of host.yaml';
  const forbidden = allowed ? '' : ', which host.yaml does not allow';
  const others = launchedWith
    .filter((one) => one.policy !== policy)
    .map((one) => `\nIncarnation ${one.id} was launched with ${one.policy}, and ends by it`);
  return `Domain '${name}' is under policy ${policy} (${by}${forbidden})${others.join('')}`;
}

/** Names of files in the table are short: here is where they lie. */
function renderFiles({ values }: PolicyExplanation): string {
  const paths = [...new Set(values.map(({ path }) => path))];
  return paths.map((path) => ` ${path}\n`).join('');
}

/** A start is allowed no shortfall by any policy: its share is force-start's alone. */
function withoutShare(prospect: Prospects['start']): Prospects['start'] {
  return prospect instanceof Error ? prospect : { ...prospect, allowedShortfall: 'none' };
}

function renderProspect(verb: string, prospect: StartAnswer | DomctlError): string {
  if (prospect instanceof Error) return renderRefusal(verb, prospect);
  const verdict = prospect.refusal
    ? renderRefusal(verb, prospect.refusal)
    : `'domctl ${verb}' now: it would be admitted\n`;
  return verdict + renderArithmetic(prospect);
}

function renderRefusal(verb: string, refusal: NonNullable<StartAnswer['refusal']> | DomctlError): string {
  const hint = refusal.hint === null ? '' : `  hint: ${refusal.hint}\n`;
  return `'domctl ${verb}' now: refused with exit ${refusal.exit}: ${refusal.message}\n${hint}`;
}
