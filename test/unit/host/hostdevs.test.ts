/** Devices of the host, in trees made for the test; nodes are regular files there, of which only the rights count. */
import { statSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Hostdev } from '../../../lib/domain/hostdev.ts';
import { type DeviceRoots, findHostdevs } from '../../../lib/host/hostdevs.ts';

let root = '';
let roots: DeviceRoots = { sys: '', dev: '' };
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'domctl-hostdevs-'));
  roots = { sys: join(root, 'sys'), dev: join(root, 'dev') };
});
afterEach(() => rm(root, { recursive: true, force: true }));

const passed = { managed: false, bootOrder: null, address: null } as const;
const card: Hostdev = { ...passed, type: 'pci', source: { domain: 0, bus: 6, slot: 1, function: 0 }, rom: null };
const uuid = '53764d0e-85a0-42b4-af5c-2046b460b1dc';
const mdev: Hostdev = { ...passed, type: 'mdev', uuid, display: false, ramfb: null };

function usb(change: Partial<Extract<Hostdev, { type: 'usb' }>>): Hostdev {
  return { ...passed, type: 'usb', kind: null, place: null, guestReset: null, ...change };
}

async function put(path: string, text = '', mode = 0o666): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, text);
  await chmod(path, mode);
}

async function link(path: string, target: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  await symlink(target, path);
}

/** A function of a card, in IOMMU group 12 with `beside`. */
async function plugCard(driver: string, beside: readonly (readonly [string, string])[] = []): Promise<void> {
  const group = `${roots.sys}/kernel/iommu_groups/12`;
  for (const [name, driven] of [['0000:06:01.0', driver], ...beside] as const) {
    const directory = `${roots.sys}/bus/pci/devices/${name}`;
    await link(`${directory}/driver`, `../../drivers/${driven}`);
    await link(`${directory}/iommu_group`, group);
    await link(`${group}/devices/${name}`, directory);
  }
}

async function plugStick(name: string, bus: number, device: number, product = 'beef'): Promise<void> {
  const files = { busnum: String(bus), devnum: String(device), idVendor: '1234', idProduct: product };
  for (const [file, text] of Object.entries(files))
    await put(`${roots.sys}/bus/usb/devices/${name}/${file}`, `${text}\n`);
  await put(`${roots.dev}/bus/usb/${String(bus).padStart(3, '0')}/${String(device).padStart(3, '0')}`);
}

/** Who may do nothing but what all may. */
const stranger = { uid: 4711, gid: 4711, groups: [] };

function find(...hostdevs: Hostdev[]): ReturnType<typeof findHostdevs> {
  return findHostdevs(hostdevs, stranger, roots);
}

describe('a device on PCI', () => {
  beforeEach(async () => {
    await put(`${roots.dev}/vfio/vfio`);
    await put(`${roots.dev}/vfio/12`);
  });

  test('is claimed by the node of its IOMMU group', async () => {
    await plugCard('vfio-pci', [['0000:06:01.1', 'vfio-pci']]);
    expect(find(card).claims).toMatchObject([
      { kind: 'character', node: `${roots.dev}/vfio/12`, use: 'PCI device 0000:06:01.0', mode: 'exclusive' },
    ]);
  });

  test('must be there', () => {
    expect(() => find(card)).toThrow('this host has no PCI device 0000:06:01.0');
  });

  test('is not taken from the driver that has it, managed or not', async () => {
    await plugCard('e1000e');
    const wanted = expect.objectContaining({
      code: 'HOST_LACKS',
      message: 'PCI device 0000:06:01.0 is used by e1000e',
      hint: 'give it to VFIO: driverctl set-override 0000:06:01.0 vfio-pci',
    });
    expect(() => find(card)).toThrow(wanted);
    expect(() => find({ ...card, managed: true })).toThrow(wanted);
  });

  test('cannot be had alone where the IOMMU cannot tell it from one in use', async () => {
    await plugCard('vfio-pci', [['0000:06:01.1', 'snd_hda_intel']]);
    expect(() => find(card)).toThrow('shares its IOMMU group with 0000:06:01.1, which snd_hda_intel uses');
  });

  test('must be open to the hypervisor', async () => {
    await plugCard('vfio-pci');
    await chmod(`${roots.dev}/vfio/12`, 0o600);
    expect(() => find(card)).toThrow(`the hypervisor may not read and write ${roots.dev}/vfio/12`);
    expect(() => findHostdevs([card], null, roots)).not.toThrow();
  });

  test('is told of when VFIO is not loaded', async () => {
    await plugCard('vfio-pci');
    await rm(`${roots.dev}/vfio/vfio`);
    expect(() => find(card)).toThrow(expect.objectContaining({ hint: 'load it: modprobe vfio-pci' }));
  });

  test('that is mediated is found by its UUID', async () => {
    await link(`${roots.sys}/bus/mdev/devices/${uuid}/iommu_group`, `${roots.sys}/kernel/iommu_groups/12`);
    expect(find(mdev).claims).toMatchObject([{ node: `${roots.dev}/vfio/12`, use: `mediated device ${uuid}` }]);
  });
});

