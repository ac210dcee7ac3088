/**
 * Taps of a domain: opened for its hypervisor, which is given the descriptors and no right to make its own, and asked
 * afterwards whether they are free. A tap of ours is not persistent: it goes with its last descriptor.
 */
import { closeSync, constants, openSync, readFileSync } from 'node:fs';
import {
  addToBridge,
  closeFd,
  interfaceIndex,
  openTap,
  setInterfaceMac,
  setInterfaceMtu,
  setInterfaceUp,
} from '../../native/index.ts';
import type { TapClaim } from '../domain/claims.ts';
import type { Interface } from '../domain/devices.ts';
import { hasTap, isVirtio } from '../domain/network.ts';
import { DomctlError, isErrno } from '../errors.ts';
import { unlessGone } from './processes.ts';

const vhostDevice = '/dev/vhost-net';

/** Descriptors of one interface: a tap's queues, and as many of vhost-net or none. */
export interface TapFds {
  readonly fds: readonly number[];
  readonly vhostFds: readonly number[];
}

/** Taps of one launch; to be closed here as soon as the child has them. */
export interface OpenTaps {
  /** All descriptors, in the order a child is given them. */
  readonly fds: readonly number[];
  /** By index in the domain's interfaces, numbered as in a child that has the first of `fds` as `first`. */
  numberedFrom(first: number): ReadonlyMap<number, TapFds>;
  close(): void;
}

/** The name of a tap that the XML gives none: at most 15 bytes, and of this incarnation alone. */
function tapName(incarnation: number, index: number): string {
  return `dctl${incarnation}-${index}`;
}

/** By interface, the name of its tap in incarnation `id`, made by us or by the operator; null: it has none. */
export function tapNames(interfaces: readonly Interface[], id: number): (string | null)[] {
  return interfaces.map((one, index) => (hasTap(one) ? (one.tap ?? tapName(id, index)) : null));
}

/** Claims on the taps that the XML names. */
export function claimNamedTaps(interfaces: readonly Interface[]): TapClaim[] {
  return interfaces.flatMap((one) => (hasTap(one) && one.tap !== null ? [claimTap(one.tap, one.tapManaged)] : []));
}

/** Claims on the taps that it leaves to us, of incarnation `id`. */
export function claimMadeTaps(interfaces: readonly Interface[], id: number): TapClaim[] {
  return interfaces.flatMap((one, index) =>
    hasTap(one) && one.tap === null ? [claimTap(tapName(id, index), true)] : [],
  );
}

function claimTap(name: string, managed: boolean): TapClaim {
  return { kind: 'tap', name, managed, mode: 'exclusive' };
}

/** Opens and sets up the taps of incarnation `id`, all or none. Throws HOST_LACKS, CLAIM_CONFLICT, KernelError. */
export function openTaps(interfaces: readonly Interface[], id: number): OpenTaps {
  const opened: number[] = [];
  const close = (): void => {
    for (const fd of opened.splice(0)) closeSync(fd);
  };
  try {
    const taps = new Map<number, TapFds>();
    for (const [index, iface] of interfaces.entries()) {
      if (!hasTap(iface)) continue;
      const fds = openQueues(iface, iface.tap ?? tapName(id, index), opened);
      taps.set(index, { fds, vhostFds: openVhost(iface, fds.length, opened) });
    }
    return { fds: opened, numberedFrom: (first) => renumber(taps, first), close };
  } catch (error) {
    close();
    throw error;
  }
}

/** The order in which they were opened, and so that of `fds`. */
function renumber(taps: ReadonlyMap<number, TapFds>, first: number): ReadonlyMap<number, TapFds> {
  let next = first;
  const count = (): number => next++;
  return new Map(
    [...taps].map(([index, { fds, vhostFds }]) => [index, { fds: fds.map(count), vhostFds: vhostFds.map(count) }]),
  );
}

function openQueues(iface: Interface, name: string, opened: number[]): number[] {
  const queues = iface.queues ?? 1;
  const multiQueue = iface.tapManaged ? queues > 1 : isMultiQueue(name);
  const fds = Array.from({ length: queues }, (_, queue) => {
    const fd = open(name, { create: iface.tapManaged && queue === 0, multiQueue });
    opened.push(fd);
    return fd;
  });
  if (iface.tapManaged) setUp(iface, name);
  return fds;
}

function open(name: string, how: { create: boolean; multiQueue: boolean }): number {
  try {
    return openTap({ name, ...how });
  } catch (error) {
    if (isErrno(error, 'EBUSY'))
      throw new DomctlError('CLAIM_CONFLICT', `tap '${name}' is in use`, { details: { tap: name }, cause: error });
    if (isErrno(error, 'EPERM', 'EACCES'))
      throw lacks(`the right to make tap '${name}'`, 'run the daemon as root (CAP_NET_ADMIN)', error);
    throw error;
  }
}

