/**
 * What the daemon's parts tell to those who listen: changes of state, what a hypervisor says, changes of definitions.
 * Reads the figures of the moment and publishes; whatever goes wrong here is logged, and is nobody else's failure.
 */
import type { Domain } from '../domain/definition.ts';
import { definitionHappening, type Happening, happenings, hypervisorHappening } from '../domain/events.ts';
import type { IncarnationState, Launch } from '../domain/incarnation.ts';
import type { QmpEvent } from '../qemu/qmp-messages.ts';
import { readHeld } from './accounts.ts';
import type { EventLog, NewEvent } from './events.ts';
import type { Transition } from './journal-file.ts';
import { launchedDomain } from './stored-domain.ts';
import type { Supervisor } from './supervisor.ts';

/** Tells what a change of state means; `seq`: its line in the journal, null where no disk took it. */
export function announceState(supervisor: Supervisor, before: IncarnationState, seq: number | null): void {
  guarded(supervisor, () => {
    const { launch, state, tracker, services } = supervisor;
    const held = state.kind === 'draining' ? readHeld(supervisor) : null;
    const figures = { heldBytes: held?.known ? held.value : null, fromBytes: tracker.progress?.fromBytes ?? null };
    for (const [index, one] of happenings(launch, before, state, figures).entries()) {
      if (seq === null) services.events.publish(eventOf(launch, one));
      else services.events.publishMarked(eventOf(launch, one), { seq, parts: index + 1 });
    }
  });
}

/**
 * Tells what the journal has and the log of events lacks, since the daemon was killed in between: once each, of the time it
 * happened, before anything new is told. The figures of those moments are lost.
 */
export function announceMissed(events: EventLog, transitions: readonly Transition[]): void {
  const told = events.mark;
  // A log from before there were marks is taken to be whole.
  if (told === null) return;
  for (const { seq, atMs, launch, before, after } of transitions) {
    const parts = happenings(launch, before, after, { heldBytes: null, fromBytes: null });
    for (const [index, one] of parts.entries()) {
      if (seq < told.seq || (seq === told.seq && index < told.parts)) continue;
      events.publishMarked(eventOf(launch, one), { seq, parts: index + 1 }, atMs);
    }
  }
}

/** Tells what a hypervisor says beside its changes of state. A guest can make it say much: beyond its budget it is only counted. */
export function announceHypervisor(supervisor: Supervisor, said: QmpEvent): void {
  guarded(supervisor, () => {
    const agentPort = said.name === 'VSERPORT_CHANGE' ? agentPortOf(supervisor.launch) : null;
    const happening = hypervisorHappening(said, { state: supervisor.state, agentPort });
    if (!happening) return;
    if (said.name === 'RESET' && !resetsOf(supervisor).isNew(supervisor.services.clock.now())) return;
    const suppressed = budgetOf(supervisor).spend(supervisor.services.clock.now());
    if (suppressed === null) return;
    publish(supervisor, suppressed === 0 ? happening : { ...happening, data: { ...happening.data, suppressed } });
  });
}

/** Tells that a definition came (no `before`), changed, or went (no `after`). */
export function announceDefinition(events: EventLog, before: Domain | null, after: Domain | null): void {
  const domain = after ?? before;
  if (!domain) return;
  const what = before === null ? 'added' : after === null ? 'removed' : 'updated';
  events.publish({ domain: domain.name, uuid: domain.uuid, incarnation: null, ...definitionHappening(what) });
}

function publish({ launch, services }: Supervisor, happening: Happening): void {
  services.events.publish(eventOf(launch, happening));
}

function eventOf({ id, domain, uuid }: Launch, happening: Happening): NewEvent {
  return { domain, uuid, incarnation: id, ...happening };
}

function guarded({ launch, services }: Supervisor, work: () => void): void {
  try {
    work();
  } catch (error) {
    services.log.error({ domain: launch.domain, incarnation: launch.id, err: error }, 'announce');
  }
}

const agentName = 'org.qemu.guest_agent.0';

/** Device id of the guest agent's channel, e.g. `channel0`; null: it has none. */
function agentPortOf(launch: Launch): string | null {
  const index = launchedDomain(launch).channels.findIndex(({ name }) => name === agentName);
  return index < 0 ? null : `channel${index}`;
}

const resets = new WeakMap<Supervisor, Resets>();

function resetsOf(supervisor: Supervisor): Resets {
  const found = resets.get(supervisor) ?? new Resets();
  resets.set(supervisor, found);
  return found;
}

/** Firmware that finds itself started warm resets the machine once more, within a second even where it is emulated. */
const oneRebootMs = 2000;

/** Which of a machine's resets is a reboot of its own. */
export class Resets {
  #toldMs = Number.NEGATIVE_INFINITY;

  /** False for one that belongs to the reboot before it. */
  isNew(nowMs: number): boolean {
    if (Math.abs(nowMs - this.#toldMs) < oneRebootMs) return false;
    this.#toldMs = nowMs;
    return true;
  }
}

const budgets = new WeakMap<Supervisor, GuestBudget>();

function budgetOf(supervisor: Supervisor): GuestBudget {
  const budget = budgets.get(supervisor) ?? new GuestBudget(supervisor.services.clock.now());
  budgets.set(supervisor, budget);
  return budget;
}

/** So many at once, then one a second: a guest that reboots in a loop must not push all others out of the log. */
const burst = 60;
const perEventMs = 1000;

/** What one guest may cause: so much at once, then one each `perEventMs`. */
export class GuestBudget {
  readonly #rate: { readonly burst: number; readonly perEventMs: number };
  #left: number;
  #atMs: number;
  #suppressed = 0;

  constructor(nowMs: number, rate = { burst, perEventMs }) {
    this.#rate = rate;
    this.#left = rate.burst;
    this.#atMs = nowMs;
  }

  /** How many were suppressed since the last one that was told; null: this one is too. */
  spend(nowMs: number): number | null {
    const earned = Math.max(0, nowMs - this.#atMs) / this.#rate.perEventMs;
    this.#left = Math.min(this.#rate.burst, this.#left + earned);
    this.#atMs = nowMs;
    if (this.#left < 1) {
      this.#suppressed += 1;
      return null;
    }
    const suppressed = this.#suppressed;
    this.#left -= 1;
    this.#suppressed = 0;
    return suppressed;
  }
}
