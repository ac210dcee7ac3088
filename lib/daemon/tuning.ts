/**
 * What is set on a hypervisor between birth and `cont`: where its threads run and how much, links that are down, limits of
 * disks. vCPUs and
 * the rest (libvirt's `emulator`) go to threaded children of the incarnation's cgroup where the kernel divides CPU time or
 * CPU sets there; sched_setaffinity pins them on every host. The teardown helper is a process of its own, born before this:
 * it stays in the incarnation's cgroup, so no limit or pin of the emulator slows a drain.
 */
import { readdirSync } from 'node:fs';
import type { Limits } from '../../cgroups/limits.ts';
import { setAffinity } from '../../native/index.ts';
import type { Bandwidth, CpuSet, Cputune, Domain } from '../domain/definition.ts';
import { DomctlError, isErrno } from '../errors.ts';
import { unlessGone } from '../host/processes.ts';
import { throttleArguments } from '../qemu/argv-disk-hardware.ts';
import { deviceId } from '../qemu/aliases.ts';
import { diskBackend } from '../qemu/argv-disks.ts';
import { iothreadName } from '../qemu/argv-iothreads.ts';
import { queryCpus, queryIoThreads, setLink, setThrottle } from '../qemu/commands.ts';
import type { QmpClient } from '../qemu/qmp.ts';
import type { Supervisor } from './supervisor.ts';

/** Does all of it; may be done again. The hypervisor answers, its guest does not run yet. */
export async function tuneHypervisor(supervisor: Supervisor, domain: Domain, qmp: QmpClient): Promise<void> {
  if (hasTuning(domain.cputune)) await tuneThreads(supervisor, domain.cputune, qmp);
  for (const [index, { linkUp }] of domain.interfaces.entries())
    if (!linkUp) await setLink(qmp, deviceId(domain, 'interface', index), false);
  for (const disk of domain.disks) {
    if (disk.throttle !== null) await setThrottle(qmp, throttleArguments(diskBackend(disk, domain), disk.throttle));
  }
}

/** Refuses pins on CPUs that this host does not have. Throws HOST_LACKS. */
export function requireCpus({ cpuset, vcpuPins, emulatorPin, iothreadPins }: Cputune, online: CpuSet): void {
  const pins = [
    { element: '<vcpu cpuset>', cpus: cpuset },
    { element: '<emulatorpin>', cpus: emulatorPin },
    ...vcpuPins.map(({ vcpu, cpus }) => ({ element: `<vcpupin vcpu='${vcpu}'>`, cpus })),
    ...iothreadPins.map(({ iothread, cpus }) => ({ element: `<iothreadpin iothread='${iothread}'>`, cpus })),
  ];
  for (const { element, cpus } of pins) {
    const absent = cpus?.filter((cpu) => !online.includes(cpu)) ?? [];
    if (absent.length === 0) continue;
    throw new DomctlError('HOST_LACKS', `${element} names CPU ${absent.join(', ')}, which is not online on this host`, {
      hint: `online: ${online.join(', ')}`,
      details: { element, cpus: absent },
    });
  }
}

/** One group of threads and what it is held to. */
interface Tuning {
  readonly name: string;
  readonly cpus: CpuSet | null;
  readonly bandwidth: Bandwidth | null;
}

function hasTuning(tuning: Cputune): boolean {
  const { vcpuBandwidth, emulatorBandwidth, iothreadBandwidth, cpuset, emulatorPin } = tuning;
  const some = [vcpuBandwidth, emulatorBandwidth, iothreadBandwidth, cpuset, emulatorPin];
  return some.some((each) => each !== null) || tuning.vcpuPins.length > 0 || tuning.iothreadPins.length > 0;
}

function iothreadTuning({ iothreadPins, cpuset, iothreadBandwidth }: Cputune, name: string): Tuning {
  const pin = iothreadPins.find(({ iothread }) => iothreadName(iothread) === name)?.cpus;
  return { name, cpus: pin ?? cpuset, bandwidth: iothreadBandwidth };
}

function vcpuTuning({ vcpuPins, cpuset, vcpuBandwidth }: Cputune, index: number): Tuning {
  const pin = vcpuPins.find(({ vcpu }) => vcpu === index)?.cpus;
  return { name: `vcpu${index}`, cpus: pin ?? cpuset, bandwidth: vcpuBandwidth };
}

async function tuneThreads(supervisor: Supervisor, cputune: Cputune, qmp: QmpClient): Promise<void> {
  const { state } = supervisor;
  const pid = 'hypervisor' in state ? state.hypervisor?.pid : undefined;
  if (pid === undefined) throw new Error('the hypervisor is gone');
  const vcpus = await queryCpus(qmp);
  for (const { index, threadId } of vcpus) await place(supervisor, vcpuTuning(cputune, index), [threadId]);
  const iothreads = await queryIoThreads(qmp);
  for (const { name, threadId } of iothreads) await place(supervisor, iothreadTuning(cputune, name), [threadId]);
  const others = new Set([...vcpus, ...iothreads].map(({ threadId }) => threadId));
  const { emulatorPin, cpuset, emulatorBandwidth } = cputune;
  const tuning = { name: 'emulator', cpus: emulatorPin ?? cpuset, bandwidth: emulatorBandwidth };
  // A thread that was being made while they were counted is found the next time; its children are born where it is.
  for (;;) {
    const threads = threadsOf(pid).filter((thread) => !others.has(thread));
    if (threads.length === 0) return;
    await place(supervisor, tuning, threads);
    for (const thread of threads) others.add(thread);
  }
}

async function place({ cgroup, services }: Supervisor, tuning: Tuning, threads: readonly number[]): Promise<void> {
  const offered = cgroup.controllers().filter((name) => name === 'cpu' || name === 'cpuset');
  if (offered.length > 0) {
    const limits: Limits = { cpuMax: tuning.bandwidth, cpus: offered.includes('cpuset') ? tuning.cpus : null };
    const [lacking] = await cgroup.limitThreads(tuning.name, threads, limits);
    if (lacking) services.log.warn({ cgroup: cgroup.path, limit: lacking.name }, 'no file for a limit of threads');
  }
  for (const thread of threads) if (tuning.cpus) pin(thread, tuning.cpus);
}

function pin(thread: number, cpus: CpuSet): void {
  try {
    setAffinity(thread, cpus);
  } catch (error) {
    if (!isErrno(error, 'ESRCH')) throw error;
  }
}

function threadsOf(pid: number): number[] {
  return (unlessGone(() => readdirSync(`/proc/${pid}/task`)) ?? []).map(Number);
}
