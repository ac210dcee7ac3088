/**
 * The full guest: a Debian of the host's release on a disk that boots by itself, with systemd, guest agent, login on the
 * serial console, DHCP and a web server. Slow to make (a minute or two, once) and, without KVM, to boot.
 */
import { copyFile, readFile, rm } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { findOrTell, type Found, keepCached } from '../setup/cache.ts';
import { quickBoot } from './cmdline.ts';
import { writeDisk } from './disk.ts';
import { fingerprint } from './fingerprint.ts';
import { run, unpackPackages } from './packages.ts';

export interface FullGuest {
  /** A qcow2 that is never written: machines get an overlay of it. Readable for every user. */
  readonly image: string;
  readonly user: string;
  readonly password: string;
  /** Writes an empty overlay of the image. */
  readonly overlay: (path: string) => Promise<void>;
}

const sources = ['cmdline.ts', 'disk', 'disk.ts', 'full.ts', 'packages.ts'];
const tools = ['mmdebstrap', 'grub-common', 'grub-pc-bin', 'grub-efi-amd64-bin', 'mtools', 'qemu-utils'];
const system = [
  ...['systemd-sysv', 'udev', 'kmod', 'linux-image-cloud-amd64', 'initramfs-tools', 'lz4', 'e2fsprogs'],
  // Without the bus there is no logind, and without that nobody hears the power button.
  ...['dbus', 'busybox', 'qemu-guest-agent'],
];
const cmdline = `rw ${quickBoot} systemd.show_status=false net.ifnames=0`;

let found: Promise<Found<FullGuest>> | null = null;

/** The full guest, or why there is none. Built once for these very sources; then quick. */
export function fullGuest(): Promise<Found<FullGuest>> {
  found ??= findOrTell('full guest', async () => {
    if (process.getuid?.() !== 0) throw new Error('unpacking a Debian needs root');
    const home = await keepCached(`guest-full-${await fingerprint(sources)}`, build);
    const image = path.join(home, 'image.qcow2');
    const overlay = async (target: string): Promise<void> => {
      await run(path.join(home, 'qemu-img'), ['create', '-q', '-f', 'qcow2', '-F', 'qcow2', '-b', image, target]);
    };
    return { image, user: 'root', password: 'domctl', overlay };
  });
  return found;
}

async function build(next: string, work: string): Promise<void> {
  const root = path.join(work, 'tools');
  await unpackPackages(tools, root, work);
  const system = path.join(work, 'system');
  await unpackSystem(path.join(root, 'usr/bin/mmdebstrap'), system);
  const raw = path.join(work, 'raw');
  await writeDisk(system, raw, cmdline, { root, work });
  await rm(system, { recursive: true });
  const image = path.join(next, 'image.qcow2');
  await copyFile(path.join(root, 'usr/bin/qemu-img'), path.join(next, 'qemu-img'));
  await run(path.join(next, 'qemu-img'), ['convert', '-f', 'raw', '-O', 'qcow2', raw, image]);
}

const scripts = fileURLToPath(new URL('disk', import.meta.url));

async function unpackSystem(mmdebstrap: string, target: string): Promise<void> {
  const release = /^VERSION_CODENAME=(\w+)$/m.exec(await readFile('/etc/os-release', 'utf8'))?.[1];
  if (release === undefined) throw new Error('/etc/os-release names no release');
  const options = [
    ...['--mode=root', '--variant=minbase', `--include=${system.join(',')}`],
    ...['--aptopt=Acquire::Languages "none"', '--aptopt=APT::Install-Recommends "false"'],
    ...[`--essential-hook=${scripts}/prepare`, `--customize-hook=${scripts}/customize`],
  ];
  const argv = [mmdebstrap, '--quiet', ...options, release, target, await hostsMirror()];
  // Its standard input must be open, and at its end: it would read package sources from it.
  const running = run('perl', argv, { timeout: 900_000, maxBuffer: Infinity });
  running.child.stdin?.end();
  await running;
}

async function hostsMirror(): Promise<string> {
  const { stdout } = await run('apt-get', ['indextargets', '--format', '$(REPO_URI)']);
  const uri = stdout.split('\n').find((line) => line !== '' && !line.includes('security'));
  if (uri === undefined) throw new Error('this host has no package repository');
  return uri;
}
