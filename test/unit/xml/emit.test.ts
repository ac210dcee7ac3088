import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import type { Domain, UnsupportedFragment } from '../../../lib/domain/definition.ts';
import { emitDomain } from '../../../lib/xml/emit.ts';
import { parseDomain } from '../../../lib/xml/parse.ts';
import { countingOptions } from './generate.ts';

function fixture(name: string): Domain {
  const path = new URL(`../../fixtures/domain-xml/${name}.xml`, import.meta.url);
  return parseDomain(readFileSync(path, 'utf8'), countingOptions(name)).domain;
}

function withFragment(fragment: UnsupportedFragment): string {
  return emitDomain({ ...fixture('full'), unsupported: [fragment] });
}

test('a definition is printed as virsh dumpxml does, defaults included', () => {
  expect(emitDomain(fixture('libvirt-x86_64-pc-minimal'))).toBe(`<domain type='qemu'>
  <name>guest</name>
  <uuid>1ccfd97d-5eb4-478a-bbe6-88d254c16db7</uuid>
  <memory unit='KiB'>4194304</memory>
  <currentMemory unit='KiB'>4194304</currentMemory>
  <vcpu placement='static'>4</vcpu>
  <os>
    <type arch='x86_64' machine='pc'>hvm</type>
  </os>
  <clock offset='utc'/>
  <on_poweroff>destroy</on_poweroff>
  <on_reboot>restart</on_reboot>
  <on_crash>destroy</on_crash>
  <devices>
    <emulator>/usr/bin/qemu-system-x86_64</emulator>
    <memballoon model='virtio'/>
  </devices>
</domain>
`);
});

test('every known element has its place, and metadata is printed as it was given', () => {
  expect(emitDomain(fixture('full'))).toBe(`<domain type='kvm'>
  <name>db 1 (größe)</name>
  <uuid>1ccfd97d-5eb4-478a-bbe6-88d254c16db7</uuid>
  <title>Database &lt;1&gt;</title>
  <description>Two lines,
the second with &lt;cdata&gt; &amp; more</description>
  <metadata>
    <policy xmlns='urn:domctl:policy:1' name='restart-first'/>
    <app:note xmlns:app="http://example.org/app">kept  as it is <!-- this too --></app:note>
  </metadata>
  <memory unit='KiB'>1953125</memory>
  <currentMemory unit='KiB'>1048576</currentMemory>
  <memoryBacking>
    <source type='memfd'/>
    <access mode='shared'/>
    <allocation mode='immediate' threads='8'/>
  </memoryBacking>
  <vcpu placement='static'>4</vcpu>
  <os>
    <type arch='x86_64' machine='pc-q35-7.2'>hvm</type>
    <kernel>/boot/vmlinuz</kernel>
    <initrd>/boot/initrd.img</initrd>
    <cmdline>console=ttyS0 root=&quot;/dev/vda&quot;</cmdline>
    <boot dev='hd'/>
    <boot dev='network'/>
  </os>
  <features>
    <acpi/>
    <apic/>
    <pae/>
    <async-teardown enabled='yes'/>
  </features>
  <clock offset='utc'/>
  <on_poweroff>destroy</on_poweroff>
  <on_reboot>restart</on_reboot>
  <on_crash>destroy</on_crash>
  <devices>
    <emulator>/usr/bin/qemu-system-x86_64</emulator>
    <disk type='file' device='disk'>
      <driver name='qemu' type='qcow2'/>
      <source file='/images/a, b.qcow2'/>
      <target dev='vda' bus='virtio'/>
      <readonly/>
      <shareable/>
    </disk>
    <disk type='file' device='disk'>
      <driver name='qemu' type='raw'/>
      <source file='/images/data.img'/>
      <target dev='vdb' bus='virtio'/>
    </disk>
    <interface type='user'>
      <mac address='52:54:00:ab:cd:ef'/>
      <model type='virtio'/>
    </interface>
    <interface type='user'>
      <mac address='52:54:00:00:00:01'/>
      <model type='rtl8139'/>
    </interface>
    <serial type='file'>
      <source path='/var/log/vm.log' append='on'/>
      <target type='isa-serial' port='0'>
        <model name='isa-serial'/>
      </target>
    </serial>
    <console type='file'>
      <source path='/var/log/vm.log'/>
      <target type='serial' port='0'/>
    </console>
    <console type='file'>
      <source path='/var/log/hvc.log' append='off'/>
      <target type='virtio' port='1'/>
    </console>
    <memballoon model='none'/>
  </devices>
</domain>
`);
});

test.each(['virt-install-server', 'virt-install-scsi'])(
  'the definition virsh dumps for %s is printed the same again',
  (name) => {
    const path = new URL(`../../fixtures/domain-xml/${name}.xml`, import.meta.url);
    const dumped = readFileSync(path, 'utf8');
    // What says nothing is left out; what libvirt leaves open has its default.
    const expected = dumped
      .replace(
        "port='-1' autoport='yes'>\n      <listen type='address'/>",
        "port='-1' autoport='yes' listen='127.0.0.1'>\n      <listen type='address' address='127.0.0.1'/>",
      )
      .replace("<channel type='unix'>\n", "<channel type='unix'>\n      <source mode='bind'/>\n");
    expect(emitDomain(fixture(name))).toBe(expected);
  },
);

test('a policy of a domain that was not read from XML is printed as metadata', () => {
  const printed = emitDomain({ ...fixture('minimal'), policy: 'strict' });
  expect(printed).toContain("<metadata>\n    <policy xmlns='urn:domctl:policy:1' name='strict'/>\n  </metadata>");
  expect(parseDomain(printed, countingOptions('again')).domain.policy).toBe('strict');
});

test('an attribute let through is printed in its element', () => {
  const printed = withFragment({ kind: 'attribute', parent: '/domain/devices/disk[2]/driver', xml: "cache='none'" });
  expect(printed).toContain("<driver name='qemu' type='raw' cache='none'/>");
});

test('an attribute whose value was not understood takes the place of the one printed', () => {
  const printed = withFragment({ kind: 'attribute', parent: '/domain/vcpu', xml: "placement='auto'" });
  expect(printed).toContain("<vcpu placement='auto'>4</vcpu>");
});

test('an element whose value was not understood takes the place of the one printed', () => {
  const printed = withFragment({ kind: 'element', parent: '/domain', xml: '<on_crash>preserve</on_crash>' });
  expect(printed.match(/<on_crash>.*/g)).toEqual(['<on_crash>preserve</on_crash>']);
});

test('an element inside one that would not be printed brings it along', () => {
  const fragment = { kind: 'element', parent: '/domain/features', xml: '<msrs/>' } as const;
  expect(emitDomain({ ...fixture('minimal'), unsupported: [fragment] })).toContain(
    '  <features>\n    <msrs/>\n  </features>',
  );
});

test('what belonged to a disk that is gone is not printed', () => {
  const printed = withFragment({ kind: 'attribute', parent: '/domain/devices/disk[3]/driver', xml: "cache='none'" });
  expect(printed).toBe(emitDomain(fixture('full')));
});
