/**
 * What is made of a hypervisor's events. Each is written down and told, and may change a state; of either kind there are
 * some at once and then a few a second. Those past that are only counted, and for what they may have changed the hypervisor
 * is asked how its guest is, once a second: events are hints, the answer is the truth. So a guest that is stopped and resumed
 * in a loop fills neither log nor journal, and keeps no request of its domain waiting.
 */
import { oneLine } from '../format.ts';
import type { QmpEvent } from '../qemu/qmp-messages.ts';
import { announceHypervisor, GuestBudget } from './announcements.ts';
import type { NewEvent, Supervisor } from './supervisor.ts';

/** What an event means, and what the hypervisor says when it is asked instead. */
export interface Ears {
  /** null: it changes no state. */
  understand(event: QmpEvent): NewEvent | null;
  ask(): Promise<NewEvent | null>;
}

interface Budgets {
  readonly notes: GuestBudget;
  readonly changes: GuestBudget;
}

const noteRate = { burst: 240, perEventMs: 200 };
/** Each is a line of the journal, on disk before the next one. */
const changeRate = { burst: 60, perEventMs: 1000 };
const askAfterMs = 1000;
/** Of what an event says, in characters of the log: no event of QEMU's has more. */
const longestData = 1024;
const longestName = 64;

const budgets = new WeakMap<Supervisor, Budgets>();

/** Takes one event of the hypervisor's; never throws, whatever it says. */
export function hear(supervisor: Supervisor, event: QmpEvent, ears: Ears): void {
  const nowMs = supervisor.services.clock.now();
  const { notes, changes } = budgetsOf(supervisor, nowMs);
  try {
    const unheard = notes.spend(nowMs);
    if (unheard !== null) note(supervisor, event, unheard);
    const change = ears.understand(event);
    if (change === null) return;
    if (changes.spend(nowMs) === null) askLater(supervisor, ears);
    else supervisor.inBackground(`QMP event ${event.name}`, async () => void (await supervisor.tell(change)));
  } catch (error) {
    const { launch, services } = supervisor;
    services.log.error({ domain: launch.domain, incarnation: launch.id, err: error }, 'QMP event');
  }
}

function budgetsOf(supervisor: Supervisor, nowMs: number): Budgets {
  const found = budgets.get(supervisor);
  if (found) return found;
  const fresh = { notes: new GuestBudget(nowMs, noteRate), changes: new GuestBudget(nowMs, changeRate) };
  budgets.set(supervisor, fresh);
  return fresh;
}

function note(supervisor: Supervisor, event: QmpEvent, unheard: number): void {
  const { launch, services } = supervisor;
  const text = JSON.stringify(event.data);
  services.log.info({
    domain: launch.domain,
    incarnation: launch.id,
    qmp: oneLine(event.name, longestName),
    data: text.length > longestData ? oneLine(text, longestData) : event.data,
    ...(unheard === 0 ? {} : { unheard }),
  });
  announceHypervisor(supervisor, event);
}

/** Once for all that comes until then. */
function askLater(supervisor: Supervisor, ears: Ears): void {
  if (supervisor.isPlanned('status')) return;
  supervisor.plan('status', askAfterMs, async () => {
    const change = await ears.ask();
    if (change) await supervisor.tell(change);
  });
}
