/** The sentences of refusals: what stands in the way, by how much, and the way out. One place, so that they agree. */
import type { Arithmetic, PolicyRule, Refusal } from '../admission/decision.ts';
import type { QueuedStart } from '../admission/ledger.ts';
import type { Incarnation, IncarnationState } from '../domain/incarnation.ts';
import { type Claim, type ClaimConflict, conflictRemedy, describeClaim } from '../domain/claims.ts';
import type { RefusalCode } from '../domain/transition-effect.ts';
import { stateWord } from '../domain/words.ts';
import { DomctlError, type ErrorDetails } from '../errors.ts';
import { formatBytes, formatRate, formatRemaining } from '../format.ts';
import type { Loaded, Policy } from '../policy/types.ts';
import { formatShare } from '../policy/values.ts';
import { heldBy, outlook, readHeld } from './accounts.ts';
import type { TakenResource } from './resources.ts';
import type { Supervisor } from './supervisor.ts';

export type StartVerb = 'start' | 'force-start';

/** `300.0 GiB held, 24.2 GiB/s, about 12 s left`; parts that are unknown are left out. */
function describeDrain(supervisor: Supervisor): string {
  const held = readHeld(supervisor);
  const { rateBytes, etaMs } = outlook(supervisor);
  const parts = [held.known ? `${formatBytes(held.value)} held` : `held unknown (${held.reason})`];
  if (rateBytes) parts.push(formatRate(rateBytes));
  if (etaMs !== null) parts.push(`about ${formatRemaining(etaMs)} left`);
  else if (supervisor.holder) parts.push(`held by ${supervisor.holder}`);
  return parts.join(', ');
}

/** A start or force-start that the state of one of the domain's incarnations forbids. */
export function refusedByState(verb: StartVerb, supervisor: Supervisor, code: RefusalCode): DomctlError {
  const { launch, state } = supervisor;
  const cannot = `cannot ${verb} domain '${launch.domain}'`;
  const details = { domain: launch.domain, incarnation: launch.id, state: stateWord(state) };
  switch (code) {
    case 'INCARNATION_EXITING':
      return new DomctlError(
        code,
        `${cannot}: incarnation ${launch.id} is still exiting: ${describeExiting(supervisor)}`,
        {
          hint: `'domctl start ${launch.domain} --wait' starts it as soon as it is gone`,
          details,
        },
      );
    case 'INCARNATION_LOST':
      return new DomctlError(
        code,
        `${cannot}: the state of incarnation ${launch.id} cannot be read: ${state.kind === 'lost' ? state.reason : ''}`,
        {
          hint: `it is read again every second, nothing is assumed meanwhile; 'domctl recover ${launch.domain}' reads it now`,
          details,
        },
      );
    default:
      return new DomctlError(code, `${cannot}: domain is already ${stateWord(state)}`, { details });
  }
}

/** A start that wants what another domain of ours has. */
export function refusedByClaim(domain: string, { wanted, holder }: ClaimConflict): DomctlError {
  const what = `${describeClaim(wanted)} is in use by domain '${holder.domain}' (incarnation ${holder.incarnation})`;
  return new DomctlError('CLAIM_CONFLICT', `cannot start domain '${domain}': ${what}`, {
    hint: `end '${holder.domain}' first, or ${conflictRemedy(wanted)}`,
    details: { domain, ...claimDetails(wanted), holder: holder.domain, incarnation: holder.incarnation },
  });
}

/** A start that wants what somebody has who is none of our domains. */
export function refusedByTaken(domain: string, { claim, holder }: TakenResource): DomctlError {
  const by = holder ?? 'a process that could not be seen';
  const how = 'path' in claim ? 'locked' : 'in use';
  const what = `${describeClaim(claim)} is ${how} by ${by}`;
  return new DomctlError('CLAIM_CONFLICT', `cannot start domain '${domain}': ${what}`, {
    hint: 'it is not one of our domains; end it, or let it let go',
    details: { domain, ...claimDetails(claim), holder },
  });
}

function claimDetails(claim: Claim): ErrorDetails {
  return { resource: describeClaim(claim), ...('path' in claim ? { path: claim.path } : {}) };
}

function ownDraining(supervisor: Supervisor): DomctlError {
  const { id, domain } = supervisor.launch;
  const held = readHeld(supervisor);
  const { rateBytes, etaMs } = outlook(supervisor);
  return new DomctlError(
    'INCARNATION_DRAINING',
    `cannot start domain '${domain}': incarnation ${id} is still draining: ${describeDrain(supervisor)}`,
    {
      hint: `'domctl start ${domain} --wait' starts it then; 'domctl force-start ${domain} --dry-run' shows what starting now would cost`,
      details: {
        domain,
        incarnation: id,
        heldBytes: held.known ? held.value : null,
        rateBytes,
        etaMs,
        holder: supervisor.holder,
      },
    },
  );
}

