/**
 * Machines that live and of which no record tells, since the journal was damaged or lost: known again by what the kernel
 * says of them and by the definition of their domain. What cannot be known is named. Nothing is ended here.
 */
import { constants, readFileSync, statSync } from 'node:fs';
import type { Cgroup } from '../../cgroups/cgroup.ts';
import type { CgroupRoot } from '../../cgroups/hierarchy.ts';
import { promisedBytes } from '../admission/ledger.ts';
import { type Claim, describeClaim } from '../domain/claims.ts';
import type { Domain } from '../domain/definition.ts';
import type { HelperKind, Incarnation, Launch, ProcessIdentity } from '../domain/incarnation.ts';
import { cgroupName, cgroupPrefix, unescapeName } from '../domain/names.ts';
import { DomctlError } from '../errors.ts';
import { readBootId } from '../host/inventory.ts';
import { argumentsOf, findRamFiles, findTeardownHelper, openFiles, unlessGone } from '../host/processes.ts';
import { claimMadeTaps, claimNamedTaps } from '../host/taps.ts';
import type { Places } from '../places.ts';
import { agentSocket } from '../qemu/chardev.ts';
import { emitDomain } from '../xml/emit.ts';
import { companionsOf } from './companions.ts';
import { findHypervisor } from './facts.ts';
import { claimPorts } from './resources.ts';
import { qmpSocket, runtimeDirectory } from './runtime-files.ts';

/** An inhabited cgroup of an incarnation that nobody follows. */
export interface Stray {
  readonly domain: string;
  readonly id: number;
  readonly cgroup: Cgroup;
}

/** Ids that have a cgroup, by domain directory: their records may be lost, their numbers are never used again. */
export function cgroupIds(root: CgroupRoot): ReadonlyMap<string, readonly number[]> {
  const branches = root.at().children();
  return new Map(branches.filter((name) => name.startsWith(cgroupPrefix)).map((name) => [name, idsIn(root, name)]));
}

function idsIn(root: CgroupRoot, branch: string): number[] {
  return root.at(branch).children().map(Number).filter(Number.isSafeInteger);
}

/** All of them; `followed`: paths of the cgroups of which records tell. */
export function findStrays(root: CgroupRoot, followed: ReadonlySet<string>): Stray[] {
  const domains = [...cgroupIds(root).keys()].map((branch) => unescapeName(branch.slice(cgroupPrefix.length)));
  return domains.flatMap((domain) => straysIn(root, domain, followed));
}

function straysIn(root: CgroupRoot, domain: string, followed: ReadonlySet<string>): Stray[] {
  return idsIn(root, cgroupName(domain))
    .map((id) => ({ domain, id, cgroup: root.at(cgroupName(domain), String(id)) }))
    .filter(({ cgroup }) => !followed.has(cgroup.path) && isInhabited(cgroup));
}

function isInhabited(cgroup: Cgroup): boolean {
  const populated = cgroup.populated();
  return populated.known && populated.value;
}

/** Refuses a start over what nobody follows: there would be two of one machine. null: there is nothing of the kind. */
export function refusedByStray(root: CgroupRoot, domain: string, followed: ReadonlySet<string>): DomctlError | null {
  const [stray] = straysIn(root, domain, followed);
  if (!stray) return null;
  const pids = (unlessGone(() => stray.cgroup.processes()) ?? []).join(', ');
  return new DomctlError(
    'INCARNATION_LOST',
    `cannot start domain '${domain}': processes live in ${stray.cgroup.path}, of which no record tells`,
    {
      hint: `look at them and end them yourself (pids ${pids}); domctl does not`,
      details: { domain, incarnation: stray.id, cgroup: stray.cgroup.path },
    },
  );
}

/**
 * The incarnation that a stray is, if its hypervisor is there and the definition is of the same machine; null otherwise. Its
 * clocks are those of the shipped policy: by which one it was launched, nobody knows.
 */
