/** XML -> devices of the host, sockets to the host, the store of errors. */
import type { Domain } from '../domain/definition.ts';
import type { Hostdev, ScsiHostdev, UsbHostdev } from '../domain/hostdev.ts';
import type { NetworkSource } from '../domain/disk-source.ts';
import type { Rom } from '../domain/rom.ts';
import type { Pstore, Vsock } from '../domain/links.ts';
import { readAddress, readPlace } from './addresses.ts';
import { devicesAt, find, has, need, valueAt, type Known } from './known.ts';
import { memoryBytes } from './units.ts';
import { readDriver } from './virtio-driver.ts';

const key = '/domain/devices/hostdev';

/** All of them. */
export function readHostdevs(domain: Known): Pick<Domain, 'hostdevs' | 'vsock' | 'pstore'> {
  return {
    hostdevs: devicesAt(domain, key).map(readHostdev),
    vsock: readVsock(domain),
    pstore: readPstore(domain),
  };
}

function readHostdev(hostdev: Known): Hostdev {
  const type = need(hostdev, `${key}/@type`);
  const passed = {
    managed: valueAt(hostdev, `${key}/@managed`) ?? false,
    bootOrder: valueAt(hostdev, `${key}/boot/@order`) ?? null,
    address: readPlace(hostdev),
  };
  switch (type) {
    case 'pci':
      return { type, source: readSource(hostdev), rom: readRom(hostdev, key), ...passed };
    case 'usb':
      return { type, ...readUsb(hostdev), ...passed };
    case 'mdev':
      return {
        type,
        uuid: need(hostdev, `${key}/source/address/@uuid`),
        display: valueAt(hostdev, `${key}/@display`) ?? false,
        ramfb: valueAt(hostdev, `${key}/@ramfb`) ?? null,
        ...passed,
      };
    case 'scsi':
      return { type, source: readScsi(hostdev), readonly: has(hostdev, `${key}/readonly`), ...passed };
  }
}

function readSource(hostdev: Known): Extract<Hostdev, { type: 'pci' }>['source'] {
  return {
    domain: valueAt(hostdev, `${key}/source/address/@domain`) ?? 0,
    bus: need(hostdev, `${key}[pci]/source/address/@bus`),
    slot: need(hostdev, `${key}/source/address/@slot`),
    function: need(hostdev, `${key}/source/address/@function`),
  };
}

/** Of the two the rules want one. */
function readScsi(hostdev: Known): ScsiHostdev['source'] {
  if (valueAt(hostdev, `${key}/source/@protocol`) !== undefined) return readTarget(hostdev);
  return {
    type: 'adapter',
    host: valueAt(hostdev, `${key}/source/adapter/@name`) ?? 0,
    bus: valueAt(hostdev, `${key}[scsi]/source/address/@bus`) ?? 0,
    target: valueAt(hostdev, `${key}/source/address/@target`) ?? 0,
    unit: valueAt(hostdev, `${key}/source/address/@unit`) ?? 0,
  };
}

function readTarget(hostdev: Known): NetworkSource {
  const name = need(hostdev, `${key}/source/host/@name`);
  const port = valueAt(hostdev, `${key}/source/host/@port`) ?? null;
  return {
    ...{ type: 'network', protocol: 'iscsi', name: need(hostdev, `${key}/source/@name`), query: null },
    hosts: [{ transport: 'tcp', name, port }],
    initiator: valueAt(hostdev, `${key}/source/initiator/iqn/@name`) ?? null,
    ...{ snapshot: null, config: null, user: null, group: null },
    ...{ verifiesServer: null, readaheadBytes: null, timeoutSeconds: null },
  };
}

function readUsb(hostdev: Known): Pick<UsbHostdev, 'kind' | 'place' | 'guestReset'> {
  const vendor = valueAt(hostdev, `${key}/source/vendor/@id`);
  const product = valueAt(hostdev, `${key}/source/product/@id`);
  const bus = valueAt(hostdev, `${key}[usb]/source/address/@bus`);
  const device = valueAt(hostdev, `${key}/source/address/@device`);
  return {
    kind: vendor === undefined || product === undefined ? null : { vendor, product },
    place: bus === undefined || device === undefined ? null : { bus, device },
    guestReset: valueAt(hostdev, `${key}/source/@guestReset`) ?? null,
  };
}

/** The `<rom>` of a card; an empty file is none, as with libvirt. */
export function readRom(device: Known, at: '/domain/devices/hostdev' | '/domain/devices/interface'): Rom | null {
  const file = valueAt(device, `${at}/rom/@file`);
  const isOff = valueAt(device, `${at}/rom/@enabled`) === false || file === null;
  const rom = { enabled: !isOff, bar: valueAt(device, `${at}/rom/@bar`) ?? null, file: file ?? null };
  return rom.enabled && rom.bar === null && rom.file === null ? null : rom;
}

/** Without a number, or told so, it gets one at each start; one of a start before is forgotten. */
function readVsock(domain: Known): Vsock | null {
  const vsock = find(domain, '/domain/devices/vsock');
  if (vsock === undefined) return null;
  const cid = valueAt(vsock, '/domain/devices/vsock/cid/@address') ?? null;
  return {
    model: valueAt(vsock, '/domain/devices/vsock/@model') ?? 'virtio',
    cid: valueAt(vsock, '/domain/devices/vsock/cid/@auto') === true ? null : cid,
    virtio: readDriver(vsock),
    address: readAddress(vsock, '/domain/devices/vsock'),
  };
}

function readPstore(domain: Known): Pstore | null {
  const pstore = find(domain, '/domain/devices/pstore');
  if (pstore === undefined) return null;
  return {
    path: need(pstore, '/domain/devices/pstore/path'),
    sizeBytes: pstoreSize(pstore) ?? 0,
    address: readAddress(pstore, '/domain/devices/pstore'),
  };
}

/** Bytes of a store; null when no safe integer holds them. */
export function pstoreSize(pstore: Known): number | null {
  const size = need(pstore, '/domain/devices/pstore/size');
  return memoryBytes(size, valueAt(pstore, '/domain/devices/pstore/size/@unit') ?? 1024n);
}