function describeExiting({ state }: Supervisor): string {
  if (state.kind !== 'exiting') return 'its hypervisor has not ended';
  if (state.hypervisor) return `hypervisor (pid ${state.hypervisor.pid}) has not ended`;
  const [first] = state.busy;
  if (!first) return 'its exclusive resources are being probed';
  return `${first.resource} is not free (${first.probe})${first.holder ? `, held by ${first.holder}` : ''}`;
}

/** What is still in the way of an end that somebody waits for. */
export function describeEnd(supervisor: Supervisor): string {
  return supervisor.state.kind === 'draining'
    ? `draining: ${describeDrain(supervisor)}`
    : `${stateWord(supervisor.state)}: ${describeExiting(supervisor)}`;
}

/** A verb other than start that the state forbids. */
export function refusedVerb(verb: string, domain: string, current: Incarnation | null, code: RefusalCode): DomctlError {
  const cannot = `cannot ${verb} domain '${domain}'`;
  if (current === null || code === 'DOMAIN_NOT_RUNNING') {
    return new DomctlError('DOMAIN_NOT_RUNNING', `${cannot}: domain is not running`, { details: { domain } });
  }
  if (code === 'INCARNATION_LOST') {
    return new DomctlError(code, `${cannot}: the state of incarnation ${current.launch.id} cannot be read`, {
      hint: `it is read again every second; 'domctl recover ${domain}' reads it now and says what is missing`,
    });
  }
  const word = stateWord(current.state);
  if (code === 'DOMAIN_ACTIVE')
    return new DomctlError(code, `${cannot}: domain is already ${word}`, { details: { domain, state: word } });
  const hint = wayOut(verb, domain, current.state);
  return new DomctlError(code, `${cannot}: domain is ${word}`, { hint, details: { domain, state: word } });
}

/** The incarnation whose guest is up: running or paused. Throws DOMAIN_NOT_RUNNING, INCARNATION_LOST, WRONG_STATE. */
export function requireGuest(
  verb: string,
  { entry, supervisor }: { readonly entry: { readonly name: string }; readonly supervisor: Supervisor | null },
): Supervisor {
  const kind = supervisor?.state.kind;
  if (supervisor && (kind === 'running' || kind === 'paused')) return supervisor;
  const isGone = kind === undefined || kind === 'draining' || kind === 'released';
  const code = isGone ? 'DOMAIN_NOT_RUNNING' : kind === 'lost' ? 'INCARNATION_LOST' : 'WRONG_STATE';
  throw refusedVerb(verb, entry.name, supervisor, code);
}

function wayOut(verb: string, domain: string, state: IncarnationState): string | undefined {
  const asks = verb === 'shutdown' || verb === 'reboot';
  if (state.kind === 'paused' && state.reason === 'panicked')
    return `its kernel panicked: 'domctl reset ${domain}' boots it anew, 'domctl destroy ${domain}' ends it`;
  if (state.kind === 'paused' && state.reason === 'memory' && verb === 'resume')
    return `it goes on by itself as memory comes back; 'domctl drain' shows how fast, 'domctl suspend ${domain}' keeps it paused`;
  if (!asks) return undefined;
  return state.kind === 'paused'
    ? `a guest that stands still cannot be asked; 'domctl resume ${domain}' first, or 'domctl shutdown ${domain} --resume'`
    : `a ${stateWord(state)} guest cannot be asked; 'domctl destroy ${domain}' ends it without asking`;
}

/** A refused decision, and all that its sentence tells. */
export interface RefusedStart {
  readonly verb: StartVerb;
  readonly domain: string;
  readonly refusal: Refusal;
  readonly arithmetic: Arithmetic | null;
  readonly policy: Loaded<Policy>;
  readonly memoryBytes: number;
  readonly allowedBytes: number;
  readonly ownDraining: readonly Supervisor[];
  /** All of the host's draining; null when nothing can be said. */
  readonly rateBytes: number | null;
  /** Starts that came before. */
  readonly queue: readonly QueuedStart[];
}

/** A decision's refusal in words; its details carry the arithmetic. */
export function refusedByLedger(start: RefusedStart): DomctlError {
  const [predecessor] = start.ownDraining;
  if (start.refusal.code === 'INCARNATION_DRAINING' && predecessor) return ownDraining(predecessor);
  const { message, hint } = wordsOf(start);
  const details: ErrorDetails = {
    domain: start.domain,
    policy: start.policy.value.name,
    allowedShortfallBytes: start.allowedBytes,
    allowedShortfall: formatShare(start.policy.value.forceStart.maxShortfall),
    overIncarnations: start.ownDraining.map(({ launch }) => launch.id),
    overBytes: heldBy(start.ownDraining),
    memoryBytes: start.memoryBytes,
    arithmetic: start.arithmetic,
  };
  return new DomctlError(start.refusal.code, message, { hint, details });
}

interface Words {
  readonly message: string;
  readonly hint: string;
}

