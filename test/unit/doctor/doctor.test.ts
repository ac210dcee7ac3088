/** The doctor's judgement of recorded hosts, and its text to the byte. */
import { describe, expect, test } from 'vitest';
import { renderSections } from '../../../lib/cli/render/doctor.ts';
import { judgeHost } from '../../../lib/doctor/examine.ts';
import type { Finding } from '../../../lib/doctor/finding.ts';
import type { HostReadings } from '../../../lib/doctor/readings.ts';
import { known, unknown } from '../../../lib/reading.ts';
import { container, delegated, fixture, hybrid, rootless, unified } from './hosts.ts';

function findings(host: HostReadings): Finding[] {
  return judgeHost(host).flatMap((section) => section.findings);
}

function failures(host: HostReadings): string[] {
  return findings(host).flatMap(({ verdict, what }) => (verdict === 'FAIL' ? [what] : []));
}

/** The one finding about `what`. */
function about(host: HostReadings, what: string): Finding | undefined {
  return findings(host).find((finding) => finding.what === what);
}

describe('the doctor', () => {
  test.each([
    ['hybrid', hybrid],
    ['unified', unified],
    ['rootless', rootless],
    ['container', container],
  ])('says of a recorded host, to the byte: %s', (name, host) => {
    expect(renderSections(judgeHost(host))).toBe(fixture(`hosts/${name}.txt`));
  });

  test.each([
    ['hybrid, as root', hybrid, []],
    ['unified, as root', unified, []],
    ['unified, rootless with a delegated subtree', delegated, []],
    ['unified, rootless', rootless, ['place of our cgroups', 'birth in our cgroups']],
    ['container with read-only cgroups', container, ['hierarchy']],
  ])('fails only what keeps machines from running: %s', (_name, host, expected) => {
    expect(failures(host)).toEqual(expected);
  });

  test('prints the drop-in that delegates a subtree to a user', () => {
    expect(about(rootless, 'place of our cgroups')?.remedy).toMatch(
      /user@\.service\.d\/delegate\.conf\n\[Service\]\nDelegate=cpu cpuset io memory pids\n/,
    );
  });

  test('prints the arguments a container needs', () => {
    expect(about(container, 'hierarchy')?.remedy).toContain('--cgroupns=host -v /sys/fs/cgroup:/sys/fs/cgroup:rw');
  });

  test('every warning and failure has a remedy, and nothing else has', () => {
    for (const host of [hybrid, unified, rootless, delegated, container])
      for (const { verdict, what, remedy } of findings(host)) expect(remedy === null, what).toBe(verdict === 'PASS');
  });

  test('what cannot be read is a warning that says why', () => {
    const host = { ...hybrid, memory: { ...hybrid.memory, pools: unknown('EIO'), swap: unknown('no /proc') } };
    expect(about(host, 'huge page pools')).toMatchObject({ verdict: 'WARN', finding: 'unknown: EIO' });
    expect(about(host, 'swap and overcommit')).toMatchObject({ verdict: 'WARN', finding: 'unknown: no /proc' });
    expect(failures(host)).toEqual([]);
  });
});

describe('the kernel', () => {
  test('without pidfds or clone3 into a cgroup fails, with version or seccomp as remedy', () => {
    const kernel = { ...hybrid.kernel, pidfd: known('ENOSYS'), birth: known('clone3: ENOSYS') };
    expect(about({ ...hybrid, kernel }, 'pidfd')).toMatchObject({ verdict: 'FAIL', finding: 'pidfd_open says ENOSYS' });
    expect(about({ ...hybrid, kernel }, 'birth in a cgroup')?.remedy).toMatch(/5\.7 or later, or a seccomp profile/);
  });

  test.each([
    ['5.10.0-30-amd64', 'FAIL'],
    ['5.14.0', 'PASS'],
    ['6.1.0-9', 'PASS'],
  ])('%s and cgroup.kill, where no cgroup is there to look at: %s', (release, verdict) => {
    expect(about({ ...hybrid, kernel: { ...hybrid.kernel, release } }, 'cgroup.kill')?.verdict).toBe(verdict);
  });

  test('that does not show cgroup.kill fails, whatever its version says', () => {
    const cgroups = { ...unified.cgroups, place: { ...unified.cgroups.place!, kill: known(false) } };
    expect(about({ ...unified, cgroups }, 'cgroup.kill')?.verdict).toBe('FAIL');
  });
});

