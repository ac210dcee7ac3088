import { describe, expect, test } from 'vitest';
import type { Cpu, Domain, Timer } from '../../../lib/domain/definition.ts';
import type { Firmware } from '../../../lib/domain/firmware.ts';
import { clockEnvironment } from '../../../lib/qemu/argv-clock.ts';
import { bareCpu, bareDomain } from '../../fixtures/qmp/domains.ts';
import { argvOf, objectsOf, onMachine, valuesOf } from './argv-of.ts';

const gib = 2 ** 30;

describe('memory', () => {
  function backend(change: Partial<Domain['memoryBacking']>, domain: Partial<Domain> = {}): object {
    const memoryBacking = { ...bareDomain.memoryBacking, ...change };
    return objectsOf('-object', argvOf({ memoryBytes: gib, memoryBacking, ...domain }))[0]!;
  }

  test('of huge pages is a memfd, taken at once', () => {
    expect(backend({ hugepages: { pageBytes: 2 ** 21 }, allocationThreads: 4 })).toEqual({
      'qom-type': 'memory-backend-memfd',
      id: 'pc.ram',
      hugetlb: true,
      hugetlbsize: 2 ** 21,
      share: false,
      prealloc: true,
      'prealloc-threads': 4,
      size: gib,
    });
  });

  test("of huge pages without a size is of the host's default size", () => {
    expect(backend({ hugepages: { pageBytes: null } })).not.toHaveProperty('hugetlbsize');
  });

  test('is locked, and not merged with that of others, when the definition says so', () => {
    const argv = argvOf({ memoryBacking: { ...bareDomain.memoryBacking, locked: true, mergePages: false } });
    expect(valuesOf('-overcommit', argv)).toEqual(['mem-lock=on']);
    expect(valuesOf('-machine', argv)[0]).toContain(',dump-guest-core=off,mem-merge=off,');
  });
});

describe('a processor', () => {
  const plain: Cpu = { ...bareCpu, model: { name: 'core2duo', fallback: null } };
  const features = (['force', 'require', 'optional', 'disable', 'forbid'] as const).map((policy) => {
    return { name: `f_${policy}`, policy };
  });
  const kvm = { type: 'kvm' } as const;

  test.each<[string, Partial<Cpu>, Partial<Domain>, string]>([
    ['a model and its features', { features }, {}, 'core2duo,f-force=on,f-require=on,f-disable=off,f-forbid=off'],
    ['a topology without a model', { model: null }, {}, 'qemu64'],
    ["the host's, passed through", { mode: 'host-passthrough', migratable: false }, kvm, 'host,migratable=off'],
    ['the most there is', { mode: 'maximum' }, {}, 'max'],
    ["the host's model with KVM", { mode: 'host-model', migratable: true }, kvm, 'host'],
    ["the host's model without KVM", { mode: 'host-model' }, {}, 'max'],
  ])('is %s', (_what, cpu, domain, expected) => {
    expect(valuesOf('-cpu', argvOf({ ...domain, cpu: { ...plain, ...cpu } }))).toEqual([expected]);
  });

  test.each([
    ['x86_64', null, 'qemu64'],
    ['i686', null, 'qemu32'],
    ['i686', '/usr/bin/qemu-system-x86_64', 'qemu64'],
    ['i686', '/usr/bin/qemu-system-i386', 'qemu32'],
  ] as const)('of a machine of %s in %s is %s', (arch, emulator, expected) => {
    expect(valuesOf('-cpu', argvOf({ emulator, os: { ...bareDomain.os, arch } }))).toEqual([expected]);
  });

  test('passed through is refused without KVM', () => {
    const refusal = expect.objectContaining({ code: 'HOST_LACKS', hint: expect.stringContaining("type='kvm'") });
    expect(() => argvOf({ cpu: { ...plain, mode: 'host-passthrough' } })).toThrow(refusal);
  });

  test('that the emulator has not is refused by name', () => {
    const cpu = { ...plain, model: { name: 'Z80', fallback: null } };
    expect(() => argvOf({ cpu })).toThrow(
      expect.objectContaining({ code: 'HOST_LACKS', details: expect.objectContaining({ model: 'Z80' }) }),
    );
  });

  test.each(['core2duo,kvm=off', 'a=b', ''])('called %j is refused, where quoting would not help', (name) => {
    const refusal = expect.objectContaining({ code: 'INVALID_XML' });
    expect(() => argvOf({ cpu: { ...plain, model: { name, fallback: null } } })).toThrow(refusal);
    expect(() => argvOf({ cpu: { ...plain, features: [{ name, policy: 'require' }] } })).toThrow(refusal);
  });

  test.each([
    [4, 4, null, '4,sockets=4,cores=1,threads=1'],
    [4, 1, null, '1,maxcpus=4,sockets=4,cores=1,threads=1'],
    [8, 8, { sockets: 1, dies: 2, cores: 2, threads: 2 }, '8,sockets=1,dies=2,clusters=1,cores=2,threads=2'],
  ])('is one of %d, %d at boot, grouped as %j', (vcpus, currentVcpus, topology, expected) => {
    expect(valuesOf('-smp', argvOf({ vcpus, currentVcpus, cpu: { ...plain, topology } }))).toEqual([expected]);
  });
});