function wordsOf(start: RefusedStart): Words {
  const { verb, domain, refusal, arithmetic, rateBytes } = start;
  const cannot = `cannot ${verb} domain '${domain}'`;
  const wait = `'domctl ${verb} ${domain} --wait'`;
  switch (refusal.code) {
    case 'INCARNATION_DRAINING':
      return { message: `${cannot}: it is still draining`, hint: `${wait} starts it then` };
    case 'READING_UNKNOWN':
      return { message: `${cannot}: unknown is not zero: ${refusal.reason}`, hint: 'try again when it can be read' };
    case 'MEMORY_DRAINING': {
      const draining = formatBytes(arithmetic?.heldDrainingBytes ?? 0);
      return {
        message: `${cannot}: ${formatBytes(refusal.missingBytes)} short while ${draining} are still draining`,
        hint: `${whenAdmitted(refusal.missingBytes, rateBytes)}${wait} starts it then`,
      };
    }
    case 'MEMORY_SHORT':
      if (refusal.of === 'queue') return queueWords(start, refusal.missingBytes);
      return {
        message: `${cannot}: ${formatBytes(refusal.missingBytes)} of ${refusal.of} missing, draining or not`,
        hint: "'domctl resources' shows where the memory is; end another domain, or define this one smaller",
      };
    case 'POLICY_FORBIDS':
      return policyWords(start, refusal.rule);
  }
}

/** There is room, but it is set aside for starts that came before. */
function queueWords({ verb, domain, queue }: RefusedStart, missingBytes: number): Words {
  const names = queue.map((one) => `'${one.domain}'`).join(', ');
  return {
    message: `cannot ${verb} domain '${domain}': ${formatBytes(missingBytes)} short beside what is set aside for ${names}, queued before`,
    hint: `'domctl ${verb} ${domain} --wait' queues behind; 'domctl start ${queue[0]?.domain ?? 'DOMAIN'} --cancel' takes that one out`,
  };
}

/** Names the rule and where it stands, so that its owner can be asked. */
function policyWords(start: RefusedStart, rule: PolicyRule): Words {
  const { domain, policy, arithmetic, allowedBytes, ownDraining } = start;
  const { forceStart, name } = policy.value;
  const refused = `force-start of '${domain}' refused by policy ${name}`;
  const origin = policy.origins.get(rule);
  const where = `rule: ${origin ? `${origin.file}:${origin.line} ` : ''}${rule}`;
  const wait = `'domctl force-start ${domain} --wait'`;
  switch (rule) {
    case 'forceStart.allow':
      return {
        message: `${refused}: it allows none`,
        hint: `'domctl start ${domain} --wait' starts it when it is released; ${where}`,
      };
    case 'forceStart.maxPredecessors':
      return {
        message: `${refused}: ${ownDraining.length} incarnations of it are draining, allowed ${forceStart.maxPredecessors}`,
        hint: `${wait}; ${where}`,
      };
    case 'forceStart.maxShortfall': {
      const share = formatShare(forceStart.maxShortfall);
      const of = share.endsWith('%') ? ` (${share} of ${formatBytes(arithmetic?.promisedNewBytes ?? 0)})` : '';
      return {
        message: `${refused}: shortfall ${formatBytes(missing(arithmetic))}, allowed ${formatBytes(allowedBytes)}${of}`,
        hint: `${whenAdmitted(missing(arithmetic) - allowedBytes, start.rateBytes)}${wait}; ${where}`,
      };
    }
    case 'forceStart.maxDrainTime':
      return { message: `${refused}: ${drainTime(start)}`, hint: `${wait}; ${where}` };
    case 'forceStart.maxPressure':
      return {
        message: `${refused}: ${formatBytes(missing(arithmetic))} short, and the host is under memory pressure: more than ${forceStart.maxPressurePercent}% of the last 10 s`,
        hint: `${wait}; ${where}`,
      };
  }
}

/** How long what drains goes on, against what is allowed. */
function drainTime({ arithmetic, rateBytes, policy }: RefusedStart): string {
  const draining = arithmetic?.heldDrainingBytes ?? 0;
  const allowed = formatRemaining(policy.value.forceStart.maxDrainTimeMs ?? 0);
  if (!rateBytes) return `nobody knows how long ${formatBytes(draining)} will drain, allowed ${allowed}`;
  const left = formatRemaining((draining / rateBytes) * 1000);
  return `${formatBytes(draining)} drain for about ${left} more, allowed ${allowed}`;
}

function missing(arithmetic: Arithmetic | null): number {
  return Math.max(0, arithmetic?.shortfallBytes ?? 0);
}

/** `admitted in about 4 s at 24.2 GiB/s: `, or nothing where no rate is known. */
function whenAdmitted(missingBytes: number, rateBytes: number | null): string {
  if (!rateBytes) return '';
  return `admitted in about ${formatRemaining((missingBytes / rateBytes) * 1000)} at ${formatRate(rateBytes)}: `;
}
