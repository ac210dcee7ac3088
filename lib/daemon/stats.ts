/**
 * Figures of a domain: from its cgroup, its threads, its taps, and its hypervisor as far as that answers in time. What
 * does not is unknown by name; nothing is ever said of an off domain that is not true of it.
 */
import { sum } from '../admission/ledger.ts';
import type { DomainRow } from '../client/contract.ts';
import type { BlockDeviceStats, DomainStats, InterfaceStats, NodeAnswer, VcpuStats } from '../client/figures.ts';
import type { Disk } from '../domain/devices.ts';
import { pathOf } from '../domain/disk-source.ts';
import { stateNumbers } from '../domain/numbers.ts';
import { messageOf } from '../errors.ts';
import { readTraffic } from '../host/interfaces.ts';
import { readNode } from '../host/inventory.ts';
import { readThreadTime } from '../host/processes.ts';
import { tapNames } from '../host/taps.ts';
import { diskId } from '../qemu/argv-disks.ts';
import { type BlockStats, queryBalloon, queryBlockStats, queryCpus } from '../qemu/commands.ts';
import type { QmpClient } from '../qemu/qmp.ts';
import { known, type Reading, unknown } from '../reading.ts';
import { isDraining } from './accounts.ts';
import { currentOf, type Entry, type Fleet } from './fleet.ts';
import { launchedDomain } from './stored-domain.ts';
import type { Supervisor } from './supervisor.ts';
import { domainRow } from './views.ts';

/** A hypervisor that does not answer by then is not waited for: the other figures are worth having. */
const qmpDeadlineMs = 1000;

/** The host as libvirt's nodeinfo has it. */
export async function nodeView(): Promise<NodeAnswer> {
  const node = await readNode();
  return node.cpuFrequencyMhz === null ? { ...node, cpuFrequencyUnknown: 'the host does not tell it' } : node;
}

/** All figures of a domain, as of now. */
export async function domainStats(fleet: Fleet, entry: Entry): Promise<DomainStats> {
  const row = domainRow(entry);
  const { id, name, uuid, state, reason, memoryBytes } = row;
  const current = currentOf(entry.supervisors);
  const live = current && isLive(current) ? current : null;
  const [balloon, vcpus, blocks] = await Promise.all([balloonOf(live), vcpusOf(live), blocksOf(live)]);
  return {
    name,
    uuid,
    id,
    state: { ...stateNumbers(state, reason), word: state, reason },
    ...named('cpu', 'cpuUnknown', current && current.cgroup.cpu()),
    balloon: { maximumBytes: memoryBytes, ...named('currentBytes', 'currentUnknown', balloon) },
    vcpu: { maximum: vcpusOfDefinition(entry, current), ...named('each', 'eachUnknown', vcpus) },
    interfaces: live && interfacesOf(live),
    ...named('blocks', 'blocksUnknown', blocks),
    domctl: {
      ...accountOf(entry, { row, current }),
      ...named('teardownUs', 'teardownUnknown', teardownOf(fleet, entry)),
    },
  };
}

/** Only a hypervisor that has not begun to end is asked anything. */
function isLive({ state }: Supervisor): boolean {
  return state.kind === 'running' || state.kind === 'paused' || state.kind === 'stopping';
}

function vcpusOfDefinition({ definition }: Entry, current: Supervisor | null): number {
  return current?.launch.vcpus ?? definition?.vcpus ?? 0;
}

/** All incarnations together; pressure is that of the current one. */
function accountOf(
  entry: Entry,
  { row, current }: { readonly row: DomainRow; readonly current: Supervisor | null },
): Omit<DomainStats['domctl'], 'teardownUs'> {
  const { heldBytes, heldUnknown, drainingBytes } = row;
  const promised = entry.supervisors.filter((one) => !isDraining(one)).map(({ launch }) => launch.promisedBytes);
  return {
    heldBytes,
    ...(heldUnknown === undefined ? {} : { heldUnknown }),
    promisedBytes: sum(promised),
    drainingBytes,
    limitBytes: current?.brake?.status?.limitBytes ?? null,
    ...named('pressurePercent', 'pressureUnknown', current && current.cgroup.memoryPressure()),
  };
}