describe('the clock', () => {
  const timer = { present: null, tickPolicy: null, track: null, frequencyHz: null } as const;
  const clockOf = (change: Partial<Domain['clock']>): Pick<Domain, 'clock'> => {
    return { clock: { ...bareDomain.clock, ...change } };
  };

  test.each<[Partial<Domain['clock']>, string]>([
    [{ offset: 'utc' }, 'base=utc'],
    [{ offset: 'localtime' }, 'base=localtime'],
    [{ offset: 'timezone', timezone: 'Europe/Paris' }, 'base=localtime'],
    [{ offset: 'absolute', startSeconds: 86_400 }, 'base=1970-01-02T00:00:00'],
    [{ offset: 'variable', adjustmentSeconds: -5, basis: 'utc' }, 'base=2026-01-02T03:04:00'],
    [
      { timers: [{ ...timer, name: 'rtc', track: 'wall', tickPolicy: 'catchup' }] },
      'base=utc,clock=host,driftfix=slew',
    ],
    [{ timers: [{ ...timer, name: 'rtc', track: 'guest' }] }, 'base=utc,clock=vm'],
  ])('%j is %s', (clock, expected) => {
    expect(valuesOf('-rtc', argvOf(clockOf(clock)))).toEqual([expected]);
  });

  test('of another time zone is the environment of the hypervisor', () => {
    expect(clockEnvironment({ ...bareDomain, ...clockOf({ offset: 'timezone', timezone: 'Europe/Paris' }) })).toEqual({
      TZ: 'Europe/Paris',
    });
    expect(clockEnvironment(bareDomain)).toEqual({});
  });

  test('has timers in the machine, the processor and the chip of KVM', () => {
    const timers: Timer[] = [
      { ...timer, name: 'hpet', present: false },
      { ...timer, name: 'pit', present: true, tickPolicy: 'delay' },
      { ...timer, name: 'kvmclock', present: false },
      { ...timer, name: 'hypervclock', present: true },
      { ...timer, name: 'tsc', frequencyHz: 3_000_000_000 },
    ];
    const argv = argvOf({ ...clockOf({ timers }), type: 'kvm' });
    expect(valuesOf('-machine', argv)[0]).toContain(',memory-backend=pc.ram,hpet=off,pit=on,acpi=on');
    expect(valuesOf('-cpu', argv)).toEqual(['qemu64,kvmclock=off,hv-time=on,tsc-frequency=3000000000']);
    expect(valuesOf('-global', argv)).toContain('kvm-pit.lost_tick_policy=delay');
    expect(valuesOf('-global', argvOf(clockOf({ timers }))).join()).not.toContain('kvm-pit');
  });
});

