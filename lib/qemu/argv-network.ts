/** Network cards as QEMU's arguments. Pure: taps are opened by others and come as descriptor numbers. */
import type { Domain } from '../domain/definition.ts';
import type { Interface, PortForward } from '../domain/devices.ts';
import type { BootOrder } from './argv-boot.ts';
import { romProperties } from './argv-hostdevs.ts';
import { type Part, given, impossible, json, pciDevice } from './arguments.ts';

/** Descriptors of one card as numbered in the hypervisor: one of each for a queue. */
export interface Tap {
  readonly fds: readonly number[];
  /** Of /dev/vhost-net; empty: packets go through the hypervisor. */
  readonly vhostFds: readonly number[];
}

const drivers: Readonly<Record<Interface['model'], string>> = {
  virtio: 'virtio-net-pci',
  e1000: 'e1000',
  e1000e: 'e1000e',
  rtl8139: 'rtl8139',
};

/** Each card, `netN`, behind its back end, `hostnetN`. Its link is up: taking it down is a command. */
export function interfaceParts(domain: Domain, taps: ReadonlyMap<number, Tap>, boot: BootOrder): Part[] {
  return domain.interfaces.flatMap((nic, index) => {
    const netdev = `hostnet${index}`;
    const properties = {
      driver: drivers[nic.model],
      ...virtioProperties(nic),
      netdev,
      id: `net${index}`,
      mac: nic.mac,
      ...given('bootindex', boot.get(nic) ?? null),
      ...romProperties(nic.rom),
    };
    return [...json('-netdev', backend(nic, netdev, taps.get(index))), pciDevice('interface', nic.address, properties)];
  });
}

/** A queue takes two interrupt vectors; one is for configuration, one for control. */
function virtioProperties({ model, queues, mtu }: Interface): object {
  if (model !== 'virtio') return {};
  const several = queues !== null && queues > 1 ? { mq: true, vectors: 2 * queues + 2 } : {};
  return { ...several, ...given('host_mtu', mtu) };
}

function backend(nic: Interface, id: string, tap: Tap | undefined): object {
  if (nic.type === 'user') return { type: 'user', ...forwards(nic.portForwards), id };
  if (!tap) throw new Error(`no tap was opened for the ${nic.type} interface ${nic.mac}`);
  return { type: 'tap', ...descriptors('fd', tap.fds), ...vhost(tap.vhostFds), id };
}

/** One descriptor and several go by different names. */
function descriptors(key: 'fd' | 'vhostfd', fds: readonly number[]): object {
  return fds.length === 1 ? { [key]: String(fds[0]) } : { [`${key}s`]: fds.join(':') };
}

function vhost(fds: readonly number[]): object {
  return fds.length === 0 ? {} : { vhost: true, ...descriptors('vhostfd', fds) };
}

function forwards(portForwards: readonly PortForward[]): object {
  if (portForwards.length === 0) return {};
  return { hostfwd: portForwards.map((each) => ({ str: forward(each) })) };
}

/** QEMU's own text, without quoting: what is not an IPv4 address could be another setting. */
function forward({ protocol, address, hostPort, guestPort }: PortForward): string {
  if (address !== null && !/^[\d.]+$/.test(address)) {
    throw impossible(`<portForward address='${address}'>: not an IPv4 address`, "QEMU's own NAT forwards IPv4 only");
  }
  return `${protocol}:${address ?? ''}:${hostPort}-:${guestPort}`;
}