/** The first byte fe keeps a bridge from taking the address of a guest's tap for its own: it takes the lowest there is. */
function setUp(iface: Interface, name: string): void {
  const mac = iface.mac.split(':').map((byte) => Number.parseInt(byte, 16));
  setInterfaceMac(name, [0xfe, ...mac.slice(1)]);
  if (iface.mtu !== null) setInterfaceMtu(name, iface.mtu);
  if (iface.bridge !== null) attach(iface.bridge, name);
  setInterfaceUp(name);
}

function attach(bridge: string, name: string): void {
  try {
    addToBridge(bridge, name);
  } catch (error) {
    if (isErrno(error, 'ENODEV', 'ENOTSUP', 'EINVAL')) throw noBridge(bridge, error);
    throw error;
  }
}

/** One for each queue, where the definition wants it or the host has it; a guest's other models cannot use it. */
function openVhost(iface: Interface, queues: number, opened: number[]): number[] {
  if (iface.backend === 'qemu' || !isVirtio(iface.model)) return [];
  const fds: number[] = [];
  try {
    for (let queue = 0; queue < queues; queue += 1) fds.push(openSync(vhostDevice, constants.O_RDWR));
  } catch (error) {
    for (const fd of fds.splice(0)) closeFd(fd);
    if (iface.backend === 'vhost') throw noVhost(error);
  }
  opened.push(...fds);
  return fds;
}

/** What the definition's interfaces want of the host, asked before anything is made. Throws HOST_LACKS by the element. */
export function requireNetwork(interfaces: readonly Interface[]): void {
  for (const iface of interfaces) {
    if (!hasTap(iface)) continue;
    requireDevice('/dev/net/tun', (error) =>
      lacks(`/dev/net/tun, which <interface type='${iface.type}'> needs`, 'load it: modprobe tun', error),
    );
    if (iface.bridge !== null && !isBridge(iface.bridge)) throw noBridge(iface.bridge);
    if (iface.backend === 'vhost' && isVirtio(iface.model)) requireDevice(vhostDevice, noVhost);
    if (!iface.tapManaged && iface.tap !== null) requireTap(iface.tap);
  }
}

function requireDevice(path: string, explain: (cause: unknown) => DomctlError): void {
  try {
    closeSync(openSync(path, constants.O_RDWR));
  } catch (error) {
    throw explain(error);
  }
}

function requireTap(name: string): void {
  if (interfaceIndex(name) !== null && tapFlags(name) !== null) return;
  throw lacks(
    `the tap '${name}', which <target dev='${name}' managed='no'/> names`,
    `make it: ip tuntap add dev ${name} mode tap vnet_hdr; ip link set ${name} up`,
  );
}

/** free: nobody has it open, or it is gone. unseen: only a look at who has it open can tell. */
export type TapState = 'gone' | 'free' | 'attached' | 'unseen';

/**
 * A tap by the kernel's word, without attaching to it (which a tap of several queues allows in use). The carrier says
 * whether somebody has it open, but not while the interface is down.
 */
export function tapState(name: string): TapState {
  if (interfaceIndex(name) === null) return 'gone';
  const carrier = readAbout(name, 'carrier');
  if (carrier === null) return 'unseen';
  return carrier === '1' ? 'attached' : 'free';
}

function isBridge(name: string): boolean {
  return interfaceIndex(name) !== null && readAbout(name, 'bridge/bridge_id') !== null;
}

/** IFF_MULTI_QUEUE of linux/if_tun.h. */
const multiQueueFlag = 0x100;

function isMultiQueue(name: string): boolean {
  return ((tapFlags(name) ?? 0) & multiQueueFlag) !== 0;
}

/** null: no tap. */
function tapFlags(name: string): number | null {
  const flags = readAbout(name, 'tun_flags');
  return flags === null ? null : Number(flags);
}

/** A file of the interface in sysfs; null where it is not there, or (EINVAL) has nothing to say while the interface is down. */
function readAbout(name: string, file: string): string | null {
  try {
    return unlessGone(() => readFileSync(`/sys/class/net/${name}/${file}`, 'utf8'))?.trim() ?? null;
  } catch (error) {
    if (isErrno(error, 'EINVAL')) return null;
    throw error;
  }
}

function noBridge(bridge: string, cause?: unknown): DomctlError {
  return lacks(
    `the bridge '${bridge}', which <source bridge='${bridge}'/> names`,
    `make it: ip link add ${bridge} type bridge; ip link set ${bridge} up`,
    cause,
  );
}

function noVhost(cause: unknown): DomctlError {
  const remedy = "load it: modprobe vhost_net; or use <driver name='qemu'/>";
  return lacks(`${vhostDevice}, which <driver name='vhost'/> needs`, remedy, cause);
}

function lacks(what: string, hint: string, cause?: unknown): DomctlError {
  return new DomctlError('HOST_LACKS', `this host lacks ${what}`, { hint, cause });
}
