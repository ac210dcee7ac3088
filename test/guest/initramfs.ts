/**
 * The small guest's initramfs: our scripts in rootfs/, busybox, the guest agent with its libraries, drivers. The same
 * input gives the same bytes. Owns what is in it and which drivers.
 */
import { execFileSync } from 'node:child_process';
import { cp, lutimes, mkdir, readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { librariesOf, run } from './packages.ts';

const scripts = fileURLToPath(new URL('rootfs', import.meta.url));

/** Modules of Debian's kernel that a guest of ours may need; what they depend on comes along. */
const drivers = [
  ...['virtio_pci', 'virtio_blk', 'virtio_net', 'virtio_console', 'virtio_scsi', 'virtio_balloon', 'virtio-rng'],
  ...['virtio_input', 'virtio_mem', 'virtiofs', 'net_failover', 'e1000', 'e1000e', '8139cp', 'af_packet'],
  ...['ahci', 'ata_piix', 'ata_generic', 'sd_mod', 'sr_mod', 'isofs', 'ext4', 'crc32c_generic'],
  ...['i6300esb', 'iTCO_wdt', 'lpc_ich', 'i2c-i801', 'ib700wdt', 'pvpanic-mmio', 'pvpanic-pci', 'button', 'evdev'],
  ...['xhci-pci', 'ehci-pci', 'uhci-hcd', 'usbhid', 'hid-generic', 'usb-storage'],
];

/** Writes the initramfs from the unpacked packages below `packages`; `work` takes its tree. */
export async function writeInitramfs(packages: string, target: string, work: string): Promise<void> {
  const busybox = path.join(packages, 'bin/busybox');
  const tree = path.join(work, 'tree');
  await cp(scripts, tree, { recursive: true });
  await copyInto(tree, '/bin/busybox', busybox);
  const agent = path.join(packages, 'usr/sbin/qemu-ga');
  await copyInto(tree, '/sbin/qemu-ga', agent);
  for (const library of await librariesOf(agent)) await copyInto(tree, library, library);
  await copyDrivers(packages, tree, busybox);
  await packTree(tree, target, busybox);
}

/** A copy of what `source` is or points to, at `place` of the tree. */
async function copyInto(tree: string, place: string, source: string): Promise<void> {
  await mkdir(path.dirname(path.join(tree, place)), { recursive: true });
  await cp(source, path.join(tree, place), { dereference: true });
}

async function copyDrivers(packages: string, tree: string, busybox: string): Promise<void> {
  const [release] = await readdir(path.join(packages, 'lib/modules'));
  const modules = `lib/modules/${release!}`;
  for (const file of await filesOfDrivers(path.join(packages, modules))) {
    await copyInto(tree, `/${modules}/${file}`, path.join(packages, modules, file));
  }
  await run(busybox, ['depmod', '-b', tree, release!]);
}

/** Files below `modules` of the drivers and all they depend on. What the kernel has built in has no file. */
async function filesOfDrivers(modules: string): Promise<Set<string>> {
  const entries = await readdir(modules, { recursive: true });
  const files = new Map(entries.filter((file) => file.endsWith('.ko')).map((file) => [moduleName(file), file]));
  const chosen = new Set<string>();
  const add = async (driver: string): Promise<void> => {
    const file = files.get(moduleName(driver));
    if (file === undefined || chosen.has(file)) return;
    chosen.add(file);
    for (const needed of await dependenciesOf(path.join(modules, file))) await add(needed);
  };
  for (const driver of drivers) await add(driver);
  return chosen;
}

/** Names in the module's own `depends=`, a zero-terminated text of its section .modinfo. */
async function dependenciesOf(module: string): Promise<string[]> {
  const text = /\0depends=([^\0]*)\0/.exec(await readFile(module, 'latin1'))?.[1] ?? '';
  return text.split(',').filter((name) => name !== '');
}

/** Of a path or a name; the kernel takes `-` and `_` for the same. */
function moduleName(file: string): string {
  return path.basename(file, '.ko').replaceAll('-', '_');
}

/** Not packed: an emulated CPU would take longer to unpack it than QEMU to load it. */
async function packTree(tree: string, target: string, busybox: string): Promise<void> {
  const entries = await readdir(tree, { recursive: true });
  const names = ['.', ...entries.sort()];
  for (const name of names) await lutimes(path.join(tree, name), 0, 0);
  const options = ['-o', '-H', 'newc', '-R', '0:0', '--renumber-inodes', '--ignore-devno', '-F', target];
  execFileSync(busybox, ['cpio', ...options], { cwd: tree, input: names.join('\n'), stdio: 'pipe' });
}
