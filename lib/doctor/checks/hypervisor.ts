/** QEMU: the binaries, the user they run as, what that user must reach, and the devices of the host. */
import { type Finding, fail, judge, pass, warn } from '../finding.ts';
import type { Account, DeviceNode, EmulatorReading, HostReadings, Mode } from '../readings.ts';

/** The oldest QEMU domctl works with. */
const oldestQemu = [7, 2] as const;
const apt = 'apt-get install --no-install-recommends';

export function checkHypervisor(host: HostReadings): Finding[] {
  const { hypervisor, program, configuration } = host;
  const asRoot = program.uid === 0;
  const who = configuration.host;
  return [
    ...emulatorFindings(hypervisor.emulators),
    ...(asRoot && who ? [userFinding(hypervisor.user, who.user, who.allowRootHypervisor)] : []),
    ...(asRoot ? wayFindings(hypervisor) : []),
  ];
}

function emulatorFindings(emulators: readonly EmulatorReading[]): Finding[] {
  if (emulators.length === 0) return [fail('QEMU', 'none found in the usual places', `${apt} qemu-system-x86`)];
  const findings = emulators.map(emulatorFinding);
  // One that works is enough, whatever others are like.
  const works = findings.some(({ verdict }) => verdict !== 'FAIL');
  return works ? findings.map((each) => (each.verdict === 'FAIL' ? { ...each, verdict: 'WARN' } : each)) : findings;
}

function emulatorFinding({ path, answers }: EmulatorReading): Finding {
  const what = `QEMU ${path}`;
  if (!answers.known) return fail(what, answers.reason, `${apt} qemu-system-x86`);
  const { version, asyncTeardown, kvm, preload } = answers.value;
  const [major = 0, minor = 0] = version.split('.').map(Number);
  if (major < oldestQemu[0] || (major === oldestQemu[0] && minor < oldestQemu[1]))
    return fail(what, `${version} is too old`, `install QEMU ${oldestQemu.join('.')} or later`);
  const accelerators = kvm ? 'KVM and TCG' : 'TCG only';
  if (preload) return pass(what, `${version}, ${accelerators}, teardown helper: preload, sandboxed`);
  if (asyncTeardown === null)
    return warn(
      what,
      `${version}, ${accelerators}, no teardown helper: destroy waits until the memory is given back`,
      'use a QEMU that is dynamically linked, or has async teardown (7.2 and later)',
    );
  return pass(what, `${version}, ${accelerators}, teardown helper: qemu, outside the sandbox`);
}

function userFinding(user: HostReadings['hypervisor']['user'], name: string, allowRoot: boolean): Finding {
  const what = "hypervisor's user";
  return judge(what, user, (account) => {
    if (account && account.uid !== 0) return pass(what, `${name} (uid ${account.uid})`);
    const why = account ? `'${name}' is root` : `'${name}' does not exist on this host`;
    const make = account
      ? 'name another user in host.yaml: security.user'
      : `useradd --system --no-create-home --shell /usr/sbin/nologin ${name}; or set security.user in host.yaml`;
    return allowRoot ? warn(what, `${why}: hypervisors run as root, as host.yaml allows`, make) : fail(what, why, make);
  });
}

function wayFindings({ user, ways }: HostReadings['hypervisor']): Finding[] {
  const account = user.known ? user.value : null;
  if (!account) return [];
  return ways.map(({ path, use, ancestors }) => {
    const what = `way to ${path}`;
    const wall = ancestors.find((each) => !mayPass(each, account));
    if (!wall) return pass(what, `open to the hypervisor's user (${use})`);
    const finding = `${wall.path} keeps the hypervisor's user out (${use})`;
    const remedy = `chmod o+x ${wall.path}, or use another directory`;
    return use === 'images' ? warn(what, finding, remedy) : fail(what, finding, remedy);
  });
}

function mayPass(directory: Mode, account: Account): boolean {
  return isAllowed(directory, account, 0o1);
}

/** The kernel's rule of owner, group, others; access lists are not looked at. */
function isAllowed({ mode, uid, gid }: Mode, account: Account, bits: number): boolean {
  const groups = [account.gid, ...(account.kvmGid === null ? [] : [account.kvmGid])];
  const shift = uid === account.uid ? 6 : groups.includes(gid) ? 3 : 0;
  return ((mode >> shift) & bits) === bits;
}

export function checkDevices({ devices, hypervisor, program }: HostReadings): Finding[] {
  const account = program.uid === 0 && hypervisor.user.known ? hypervisor.user.value : null;
  return [
    kvmFinding(devices.kvm, account),
    ...(devices.kvm && devices.nested.known
      ? [pass('nested virtualization', isOn(devices.nested.value) ? 'offered to guests' : 'not offered to guests')]
      : []),
    nodeFinding('/dev/net/tun', devices.tun, "networks of type 'bridge' and 'ethernet' need it", 'modprobe tun'),
    nodeFinding('/dev/vhost-net', devices.vhostNet, 'networks are slower without it', 'modprobe vhost_net'),
  ];
}

function kvmFinding(node: DeviceNode | null, account: Account | null): Finding {
  const what = '/dev/kvm';
  if (!node)
    return warn(
      what,
      "not there: type='kvm' is refused, type='qemu' works",
      'load kvm_intel or kvm_amd, and enable virtualization in the firmware (in a virtual machine: nested)',
    );
  if (node.open !== null)
    return warn(what, `cannot be opened: ${node.open}`, 'usermod -aG kvm this user; chmod 660 /dev/kvm');
  if (account && !isAllowed(node, account, 0o6))
    return warn(
      what,
      "works, but not for the hypervisor's user: type='kvm' would fail",
      'groupadd --system kvm; chgrp kvm /dev/kvm; chmod 660 /dev/kvm (udev of a usual distribution does so)',
    );
  return pass(what, account ? "works, for the hypervisor's user too" : 'works');
}

function nodeFinding(what: string, node: DeviceNode | null, use: string, load: string): Finding {
  if (!node) return warn(what, `not there; ${use}`, load);
  if (node.open !== null) return warn(what, `cannot be opened: ${node.open}; ${use}`, 'run as root, or chmod 666 it');
  return pass(what, 'works');
}

function isOn(parameter: string): boolean {
  return parameter === 'Y' || parameter === '1';
}
