/**
 * Devices of the host that guests want to themselves: whether they are there, ready to be passed on, and open to the
 * hypervisor. Asks sysfs; binds nothing to a driver and changes nobody's rights.
 */
import { accessSync, constants, readdirSync, readFileSync, readlinkSync, type Stats, statSync } from 'node:fs';
import { basename } from 'node:path';
import type { BlockClaim, CharacterClaim } from '../domain/claims.ts';
import {
  type Hostdev,
  type HostScsi,
  type MdevHostdev,
  type PciHostdev,
  pciName,
  scsiName,
  type UsbHostdev,
  usbName,
} from '../domain/hostdev.ts';
import { DomctlError } from '../errors.ts';

/** Where a host's devices are looked for. */
export interface DeviceRoots {
  readonly sys: string;
  readonly dev: string;
}

const hostRoots: DeviceRoots = { sys: '/sys', dev: '/dev' };

/** Who opens them; null: the daemon's own user. */
export type Opener = { readonly uid: number; readonly gid: number; readonly groups: readonly number[] } | null;

/** What the devices of a definition came to on this host. */
export interface FoundDevices {
  /** Node of each USB and SCSI device, by its index. */
  readonly deviceNodes: ReadonlyMap<number, string>;
  readonly claims: readonly (CharacterClaim | BlockClaim)[];
}

/** Finds each. Throws HOST_LACKS for the first that is not there, not ready, or not open to `opener`. */
export function findHostdevs(hostdevs: readonly Hostdev[], opener: Opener, roots = hostRoots): FoundDevices {
  const deviceNodes = new Map<number, string>();
  const claims: (CharacterClaim | BlockClaim)[] = [];
  for (const [index, hostdev] of hostdevs.entries()) {
    if (hostdev.type === 'scsi') {
      if (hostdev.source.type === 'network') continue;
      const found = findScsi(hostdev.source, roots);
      deviceNodes.set(index, found.node);
      claims.push(claimCharacter(found.node, found.use, opener), ...found.disks);
      continue;
    }
    const { use, node } = hostdev.type === 'usb' ? findUsb(hostdev, roots) : findGroup(hostdev, roots);
    if (hostdev.type === 'usb') deviceNodes.set(index, node);
    else requireOpen(`${roots.dev}/vfio/vfio`, 'VFIO', opener);
    claims.push(claimCharacter(node, use, opener));
  }
  return { deviceNodes, claims };
}

/** A claim on a character device that `opener` may open; `use` is what sentences call it. Throws HOST_LACKS. */
export function claimCharacter(node: string, use: string, opener: Opener): CharacterClaim {
  const { rdev } = requireOpen(node, use, opener);
  return { kind: 'character', node, use, device: rdev, mode: 'exclusive' };
}

interface Found {
  readonly use: string;
  readonly node: string;
}

/** The group of devices that the IOMMU cannot tell apart: VFIO opens it as a whole, or not at all. */
function findGroup(hostdev: PciHostdev | MdevHostdev, roots: DeviceRoots): Found {
  const { use, directory } = hostdev.type === 'pci' ? pciDirectory(hostdev, roots) : mdevDirectory(hostdev, roots);
  const group = linkName(`${directory}/iommu_group`);
  if (group === null) {
    throw new DomctlError('HOST_LACKS', `${use} is in no IOMMU group`, {
      hint: 'switch the IOMMU on: in the firmware, and with intel_iommu=on on the kernel command line',
    });
  }
  if (hostdev.type === 'pci') requireGroup(use, `${directory}/iommu_group/devices`);
  return { use, node: `${roots.dev}/vfio/${group}` };
}

function pciDirectory({ source }: PciHostdev, { sys }: DeviceRoots): { use: string; directory: string } {
  const name = pciName(source);
  const directory = `${sys}/bus/pci/devices/${name}`;
  const use = `PCI device ${name}`;
  requireDirectory(directory, use, "'lspci -D' lists them");
  const driver = linkName(`${directory}/driver`);
  if (driver === 'vfio-pci') return { use, directory };
  throw new DomctlError('HOST_LACKS', `${use} is ${driver === null ? 'without a driver' : `used by ${driver}`}`, {
    hint: `give it to VFIO: driverctl set-override ${name} vfio-pci`,
    details: { device: name, driver },
  });
}

function mdevDirectory({ uuid }: MdevHostdev, { sys }: DeviceRoots): { use: string; directory: string } {
  const use = `mediated device ${uuid}`;
  const directory = `${sys}/bus/mdev/devices/${uuid}`;
  requireDirectory(directory, use, `make it: mdevctl start --uuid ${uuid} --parent .. --type ..`);
  return { use, directory };
}

function requireDirectory(path: string, use: string, hint: string): void {
  if (statSync(path, { throwIfNoEntry: false })?.isDirectory()) return;
  throw new DomctlError('HOST_LACKS', `this host has no ${use}`, { hint, details: { path } });
}

/** Drivers that do not work in the memory of the host (drivers/vfio: vfio_dev_driver_allowed). */
const harmless: ReadonlySet<string | null> = new Set(['vfio-pci', 'pci-stub', 'pcieport', null]);

function requireGroup(use: string, devices: string): void {
  for (const name of readdirSync(devices)) {
    const driver = linkName(`${devices}/${name}/driver`);
    if (harmless.has(driver)) continue;
    throw new DomctlError('HOST_LACKS', `${use} shares its IOMMU group with ${name}, which ${driver} uses`, {
      hint: `give that one to VFIO as well: driverctl set-override ${name} vfio-pci`,
      details: { device: name, driver },
    });
  }
}