describe('the board', () => {
  test('has the features the definition decides', () => {
    const features = { ...bareDomain.features, vmport: false, smm: true };
    expect(valuesOf('-machine', argvOf({ features }))).toEqual([
      'q35,usb=off,vmport=off,smm=on,dump-guest-core=off,memory-backend=pc.ram,acpi=on',
    ]);
  });

  test.each([
    ['q35', ['ICH9-LPC.disable_s3=1', 'ICH9-LPC.disable_s4=0']],
    ['pc', ['PIIX4_PM.disable_s3=1', 'PIIX4_PM.disable_s4=0']],
  ])('%s hides sleep states', (machine, expected) => {
    const powerManagement = { suspendToMemory: false, suspendToDisk: true };
    const set = valuesOf('-global', argvOf({ ...onMachine(machine), powerManagement }));
    expect(set.filter((each) => each.includes('disable_'))).toEqual(expected);
  });

  test.each<[Partial<Domain['lifecycle']>, string[]]>([
    [{}, []],
    [{ onReboot: 'destroy' }, ['reboot=shutdown']],
    [{ onPoweroff: 'restart', onCrash: 'restart' }, ['shutdown=pause,panic=pause']],
    [{ onCrash: 'preserve' }, ['panic=pause']],
  ])('acts by itself for %j as %j', (change, expected) => {
    expect(valuesOf('-action', argvOf({ lifecycle: { ...bareDomain.lifecycle, ...change } }))).toEqual(expected);
  });

  test('shows a boot menu for a while', () => {
    const bootMenu = { enabled: true, timeoutMs: 3000 };
    expect(valuesOf('-boot', argvOf({ os: { ...bareDomain.os, bootMenu } }))).toEqual([
      'menu=on,splash-time=3000,strict=on',
    ]);
  });
});

describe('firmware', () => {
  const flash: Firmware = {
    code: '/f/code,1.fd',
    codeFormat: 'raw',
    type: 'pflash',
    readonly: true,
    secure: false,
    vars: '/n/vars.fd',
    varsFormat: 'raw',
  };

  test('in place of the BIOS is one file', () => {
    expect(valuesOf('-bios', argvOf({}, { firmware: { ...flash, type: 'rom', vars: null } }))).toEqual([flash.code]);
  });

  test('in flash is two chips of the machine', () => {
    const argv = argvOf({}, { firmware: flash });
    expect(argv.indexOf('-blockdev')).toBeLessThan(argv.indexOf('-machine'));
    expect(objectsOf('-blockdev', argv)).toEqual([
      {
        driver: 'file',
        filename: flash.code,
        'node-name': 'libvirt-pflash0-storage',
        'auto-read-only': true,
        discard: 'unmap',
      },
      { 'node-name': 'libvirt-pflash0-format', 'read-only': true, driver: 'raw', file: 'libvirt-pflash0-storage' },
      {
        driver: 'file',
        filename: flash.vars,
        'node-name': 'libvirt-pflash1-storage',
        locking: 'on',
        'read-only': false,
      },
    ]);
    expect(valuesOf('-machine', argv)[0]).toContain(',pflash0=libvirt-pflash0-format,pflash1=libvirt-pflash1-storage,');
  });

  test('without variables is one chip', () => {
    const [machine] = valuesOf('-machine', argvOf({}, { firmware: { ...flash, vars: null } }));
    expect(machine).toContain(',pflash0=libvirt-pflash0-format,acpi=on');
  });

  test('that guards its variables gets the mode it needs', () => {
    const argv = argvOf({}, { firmware: { ...flash, secure: true } });
    expect(valuesOf('-machine', argv)[0]).toContain(',smm=on,');
    expect(valuesOf('-global', argv)).toContain('driver=cfi.pflash01,property=secure,value=on');
  });

  test.each<[string, Partial<Domain>]>([
    ['a board without that mode', onMachine('pc')],
    ['a definition that forbids it', { features: { ...bareDomain.features, smm: false } }],
  ])('that guards its variables is refused with %s', (_what, change) => {
    const build = (): string[] => argvOf(change, { firmware: { ...flash, secure: true } });
    expect(build).toThrow(expect.objectContaining({ code: 'INVALID_XML' }));
  });
});

describe('a processor feature that QEMU has no word for', () => {
  const cpuOf = (policy: 'disable' | 'require'): Pick<Domain, 'cpu'> => {
    const model = { name: 'core2duo', fallback: null };
    const features = [{ name: 'pconfig', policy }];
    return { cpu: { ...bareCpu, model, features } };
  };

  test('needs no switching off', () => {
    expect(valuesOf('-cpu', argvOf(cpuOf('disable')))).toEqual(['core2duo']);
  });

  test('is refused when the guest must have it', () => {
    expect(() => argvOf(cpuOf('require'))).toThrow(expect.objectContaining({ code: 'INVALID_XML' }));
  });
});