export function recognize(stray: Stray, definition: Domain | null, places: Places, nowMs: number): Incarnation | null {
  const hypervisor = findHypervisor(stray.cgroup, qmpSocket(places, stray.id));
  if (!hypervisor || !definition) return null;
  const words = argumentsOf(hypervisor.pid);
  if (words[words.indexOf('-uuid') + 1] !== definition.uuid) return null;
  const { kind, helper } = helperOf(hypervisor);
  const launch = launchOf(stray, { definition, places, hypervisor, helper: kind, emulator: words[0] ?? '' });
  const ramFiles = findRamFiles(hypervisor.pid);
  const live = { hypervisor, helper, ramFiles, asked: null, brakedSinceMs: null };
  return { launch, state: { kind: 'running', sinceMs: nowMs, reason: 'booted', ...live } };
}

function helperOf(hypervisor: ProcessIdentity): { kind: HelperKind; helper: ProcessIdentity | null } {
  for (const kind of ['preload', 'qemu'] as const) {
    const helper = findTeardownHelper(hypervisor, kind);
    if (helper) return { kind, helper };
  }
  return { kind: 'none', helper: null };
}

interface Facts {
  readonly definition: Domain;
  readonly places: Places;
  readonly hypervisor: ProcessIdentity;
  readonly helper: HelperKind;
  readonly emulator: string;
}

/** As the shipped `balanced` and host configuration have them. */
export const usualClocks = { killAfterMs: 10_000, freedTimeoutMs: 40_000, stalledAfterMs: 5000 };
export const usualOverhead = { fixedBytes: 192 * 2 ** 20, perVcpuBytes: 8 * 2 ** 20, memoryPercent: 0.2 };

function launchOf({ id, domain, cgroup }: Stray, facts: Facts): Launch {
  const { definition, places, hypervisor, helper, emulator } = facts;
  return {
    id,
    domain,
    uuid: definition.uuid,
    bootId: readBootId(),
    cgroup: cgroup.path,
    memoryBytes: definition.memoryBytes,
    promisedBytes: promisedBytes({ ...definition, inHugePages: false }, usualOverhead),
    vcpus: definition.vcpus,
    claims: [...claimOpenFiles(hypervisor.pid), ...claimPorts(definition), ...claimTaps(definition, id)],
    // Whose they were before, only the lost record knew.
    loans: [],
    companions: companionsOf(definition),
    clocks: usualClocks,
    shutdown: { modes: ['agent', 'acpi'], forceAfterMs: null },
    startPaused: false,
    lifecycle: definition.lifecycle,
    agentSocket: agentSocket(definition, runtimeDirectory(places, id)),
    helper,
    emulator,
    emulatorVersion: 'unknown',
    policy: definition.policy ?? 'balanced',
    xml: emitDomain(definition),
    requester: { uid: null, pid: null },
    forced: null,
    brake: null,
  };
}

/** Images and block devices as the hypervisor has them open now, whatever the definition has become. */
function claimOpenFiles(pid: number): Claim[] {
  const claims = openFiles(pid).flatMap(({ target, path }): Claim[] => {
    const stats = target.startsWith('/') ? unlessGone(() => statSync(path)) : null;
    const mode = isWritable(path) ? 'exclusive' : 'shared';
    if (stats?.isBlockDevice()) return [{ kind: 'block', path: target, device: stats.rdev, mode }];
    const isImage = stats?.isFile() === true && stats.nlink > 0 && !isLog(path);
    return isImage ? [{ kind: 'image', path: target, device: stats.dev, inode: stats.ino, mode }] : [];
  });
  // A claim that is exclusive by one descriptor is exclusive.
  const inOrder = ['shared', 'exclusive'].flatMap((mode) => claims.filter((claim) => claim.mode === mode));
  return [...new Map(inOrder.map((claim) => [describeClaim(claim), claim])).values()];
}

function claimTaps({ interfaces }: Domain, id: number): Claim[] {
  return [...claimNamedTaps(interfaces), ...claimMadeTaps(interfaces, id)];
}

function flagsOf(descriptor: string): number {
  const info = unlessGone(() => readFileSync(descriptor.replace('/fd/', '/fdinfo/'), 'utf8')) ?? '';
  return parseInt(/^flags:\s*([0-7]+)$/m.exec(info)?.[1] ?? '0', 8);
}

function isWritable(descriptor: string): boolean {
  return (flagsOf(descriptor) & 3) !== constants.O_RDONLY;
}

/** Its standard output is appended to; no image is. */
function isLog(descriptor: string): boolean {
  return (flagsOf(descriptor) & constants.O_APPEND) !== 0;
}