/** Of the one that ends now, else of the last that did. */
function teardownOf(fleet: Fleet, { name, supervisors }: Entry): Reading<number> | null {
  const ending = supervisors.find(({ state }) => state.kind === 'exiting' || state.kind === 'draining');
  return ending?.teardownTime.spentUs ?? fleet.lastSummary(name)?.teardownUs ?? null;
}

type Named<Key extends string, Why extends string, T> = Readonly<Record<Key, T | null>> &
  Readonly<Partial<Record<Why, string>>>;

/** A reading as the contract has it: the value, or null with the reason beside it; null alone for what is not there. */
function named<const Key extends string, const Why extends string, T>(
  key: Key,
  why: Why,
  reading: Reading<T> | null,
): Named<Key, Why, T> {
  const fields = reading?.known === false ? { [key]: null, [why]: reading.reason } : { [key]: reading?.value ?? null };
  return fields as Named<Key, Why, T>;
}

/** Asks the hypervisor within the deadline. */
async function ask<T>(live: Supervisor, question: (qmp: QmpClient) => Promise<T>): Promise<Reading<T>> {
  if (!live.qmp) return unknown('there is no connection to the hypervisor now');
  try {
    return known(await question(live.qmp));
  } catch (error) {
    return unknown(messageOf(error));
  }
}

const timing = { deadlineMs: qmpDeadlineMs };

async function balloonOf(live: Supervisor | null): Promise<Reading<number> | null> {
  return live && ask(live, async (qmp) => queryBalloon(qmp, timing));
}

async function vcpusOf(live: Supervisor | null): Promise<Reading<VcpuStats[]> | null> {
  return live && ask(live, async (qmp) => (await queryCpus(qmp, timing)).map((cpu) => vcpuStats(live, cpu)));
}

function vcpuStats({ state }: Supervisor, cpu: { index: number; threadId: number }): VcpuStats {
  const pid = 'hypervisor' in state ? state.hypervisor?.pid : undefined;
  const time = pid === undefined ? null : readThreadTime(pid, cpu.threadId);
  if (!time) return { index: cpu.index, timeUs: null, timeUnknown: 'its thread is gone', delayUs: null };
  return { index: cpu.index, timeUs: time.usedUs, delayUs: time.waitedUs };
}

async function blocksOf(live: Supervisor | null): Promise<Reading<BlockDeviceStats[]> | null> {
  return (
    live &&
    ask(live, async (qmp) => {
      const domain = launchedDomain(live.launch);
      const all = await queryBlockStats(qmp, timing);
      return domain.disks.flatMap((disk) => {
        const stats = all.find(({ device, file }) => file !== null && device === diskId(disk, domain));
        return stats ? [blockStats(disk, stats)] : [];
      });
    })
  );
}

function blockStats({ target, source }: Disk, stats: BlockStats): BlockDeviceStats {
  const { reads, writes, flushes } = stats;
  return {
    name: target,
    // What QEMU tells of a filter is no path.
    path: pathOf(source) ?? stats.file ?? '',
    rd: { reqs: reads.requests, bytes: reads.bytes, timeNs: reads.timeNs },
    wr: { reqs: writes.requests, bytes: writes.bytes, timeNs: writes.timeNs },
    fl: { reqs: flushes.requests, timeNs: flushes.timeNs },
    allocationBytes: stats.highestOffsetBytes,
    capacityBytes: stats.capacityBytes,
  };
}

/** What it was launched with, not what it may have been redefined to since. */
/** A tap's host end receives what the guest sends. */
function interfacesOf(live: Supervisor): InterfaceStats[] {
  const taps = tapNames(launchedDomain(live.launch).interfaces, live.launch.id);
  return taps
    .filter((name) => name !== null)
    .map((name) => {
      const traffic = readTraffic(name);
      return traffic.known
        ? { name, rx: traffic.value.sent, tx: traffic.value.received }
        : { name, rx: null, tx: null, trafficUnknown: traffic.reason };
    });
}