describe('cgroups', () => {
  const place = unified.cgroups.place!;
  const at = (changes: Partial<typeof place>): HostReadings => ({
    ...unified,
    cgroups: { ...unified.cgroups, place: { ...place, ...changes } },
  });

  test('of a place with processes of its own cannot hand controllers down', () => {
    const host = at({ nearest: '/box', inhabitants: known(3) });
    expect(about(host, 'handing controllers down')).toMatchObject({ verdict: 'FAIL' });
  });

  test('without the memory controller fail; without those for tuning warn', () => {
    expect(about(at({ offered: known(['cpu', 'io']) }), 'memory controller')?.verdict).toBe('FAIL');
    expect(about(at({ offered: known(['memory', 'cpu']) }), 'cpu, cpuset, io, pids controllers')).toMatchObject({
      verdict: 'WARN',
      finding: 'cpuset, io, pids not offered on v2: limits by them cannot be set',
    });
  });

  test('without hugetlb warn only where there are huge pages to count', () => {
    const host = at({ offered: known(['memory']) });
    expect(about(host, 'hugetlb controller')?.verdict).toBe('PASS');
    const pools = known([{ pageBytes: 2 ** 21, pages: 8, freePages: 8 }]);
    expect(about({ ...host, memory: { ...host.memory, pools } }, 'hugetlb controller')?.verdict).toBe('WARN');
  });

  test('of a user whose processes are outside the delegated subtree name systemd-run', () => {
    const cgroups = {
      ...delegated.cgroups,
      place: { ...delegated.cgroups.place!, common: { path: '/user.slice', writable: known(false) } },
    };
    expect(about({ ...delegated, cgroups }, 'birth in our cgroups')?.remedy).toContain('systemd-run --user --scope');
  });
});

describe('memory', () => {
  test.each([
    [1, 0, 'PASS'],
    [1.5, 0, 'WARN'],
    [1.5, 2 ** 40, 'PASS'],
  ])('overcommit %d with %d bytes of swap: %s', (overcommit, swap, verdict) => {
    const configuration = { ...hybrid.configuration, host: { ...hybrid.configuration.host!, overcommit } };
    const host = { ...hybrid, configuration, memory: { ...hybrid.memory, swap: known(swap) } };
    expect(about(host, 'swap and overcommit')?.verdict).toBe(verdict);
  });
});

describe('configuration', () => {
  test('that does not parse fails, by file, line and column', () => {
    const failure = {
      message: '/etc/domctl/policies/mine.yaml:7:3: destroy.killafter: unknown key',
      hint: 'killAfter?',
    };
    const files = [...hybrid.configuration.files, { file: '/etc/domctl/policies/mine.yaml', failure }];
    const host = { ...hybrid, configuration: { ...hybrid.configuration, files } };
    expect(failures(host)).toEqual(['/etc/domctl/policies/mine.yaml']);
    expect(renderSections(judgeHost(host))).toContain('mine.yaml:7:3: destroy.killafter');
  });

  test('that lets definitions give QEMU any option is a warning', () => {
    const allowing = { ...hybrid.configuration.host!, allowQemuCommandline: true };
    const host = { ...hybrid, configuration: { ...hybrid.configuration, host: allowing } };
    expect(about(hybrid, 'qemu:commandline')).toBeUndefined();
    expect(about(host, 'qemu:commandline')?.verdict).toBe('WARN');
  });

  test('anyone may write is a warning, as is a state directory that others see into', () => {
    const [directory] = hybrid.directories;
    const there = (use: 'configuration' | 'state', mode: number): HostReadings => ({
      ...hybrid,
      directories: [{ ...directory!, use, path: '/x', exists: true, nearest: { path: '/x', mode, uid: 0, gid: 0 } }],
    });
    expect(about(there('configuration', 0o777), "configuration directory's mode")?.remedy).toBe('chmod o-w /x');
    expect(about(there('state', 0o755), "state directory's mode")?.verdict).toBe('WARN');
    expect(about(there('state', 0o700), "state directory's mode")).toBeUndefined();
    // As the daemon makes it: others pass through, and see nothing.
    expect(about(there('state', 0o711), "state directory's mode")).toBeUndefined();
  });
});