function linkName(path: string): string | null {
  try {
    return basename(readlinkSync(path));
  } catch {
    return null;
  }
}

/** Its generic node, which commands go through, and the disk that the host's own driver makes of it, if it is one. */
function findScsi(source: HostScsi, roots: DeviceRoots): Found & { readonly disks: readonly BlockClaim[] } {
  const name = scsiName(source);
  const use = `SCSI device ${name}`;
  const directory = `${roots.sys}/bus/scsi/devices/${name}`;
  requireDirectory(directory, use, "'lsscsi -g' lists them");
  const [generic] = list(`${directory}/scsi_generic`);
  if (generic === undefined)
    throw new DomctlError('HOST_LACKS', `${use} has no generic node`, { hint: 'load its driver: modprobe sg' });
  const disks = list(`${directory}/block`).flatMap((disk) => blockClaim(`${roots.dev}/${disk}`));
  return { use, node: `${roots.dev}/${generic}`, disks };
}

function blockClaim(path: string): BlockClaim[] {
  const stats = statSync(path, { throwIfNoEntry: false });
  return stats?.isBlockDevice() ? [{ kind: 'block', path, device: stats.rdev, mode: 'exclusive' }] : [];
}

interface Plugged {
  readonly bus: number;
  readonly device: number;
  readonly vendor: number;
  readonly product: number;
}

/** By its place, by its kind, or by both; a kind alone must be there once. */
function findUsb({ kind, place }: UsbHostdev, roots: DeviceRoots): Found {
  const fitting = pluggedIn(roots).filter(
    (each) =>
      (place === null || (each.bus === place.bus && each.device === place.device)) &&
      (kind === null || (each.vendor === kind.vendor && each.product === kind.product)),
  );
  const told = [kind === null ? [] : kindName(kind), place === null ? [] : `at ${usbName(place)}`].flat().join(' ');
  const [found, ...others] = fitting;
  if (found === undefined) {
    throw new DomctlError('HOST_LACKS', `this host has no USB device ${told}`, { hint: "'lsusb' lists them" });
  }
  if (others.length > 0) {
    throw new DomctlError('HOST_LACKS', `this host has ${fitting.length} USB devices ${told}`, {
      hint: `add <address bus='${found.bus}' device='${found.device}'/> of the one that is meant`,
      details: { devices: fitting.map(usbName) },
    });
  }
  return { use: `USB device ${usbName(found)}`, node: `${roots.dev}/bus/usb/${usbName(found)}` };
}

function kindName({ vendor, product }: { vendor: number; product: number }): string {
  return [vendor, product].map((number) => number.toString(16).padStart(4, '0')).join(':');
}

function pluggedIn({ sys }: DeviceRoots): Plugged[] {
  const directory = `${sys}/bus/usb/devices`;
  return list(directory).flatMap((name) => {
    const read = (file: string, base: number): number => {
      return Number.parseInt(readOr(`${directory}/${name}/${file}`), base);
    };
    const one = {
      bus: read('busnum', 10),
      device: read('devnum', 10),
      vendor: read('idVendor', 16),
      product: read('idProduct', 16),
    };
    // Interfaces of devices are listed as well, and have no numbers.
    return Number.isNaN(one.device) || Number.isNaN(one.vendor) ? [] : [one];
  });
}

/** A host without USB has no such directory. */
function list(directory: string): string[] {
  return statSync(directory, { throwIfNoEntry: false }) ? readdirSync(directory) : [];
}

/** What was pulled out meanwhile says nothing. */
function readOr(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

/** Throws HOST_LACKS unless it is there and `opener` may read and write it. */
function requireOpen(node: string, use: string, opener: Opener): Stats {
  const stats = statSync(node, { throwIfNoEntry: false });
  if (!stats) throw new DomctlError('HOST_LACKS', `${use}: this host has no ${node}`, { hint: remedyFor(node) });
  if (mayOpen(node, stats, opener)) return stats;
  throw new DomctlError('HOST_LACKS', `${use}: the hypervisor may not read and write ${node}`, {
    hint: `let a rule of udev give it to the hypervisor's user or group, e.g. GROUP="kvm", MODE="0660"`,
    details: { path: node },
  });
}

function remedyFor(node: string): string {
  return node.includes('/vfio/') ? 'load it: modprobe vfio-pci' : 'is it plugged in, and its driver loaded?';
}

const [readWriteOfOwner, readWriteOfGroup, readWriteOfOthers] = [0o600, 0o060, 0o006];

/** By owner, group and mode, as the kernel checks them; lists of access are not looked at. */
function mayOpen(node: string, { mode, uid, gid }: Stats, opener: Opener): boolean {
  if (opener === null) return isAccessible(node);
  if (opener.uid === uid) return (mode & readWriteOfOwner) === readWriteOfOwner;
  const isOfGroup = opener.gid === gid || opener.groups.includes(gid);
  const needed = isOfGroup ? readWriteOfGroup : readWriteOfOthers;
  return (mode & needed) === needed;
}

function isAccessible(node: string): boolean {
  try {
    accessSync(node, constants.R_OK | constants.W_OK);
    return true;
  } catch {
    return false;
  }
}
