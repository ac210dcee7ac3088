import { describe, expect, test } from 'vitest';
import { buildArgv } from '../../../lib/qemu/argv.ts';
import { bareDomain, disk, fullDomain, plainLaunch as launch, qemu10, serial } from '../../fixtures/qmp/domains.ts';
import { argvOf, lines, objectsOf, valuesOf } from './argv-of.ts';

const sandbox = 'on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny';

describe('the arguments', () => {
  test('of a domain without devices are these, in the order of libvirt', () => {
    expect(lines(argvOf({}))).toEqual([
      '-name guest=bare,debug-threads=on',
      '-S',
      '-machine q35,usb=off,dump-guest-core=off,memory-backend=pc.ram,acpi=on',
      '-accel tcg',
      '-cpu qemu64',
      '-m size=65536k',
      '-object {"qom-type":"memory-backend-ram","id":"pc.ram","share":false,"size":67108864}',
      '-overcommit mem-lock=off',
      '-smp 1,sockets=1,cores=1,threads=1',
      '-uuid 11111111-2222-4333-8444-555555555555',
      '-display none',
      '-no-user-config',
      '-nodefaults',
      '-chardev socket,id=charmonitor,path=/run/d/qmp,server=on,wait=off',
      '-mon chardev=charmonitor,id=monitor,mode=control',
      '-rtc base=utc',
      '-boot strict=on',
      '-global ICH9-LPC.noreboot=off',
      `-sandbox ${sandbox}`,
      '-run-with async-teardown=on',
      '-msg timestamp=on',
    ]);
  });

  test('of a domain with every device are these', () => {
    const argv = lines(buildArgv(fullDomain('/d'), launch));
    expect(argv.slice(6, 7)).toEqual([
      '-object {"qom-type":"memory-backend-memfd","id":"pc.ram","share":true,"prealloc":true,"prealloc-threads":2,"size":67108864}',
    ]);
    expect(argv.slice(argv.indexOf('-boot strict=on') + 1, argv.indexOf(`-sandbox ${sandbox}`))).toEqual([
      '-kernel /d/kernel',
      '-initrd /d/initrd',
      '-append console=ttyS0 root=/dev/vda,rw',
      '-device {"driver":"pcie-root-port","chassis":1,"id":"pci.1","port":8,"bus":"pcie.0","multifunction":true,"addr":"0x1"}',
      ...[2, 3, 4, 5, 6, 7, 8].map((n) => {
        const names = `"chassis":${n},"id":"pci.${n}","port":${n + 7}`;
        return `-device {"driver":"pcie-root-port",${names},"bus":"pcie.0","addr":"0x1.0x${n - 1}"}`;
      }),
      '-device {"driver":"virtio-serial-pci","id":"virtio-serial0","bus":"pci.3","addr":"0x0"}',
      '-blockdev {"driver":"file","filename":"/d/plain.raw","node-name":"libvirt-4-storage","locking":"on","read-only":false}',
      '-device {"driver":"virtio-blk-pci","id":"virtio-disk0","drive":"libvirt-4-storage","bootindex":2,"bus":"pci.4","addr":"0x0"}',
      '-blockdev {"driver":"file","filename":"/d/layers.qcow2","node-name":"libvirt-3-storage","locking":"on","auto-read-only":true,"discard":"unmap"}',
      '-blockdev {"node-name":"libvirt-3-format","read-only":false,"driver":"qcow2","file":"libvirt-3-storage"}',
      '-device {"driver":"virtio-blk-pci","id":"virtio-disk1","drive":"libvirt-3-format","bus":"pci.5","addr":"0x0"}',
      '-blockdev {"driver":"file","filename":"/d/fixed.raw","node-name":"libvirt-2-storage","locking":"on","read-only":true}',
      '-device {"driver":"virtio-blk-pci","id":"virtio-disk2","drive":"libvirt-2-storage","bus":"pci.6","addr":"0x0"}',
      '-blockdev {"driver":"file","filename":"/d/common.raw","node-name":"libvirt-1-storage","locking":"on","read-only":false}',
      '-device {"driver":"virtio-blk-pci","id":"virtio-disk3","drive":"libvirt-1-storage","share-rw":true,"bus":"pci.7","addr":"0x0"}',
      '-netdev {"type":"user","id":"hostnet0"}',
      '-device {"driver":"virtio-net-pci","netdev":"hostnet0","id":"net0","mac":"52:54:00:00:00:00","bootindex":1,"bus":"pci.1","addr":"0x0"}',
      '-netdev {"type":"user","id":"hostnet1"}',
      '-device {"driver":"e1000","netdev":"hostnet1","id":"net1","mac":"52:54:00:00:00:01","bus":"pcie.0","addr":"0x2"}',
      '-netdev {"type":"user","id":"hostnet2"}',
      '-device {"driver":"e1000e","netdev":"hostnet2","id":"net2","mac":"52:54:00:00:00:02","bus":"pci.2","addr":"0x0"}',
      '-netdev {"type":"user","id":"hostnet3"}',
      '-device {"driver":"rtl8139","netdev":"hostnet3","id":"net3","mac":"52:54:00:00:00:03","bus":"pcie.0","addr":"0x3"}',
      '-chardev file,id=charserial0,path=/d/serial0.log',
      '-device {"driver":"isa-serial","chardev":"charserial0","id":"serial0","index":0}',
      '-chardev file,id=charserial1,path=/d/serial1.log,append=on',
      '-device {"driver":"isa-serial","chardev":"charserial1","id":"serial1","index":1}',
      '-chardev file,id=charconsole1,path=/d/console1.log,append=off',
      '-device {"driver":"virtconsole","chardev":"charconsole1","id":"console1"}',
      '-global ICH9-LPC.noreboot=off',
      '-device {"driver":"virtio-balloon-pci","id":"balloon0","bus":"pci.8","addr":"0x0"}',
    ]);
  });

  test('leave power-off to QEMU and keep it in the foreground', () => {
    const argv = buildArgv(fullDomain('/d'), launch);
    expect(argv).not.toContain('-no-shutdown');
    expect(argv).not.toContain('-daemonize');
  });

  test('say kvm for a kvm domain, and the same processor as without', () => {
    const argv = argvOf({ type: 'kvm' });
    expect(valuesOf('-accel', argv)).toEqual(['kvm']);
    expect(valuesOf('-cpu', argv)).toEqual(['qemu64']);
  });

  test('switch ACPI off when the domain does', () => {
    const [machine] = valuesOf('-machine', argvOf({ features: { ...bareDomain.features, acpi: false } }));
    expect(machine).toMatch(/,acpi=off$/);
  });

  test('round memory up to a MiB, for the machine and its backend alike', () => {
    const argv = argvOf({ memoryBytes: 64 * 2 ** 20 + 1 });
    expect(valuesOf('-m', argv)).toEqual(['size=66560k']);
    expect(objectsOf('-object', argv)).toMatchObject([{ size: 65 * 2 ** 20 }]);
  });

  test('say that private memory of a memfd is not shared', () => {
    const memoryBacking = { ...bareDomain.memoryBacking, source: 'memfd' } as const;
    expect(objectsOf('-object', argvOf({ memoryBacking }))).toMatchObject([{ share: false }]);
  });

  test('name threads only for memory that is allocated at once', () => {
    const memoryBacking = { ...bareDomain.memoryBacking, allocationThreads: 4 };
    expect(objectsOf('-object', argvOf({ memoryBacking }))[0]).not.toHaveProperty('prealloc-threads');
  });

  test('take disks by target, vdz before vdaa', () => {
    const disks = ['vdaa', 'vdz', 'vdb'].map((target) => disk(`/d/${target}`, { target }));
    expect(objectsOf('-blockdev', argvOf({ disks }))).toMatchObject([
      { filename: '/d/vdb', 'node-name': 'libvirt-3-storage' },
      { filename: '/d/vdz', 'node-name': 'libvirt-2-storage' },
      { filename: '/d/vdaa', 'node-name': 'libvirt-1-storage' },
    ]);
  });
});

