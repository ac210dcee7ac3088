/**
 * What a daemon inherits from the one before it: definitions, incarnations as the journal tells of them, machines of which no
 * record tells; and what nobody has any more, which it sweeps.
 */
import type { Cgroup } from '../../cgroups/cgroup.ts';
import type { Domain } from '../domain/definition.ts';
import type { Incarnation } from '../domain/incarnation.ts';
import { judgeMemory } from '../drain/released.ts';
import { messageOf } from '../errors.ts';
import type { DefinitionStore } from './definitions.ts';
import type { Fleet } from './fleet.ts';
import type { Remembered } from './journal-file.ts';
import { recover } from './recover.ts';
import { sweepRuntimeDirectories } from './runtime-files.ts';
import { cgroupIds, findStrays, recognize, type Stray } from './strays.ts';
import type { Services, Supervisor } from './supervisor.ts';
import { sweepTransient } from './tpm.ts';

/** What a daemon left that ended while it tidied up: empty cgroups of domains, runtime files of the released. */
export async function sweep(fleet: Fleet, services: Services): Promise<void> {
  const { root, places, log } = services;
  const ids = cgroupIds(root);
  const supervised = new Set(fleet.supervisors.map(({ launch }) => launch.cgroup));
  for (const [branch, children] of ids) {
    const left = children.map((id) => root.at(branch, String(id))).filter(({ path }) => !supervised.has(path));
    for (const cgroup of left) {
      if (isLeftEmpty(cgroup)) await cgroup.removeIfEmpty();
    }
    await root.at(branch).removeIfEmpty();
  }
  const kept = new Set([...fleet.supervisors.map(({ launch }) => launch.id), ...[...cgroupIds(root).values()].flat()]);
  await sweepRuntimeDirectories(
    places,
    (id) => kept.has(id),
    (error) => {
      log.warn({ err: error }, 'remove runtime files');
    },
  );
  await sweepTpms(fleet, services);
}

/** States of TPMs whose domain was undefined by a daemon that ended before they could go. */
async function sweepTpms(fleet: Fleet, { places, log }: Services): Promise<void> {
  const defined = new Set(fleet.entries.flatMap(({ definition, reserved }) => (definition ?? reserved)?.uuid ?? []));
  const held = new Set(fleet.supervisors.map(({ launch }) => launch.uuid));
  await sweepTransient(places.stateDir, {
    isDefined: (uuid) => defined.has(uuid),
    isHeld: (uuid) => held.has(uuid),
  }).catch((error: unknown) => log.error({ err: error }, 'TPM'));
}

/** Of one that was made or removed by half the other half tells nothing, and nothing can be in it. */
function isLeftEmpty(cgroup: Cgroup): boolean {
  const exists = cgroup.exists();
  if (exists.known && !exists.value) return true;
  const populated = cgroup.populated();
  if (!cgroup.hasMemory()) return populated.known && !populated.value;
  return judgeMemory(populated, cgroup.memory()).kind === 'gone';
}

/** Definitions from disk, and every incarnation in its true state; long work goes on in the background. */
export async function inherit(
  fleet: Fleet,
  services: Services,
  remembered: Remembered,
  definitions: DefinitionStore,
): Promise<void> {
  const { domains, damage } = await definitions.readAll();
  for (const sentence of [...remembered.damage, ...damage]) services.log.error(sentence);
  for (const domain of domains) {
    const entry = fleet.ensure(domain.name);
    entry.definition = domain;
    entry.autostart = definitions.isAutostarted(domain.name);
  }
  const supervisors = remembered.incarnations
    .filter(({ state }) => state.kind !== 'released')
    .map(({ launch, state }) => fleet.adopt(launch, state, services));
  for (const incarnation of remembered.incarnations) {
    if (incarnation.state.kind !== 'released') continue;
    const entry = fleet.ensure(incarnation.launch.domain);
    // A domain defined anew under an old name has no past.
    if (entry.definition?.uuid === incarnation.launch.uuid) entry.lastReleased = incarnation;
    fleet.forgetIfGone(entry);
  }
  await Promise.all([...supervisors, ...(await takeInStrays(fleet, services))].map(recoverOrLose));
}

/** Machines that no record tells of are followed from now on, or named; none is ended for want of a record. */
async function takeInStrays(fleet: Fleet, services: Services): Promise<Supervisor[]> {
  const { root, journal, log } = services;
  const followed = new Set(fleet.supervisors.map(({ launch }) => launch.cgroup));
  const taken: Supervisor[] = [];
  for (const stray of findStrays(root, followed)) {
    const { domain, id, cgroup } = stray;
    const definition = fleet.entries.find(({ name }) => name === domain)?.definition ?? null;
    const about = { domain, incarnation: id, cgroup: cgroup.path };
    const incarnation = recognizeOrNot(stray, definition, services);
    if (!incarnation) {
      log.error(
        about,
        'processes live here of which no record tells: they are left alone, and its domain is not started',
      );
      continue;
    }
    log.warn(about, 'a machine of which no record tells is known again by its processes and its definition');
    const written = journal.append({ kind: 'launch', ...incarnation }, { stands: true });
    await written.catch((error: unknown) => log.error({ ...about, err: error }, 'journal'));
    taken.push(fleet.adopt(incarnation.launch, incarnation.state, services));
  }
  return taken;
}

/** A process may go while it is looked at. */
function recognizeOrNot(stray: Stray, definition: Domain | null, { places, clock, log }: Services): Incarnation | null {
  try {
    return recognize(stray, definition, places, clock.now());
  } catch (error) {
    log.error({ domain: stray.domain, incarnation: stray.id, err: error }, 'a machine without a record');
    return null;
  }
}

/** One incarnation whose facts cannot be had must not keep the daemon from all others. */
async function recoverOrLose(supervisor: Supervisor): Promise<void> {
  try {
    await recover(supervisor);
  } catch (error) {
    const reason = messageOf(error);
    await supervisor.tell({ kind: 'factsUnreadable', reason });
  }
}
