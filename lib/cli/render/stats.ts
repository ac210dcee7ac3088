/** A domain's figures as virsh's domstats prints them: its keys in its groups, one `key=value` a line, and a group of ours. */
import type { BlockDeviceStats, DomainStats, InterfaceStats, NodeAnswer } from '../../client/figures.ts';

type Value = string | number | null;
type Line = readonly [key: string, value: Value];

const groups = {
  state: stateLines,
  'cpu-total': cpuLines,
  balloon: balloonLines,
  vcpu: vcpuLines,
  interface: interfaceLines,
  block: blockLines,
  domctl: ownLines,
} as const satisfies Record<string, (stats: DomainStats) => readonly Line[]>;

export type StatsGroup = keyof typeof groups;

/** Every group, in the order in which they are printed. */
export const statsGroups = Object.keys(groups) as StatsGroup[];

/** One domain's block, ending in a newline. What is not known has no line, as in virsh. */
export function renderStats(stats: DomainStats, chosen: readonly StatsGroup[]): string {
  const lines = chosen.flatMap((group) => groups[group](stats)).filter(([, value]) => value !== null);
  return [`Domain: '${stats.name}'`, ...lines.map(([key, value]) => `  ${key}=${value}`)]
    .map((line) => `${line}\n`)
    .join('');
}

function stateLines({ state }: DomainStats): Line[] {
  return [
    ['state.state', state.code],
    ['state.reason', state.reasonCode],
  ];
}

/** libvirt counts in nanoseconds, which in microseconds fit a number for three centuries. */
function nanoseconds(us: number | null): Value {
  return us === null ? null : `${us}000`.replace(/^0+(?=\d)/, '');
}

function cpuLines({ cpu }: DomainStats): Line[] {
  if (!cpu) return [];
  return [
    ['cpu.time', nanoseconds(cpu.timeUs)],
    ['cpu.user', nanoseconds(cpu.userUs)],
    ['cpu.system', nanoseconds(cpu.systemUs)],
  ];
}

/** libvirt counts memory in KiB. */
function kib(bytes: number | null): Value {
  return bytes === null ? null : Math.floor(bytes / 1024);
}

function balloonLines({ balloon }: DomainStats): Line[] {
  return [
    ['balloon.current', kib(balloon.currentBytes)],
    ['balloon.maximum', kib(balloon.maximumBytes)],
  ];
}

/** virVcpuState: 1 is running. */
const vcpuRunning = 1;

function vcpuLines({ vcpu }: DomainStats): Line[] {
  return [
    ['vcpu.current', vcpu.each?.length ?? null],
    ['vcpu.maximum', vcpu.maximum],
    ...(vcpu.each ?? []).flatMap(({ index, timeUs, delayUs }): Line[] => [
      [`vcpu.${index}.state`, vcpuRunning],
      [`vcpu.${index}.time`, nanoseconds(timeUs)],
      [`vcpu.${index}.delay`, nanoseconds(delayUs)],
    ]),
  ];
}

function interfaceLines({ interfaces }: DomainStats): Line[] {
  if (!interfaces) return [];
  return [['net.count', interfaces.length], ...interfaces.flatMap(oneInterface)];
}

function oneInterface({ name, rx, tx }: InterfaceStats, index: number): Line[] {
  const direction = (which: 'rx' | 'tx', traffic: InterfaceStats['rx']): Line[] => [
    [`net.${index}.${which}.bytes`, traffic?.bytes ?? null],
    [`net.${index}.${which}.pkts`, traffic?.packets ?? null],
    [`net.${index}.${which}.errs`, traffic?.errors ?? null],
    [`net.${index}.${which}.drop`, traffic?.dropped ?? null],
  ];
  return [[`net.${index}.name`, name], ...direction('rx', rx), ...direction('tx', tx)];
}

function blockLines({ blocks }: DomainStats): Line[] {
  if (!blocks) return [];
  return [['block.count', blocks.length], ...blocks.flatMap(oneBlock)];
}

function oneBlock({ name, path, rd, wr, fl, allocationBytes, capacityBytes }: BlockDeviceStats, index: number): Line[] {
  const key = (rest: string): string => `block.${index}.${rest}`;
  return [
    [key('name'), name],
    [key('path'), path],
    [key('rd.reqs'), rd.reqs],
    [key('rd.bytes'), rd.bytes],
    [key('rd.times'), rd.timeNs],
    [key('wr.reqs'), wr.reqs],
    [key('wr.bytes'), wr.bytes],
    [key('wr.times'), wr.timeNs],
    [key('fl.reqs'), fl.reqs],
    [key('fl.times'), fl.timeNs],
    [key('allocation'), allocationBytes],
    [key('capacity'), capacityBytes],
  ];
}

/** Ours: what virsh has no word for. Bytes and percent. */
function ownLines({ state, domctl }: DomainStats): Line[] {
  return [
    ['domctl.state', state.word],
    ['domctl.held', domctl.heldBytes],
    ['domctl.promised', domctl.promisedBytes],
    ['domctl.draining', domctl.drainingBytes],
    ['domctl.limit', domctl.limitBytes],
    ['domctl.teardown.time', nanoseconds(domctl.teardownUs)],
    ['domctl.pressure', domctl.pressurePercent],
  ];
}

/** virsh's lines of nodeinfo. */
export function renderNode(node: NodeAnswer): string {
  const lines: Line[] = [
    ['CPU model:', node.cpuModel],
    ['CPU(s):', node.cpus],
    ['CPU frequency:', node.cpuFrequencyMhz === null ? '-' : `${node.cpuFrequencyMhz} MHz`],
    ['CPU socket(s):', node.sockets],
    ['Core(s) per socket:', node.coresPerSocket],
    ['Thread(s) per core:', node.threadsPerCore],
    ['NUMA cell(s):', node.numaCells],
    ['Memory size:', `${kib(node.memoryBytes)} KiB`],
  ];
  return lines.map(([label, value]) => `${label.padEnd(20)} ${value}\n`).join('');
}