describe('async teardown', () => {
  test.each([
    ['run-with', ['-run-with', 'async-teardown=on']],
    ['async-teardown', ['-async-teardown']],
  ] as const)('is asked in the form %s', (form, expected) => {
    const argv = argvOf({}, { capabilities: { ...qemu10, asyncTeardown: form } });
    expect(argv.slice(argv.indexOf(sandbox) + 1, argv.indexOf('-msg'))).toEqual(expected);
  });

  test('is not mentioned when it is not wanted', () => {
    expect(argvOf({}, { asyncTeardown: false }).join(' ')).not.toContain('teardown');
  });

  test('is refused by an emulator that has none', () => {
    const capabilities = { ...qemu10, asyncTeardown: null };
    expect(() => argvOf({}, { capabilities })).toThrow(expect.objectContaining({ code: 'HOST_LACKS' }));
  });
});

describe('a value never becomes an option', () => {
  const nasty = `a,b=c,,"d" 'e'\\f -S,server=off`;

  test('in the name and the control socket, where commas are doubled', () => {
    const doubled = nasty.replaceAll(',', ',,');
    const argv = argvOf({ name: nasty }, { qmpSocket: `/run/${nasty}` });
    expect(valuesOf('-name', argv)).toEqual([`guest=${doubled},debug-threads=on`]);
    expect(valuesOf('-chardev', argv)).toEqual([`socket,id=charmonitor,path=/run/${doubled},server=on,wait=off`]);
  });

  test('in the path of a serial port', () => {
    const line = serial({ type: 'file', path: `/log/${nasty}`, append: true });
    const [, chardev] = valuesOf('-chardev', argvOf({ serials: [line] }));
    expect(chardev).toBe(`file,id=charserial0,path=/log/${nasty.replaceAll(',', ',,')},append=on`);
  });

  test('in the path of a disk, which stays one JSON string', () => {
    const path = `/d/${nasty}","read-only":false,"x":"`;
    expect(objectsOf('-blockdev', argvOf({ disks: [disk(path, { readonly: true })] }))).toEqual([
      { driver: 'file', filename: path, 'node-name': 'libvirt-1-storage', locking: 'on', 'read-only': true },
    ]);
  });

  test('in what is an argument of its own', () => {
    const os = { ...bareDomain.os, kernel: '/k,1', initrd: '/i,1', cmdline: '-daemonize' };
    const argv = argvOf({ os });
    expect(argv.slice(argv.indexOf('-kernel'), argv.indexOf('-sandbox'))).toEqual([
      '-kernel',
      '/k,1',
      '-initrd',
      '/i,1',
      '-append',
      '-daemonize',
      '-global',
      'ICH9-LPC.noreboot=off',
    ]);
  });

  test.each(['pc,accel=kvm', 'q36', ''])('in the machine type: %j is not known and refused', (machine) => {
    const build = (): string[] => argvOf({ os: { ...bareDomain.os, machine } });
    expect(build).toThrow(expect.objectContaining({ code: 'HOST_LACKS', hint: expect.stringContaining('pc, q35') }));
  });
});

test('a kvm domain is refused by an emulator without KVM', () => {
  const capabilities = { ...qemu10, kvm: false };
  expect(() => argvOf({ type: 'kvm' }, { capabilities })).toThrow(expect.objectContaining({ code: 'HOST_LACKS' }));
});
