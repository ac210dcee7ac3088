/** A definition for tests: what is read from the least XML there can be, and what is changed in it. */
import type { Domain } from '../../../lib/domain/definition.ts';
import type { Interface } from '../../../lib/domain/devices.ts';
import { parseDomain } from '../../../lib/xml/parse.ts';

const uuid = '11111111-2222-4333-8444-555555555555';

/** 64 MiB, two vCPUs, no devices. */
export function machine(change: Partial<Domain> = {}): Domain {
  const xml = `<domain type='qemu'><name>m</name><uuid>${uuid}</uuid><memory unit='MiB'>64</memory><vcpu>2</vcpu>
    <os><type arch='x86_64' machine='q35'>hvm</type></os></domain>`;
  const generate = { uuid: () => uuid, mac: () => '52:54:00:00:00:01' };
  return { ...parseDomain(xml, { file: 'test', allowUnsupported: false, generate }).domain, ...change };
}

/** A tap of ours in no bridge. */
export const card: Interface = {
  type: 'ethernet',
  bridge: null,
  tap: null,
  tapManaged: true,
  portForwards: [],
  mac: '52:54:00:aa:bb:cc',
  model: 'virtio',
  queues: null,
  backend: 'qemu',
  mtu: null,
  linkUp: true,
  rom: null,
  bootOrder: null,
  address: null,
};
