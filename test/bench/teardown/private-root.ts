/**
 * A view of the host of this process's own: unpacked packages lie over /usr as if they were installed, and what libvirt
 * writes to /etc, /var and /run goes to the scratch directory. It ends with the mount namespace.
 */
import { execFileSync } from 'node:child_process';
import { appendFileSync, existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { accelerator } from '../machine.ts';

function mount(...args: string[]): void {
  execFileSync('mount', args, { stdio: ['ignore', 'ignore', 'inherit'] });
}

/** Must run in a mount namespace of its own, before anything of /usr is relied upon. */
export function enterPrivateRoot(roots: readonly string[], scratch: string): void {
  if (roots.length > 0)
    mount(
      '-t',
      'overlay',
      'overlay',
      '-o',
      `lowerdir=${[...roots.map((root) => `${root}/usr`), '/usr'].join(':')}`,
      '/usr',
    );
  // Two generations of QEMU's modules in one directory would be mixed up, which ends in an assertion.
  const modules = roots.map((root) => join(root, 'usr/lib/x86_64-linux-gnu/qemu')).find(existsSync);
  if (modules !== undefined) mount('--bind', modules, '/usr/lib/x86_64-linux-gnu/qemu');
  mount('-t', 'tmpfs', 'none', '/run');
  for (const name of ['etc', 'var', 'dev']) layScratchOver(name, scratch);
  // libvirt asks QEMU anew each time where the device is there and QEMU cannot use it.
  if (accelerator === 'tcg') rmSync('/dev/kvm', { force: true });
  configureLibvirt();
}

function layScratchOver(name: string, scratch: string): void {
  const [upper, work] = [join(scratch, name), join(scratch, `${name}.work`)];
  mkdirSync(upper);
  mkdirSync(work);
  mount('-t', 'overlay', 'overlay', '-o', `lowerdir=/${name},upperdir=${upper},workdir=${work}`, `/${name}`);
}

const qemuConf = `user = "nobody"
group = "nogroup"
security_driver = "none"
stdio_handler = "file"
namespaces = []
hugetlbfs_mount = "/run/hugepages"
`;

function configureLibvirt(): void {
  mkdirSync('/etc/libvirt', { recursive: true });
  writeFileSync('/etc/libvirt/qemu.conf', qemuConf);
  writeFileSync('/etc/libvirt/libvirtd.conf', 'auth_unix_rw = "none"\n');
  // Its packages would have made these.
  appendFileSync('/etc/passwd', 'libvirt-qemu:x:64055:65534::/:/usr/sbin/nologin\n');
  appendFileSync('/etc/group', 'libvirt-qemu:x:64055:\n');
  mkdirSync('/run/hugepages');
  mount('-t', 'hugetlbfs', '-o', 'pagesize=2M,mode=1777', 'none', '/run/hugepages');
}