describe('a device on USB', () => {
  test('is found by its place, by its kind, or by both', async () => {
    await plugStick('1-1', 1, 2);
    await plugStick('14-3', 14, 6, 'cafe');
    const kind = { vendor: 0x1234, product: 0xcafe };
    const place = { bus: 14, device: 6 };
    const found = find(usb({ place: { bus: 1, device: 2 } }), usb({ kind }));
    const nodes = ['001/002', '014/006'].map((name) => `${roots.dev}/bus/usb/${name}`);
    expect([...found.deviceNodes.values()]).toEqual(nodes);
    expect(found.claims).toMatchObject(nodes.map((node) => ({ node })));
    expect(find(usb({ kind, place })).deviceNodes.get(0)).toBe(nodes[1]);
    expect(() => find(usb({ kind, place: { bus: 1, device: 2 } }))).toThrow('no USB device 1234:cafe at 001/002');
  });

  test('of a kind that is there twice must be told by its place', async () => {
    await plugStick('1-1', 1, 2);
    await plugStick('1-2', 1, 3);
    const wanted = expect.objectContaining({
      message: 'this host has 2 USB devices 1234:beef',
      hint: "add <address bus='1' device='2'/> of the one that is meant",
    });
    expect(() => find(usb({ kind: { vendor: 0x1234, product: 0xbeef } }))).toThrow(wanted);
  });

  test('is told of on a host without USB', () => {
    expect(() => find(usb({ place: { bus: 1, device: 2 } }))).toThrow('this host has no USB device at 001/002');
  });

  test('is open to its group', async () => {
    await plugStick('1-1', 1, 2);
    await chmod(`${roots.dev}/bus/usb/001/002`, 0o660);
    const one = usb({ place: { bus: 1, device: 2 } });
    const gid = process.getgid?.() ?? 0;
    expect(() => findHostdevs([one], { ...stranger, groups: [gid] }, roots)).not.toThrow();
    expect(() => find(one)).toThrow('may not read and write');
  });
});

describe('a SCSI device', () => {
  const source = { type: 'adapter', host: 2, bus: 0, target: 4, unit: 8 } as const;
  const tape: Hostdev = { ...passed, type: 'scsi', source, readonly: false };
  const directory = (): string => `${roots.sys}/bus/scsi/devices/2:0:4:8`;

  test('is claimed by the node that passes commands on, which the hypervisor must be able to open', async () => {
    await put(`${directory()}/scsi_generic/sg3/dev`);
    await put(`${roots.dev}/sg3`);
    const { deviceNodes, claims } = find(tape);
    expect([...deviceNodes]).toEqual([[0, `${roots.dev}/sg3`]]);
    expect(claims).toMatchObject([{ kind: 'character', node: `${roots.dev}/sg3`, use: 'SCSI device 2:0:4:8' }]);
    await chmod(`${roots.dev}/sg3`, 0o600);
    expect(() => find(tape)).toThrow('SCSI device 2:0:4:8: the hypervisor may not read and write');
  });

  test('that is a disk of the host as well is claimed as that, too', async () => {
    await put(`${directory()}/scsi_generic/sg3/dev`);
    await put(`${roots.dev}/sg3`);
    await mkdir(`${directory()}/block/sdc`, { recursive: true });
    // No block device of the test’s own is to be had: one of the host’s stands for it.
    const [any] = (await readdir('/dev')).filter((name) => statSync(`/dev/${name}`).isBlockDevice());
    if (any === undefined) return;
    await symlink(`/dev/${any}`, `${roots.dev}/sdc`);
    const device = statSync(`/dev/${any}`).rdev;
    expect(find(tape).claims).toMatchObject([
      { kind: 'character' },
      { kind: 'block', path: `${roots.dev}/sdc`, device, mode: 'exclusive' },
    ]);
  });

  test('is refused by its place where it is not there, or has no such node', async () => {
    expect(() => find(tape)).toThrow('this host has no SCSI device 2:0:4:8');
    await mkdir(directory(), { recursive: true });
    expect(() => find(tape)).toThrow('SCSI device 2:0:4:8 has no generic node');
  });

  test('of a server is nothing of this host', () => {
    const nothing = {
      query: null,
      snapshot: null,
      config: null,
      user: null,
      group: null,
      verifiesServer: null,
    } as const;
    const served = {
      ...({ type: 'network', protocol: 'iscsi', name: 'iqn.1992-01.com.example:a/1', ...nothing } as const),
      ...{ readaheadBytes: null, timeoutSeconds: null, initiator: null, hosts: [] },
    };
    expect(find({ ...passed, type: 'scsi', source: served, readonly: false }).claims).toEqual([]);
  });
});
