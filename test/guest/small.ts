/**
 * The small guest: Debian's kernel and an initramfs that answers everything a manager asks a guest: power button, guest
 * agent, logins, network, watchdog, panic. Boots in about three seconds without KVM. What its kernel's command line may
 * ask for is in rootfs/lib/domctl/wishes.
 *
 * Debian's whole kernel, not the cloud one, which has no i6300esb, no AHCI and no e1000.
 */
import path from 'node:path';
import { findOrTell, type Found, keepCached } from '../setup/cache.ts';
import { quickBoot } from './cmdline.ts';
import { fingerprint } from './fingerprint.ts';
import { writeInitramfs } from './initramfs.ts';
import { packageBehind, unpackModules, unpackPackages } from './packages.ts';
import { unpackKernel } from './vmlinux.ts';

/** Paths to give to QEMU as they are, readable for every user. */
export interface SmallGuest {
  /** A bare vmlinux, for `-kernel`. */
  readonly kernel: string;
  readonly initrd: string;
  /** Serial console, and everything off that costs an emulated CPU time. Wishes, `domctl.panic=2`, go after it. */
  readonly cmdline: string;
}

const sources = ['rootfs', 'initramfs.ts', 'packages.ts', 'small.ts', 'vmlinux.ts'];

let found: Promise<Found<SmallGuest>> | null = null;

/** The small guest, or why there is none. Built once for these very sources; then quick. */
export function smallGuest(): Promise<Found<SmallGuest>> {
  found ??= findOrTell('small guest', async () => {
    const home = await keepCached(`guest-small-${await fingerprint(sources)}`, build);
    return { kernel: path.join(home, 'vmlinux'), initrd: path.join(home, 'initrd'), cmdline: quickBoot };
  });
  return found;
}

async function build(next: string, work: string): Promise<void> {
  const packages = path.join(work, 'packages');
  const kernel = await packageBehind('linux-image-amd64');
  await unpackPackages([kernel, 'busybox-static', 'qemu-guest-agent'], packages, work);
  const release = kernel.replace('linux-image-', '');
  await unpackKernel(path.join(packages, 'boot', `vmlinuz-${release}`), path.join(next, 'vmlinux'), work);
  await unpackModules(path.join(packages, 'lib/modules'));
  await writeInitramfs(packages, path.join(next, 'initrd'), work);
}