describe('the hypervisor', () => {
  const [emulator] = hybrid.hypervisor.emulators;
  const withEmulators = (...answers: (typeof emulator)[]): HostReadings => ({
    ...hybrid,
    hypervisor: { ...hybrid.hypervisor, emulators: answers.map((each) => each!) },
  });
  const old = {
    path: '/usr/bin/qemu-kvm',
    answers: known({ version: '6.2.0', asyncTeardown: null, kvm: true, preload: false }),
  };

  test('is missing, or too old: fails with the apt line; one that works is enough', () => {
    expect(about(withEmulators(), 'QEMU')).toMatchObject({
      verdict: 'FAIL',
      remedy: expect.stringMatching(/^apt-get/),
    });
    expect(failures(withEmulators(old))).toEqual(['QEMU /usr/bin/qemu-kvm']);
    expect(failures(withEmulators(old, emulator))).toEqual([]);
  });

  test('has a teardown helper of ours, of its own, or none, which is a warning', () => {
    const finding = (asyncTeardown: 'run-with' | null, preload: boolean) =>
      about(
        withEmulators({ path: '/q', answers: known({ version: '9.0.0', asyncTeardown, kvm: true, preload }) }),
        'QEMU /q',
      );
    expect(finding(null, true)).toMatchObject({
      verdict: 'PASS',
      finding: '9.0.0, KVM and TCG, teardown helper: preload, sandboxed',
    });
    expect(finding('run-with', false)).toMatchObject({
      verdict: 'PASS',
      finding: '9.0.0, KVM and TCG, teardown helper: qemu, outside the sandbox',
    });
    expect(finding(null, false)?.verdict).toBe('WARN');
  });

  test('has a user that exists, is not root, and reaches its monitor', () => {
    const user = (value: typeof hybrid.hypervisor.user): HostReadings => ({
      ...hybrid,
      hypervisor: { ...hybrid.hypervisor, user: value },
    });
    expect(about(user(known(null)), "hypervisor's user")?.remedy).toMatch(/^useradd --system .* nobody/);
    expect(about(user(known({ uid: 0, gid: 0, kvmGid: null })), "hypervisor's user")?.verdict).toBe('FAIL');
    const wall = { path: '/run/closed', mode: 0o700, uid: 0, gid: 0 };
    const ways = [{ path: '/run/closed/domctl', use: 'its monitor', ancestors: [wall] }];
    expect(failures({ ...hybrid, hypervisor: { ...hybrid.hypervisor, ways } })).toEqual(['way to /run/closed/domctl']);
  });

  test("opens /dev/kvm by its group 'kvm'", () => {
    const kvm = { path: '/dev/kvm', mode: 0o660, uid: 0, gid: 104, open: null };
    const host = (kvmGid: number | null): HostReadings => ({
      ...hybrid,
      devices: { ...hybrid.devices, kvm },
      hypervisor: { ...hybrid.hypervisor, user: known({ uid: 65534, gid: 65534, kvmGid }) },
    });
    expect(about(host(104), '/dev/kvm')?.verdict).toBe('PASS');
    expect(about(host(null), '/dev/kvm')?.verdict).toBe('WARN');
  });
});

describe('the daemon', () => {
  test.each([
    [{ kind: 'none' }, 'PASS'],
    [{ kind: 'running', version: '0.1.0', pid: 7 }, 'PASS'],
    [{ kind: 'running', version: '0.0.9', pid: 7 }, 'WARN'],
    [{ kind: 'failed', failure: { message: 'not ours', hint: null } }, 'FAIL'],
  ] as const)('%o: %s', (daemon, verdict) => {
    expect(about({ ...hybrid, daemon }, 'domctld')?.verdict).toBe(verdict);
  });
});
