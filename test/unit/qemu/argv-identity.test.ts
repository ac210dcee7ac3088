import { describe, expect, test } from 'vitest';
import type { Cpu, Domain } from '../../../lib/domain/definition.ts';
import type { Sysinfo } from '../../../lib/domain/sysinfo.ts';
import { bareCpu, bareDomain } from '../../fixtures/qmp/domains.ts';
import { argvOf, objectsOf, valuesOf } from './argv-of.ts';

const sysinfo: Sysinfo = {
  bios: [{ name: 'vendor', value: 'LENOVO,type=1' }],
  system: [
    { name: 'manufacturer', value: 'Fedora' },
    { name: 'uuid', value: bareDomain.uuid },
  ],
  baseBoards: [[{ name: 'serial', value: 'B1' }], [{ name: 'serial', value: 'B2' }]],
  chassis: [],
  oemStrings: ['a', 'b,c'],
};

function os(change: Partial<Domain['os']>): Pick<Domain, 'os'> {
  return { os: { ...bareDomain.os, ...change } };
}

describe('a machine says who it is', () => {
  test('by tables of its own, a comma in them being one', () => {
    expect(valuesOf('-smbios', argvOf({ sysinfo, ...os({ smbios: 'sysinfo' }) }))).toEqual([
      'type=0,vendor=LENOVO,,type=1',
      `type=1,manufacturer=Fedora,uuid=${bareDomain.uuid}`,
      'type=2,serial=B1',
      'type=2,serial=B2',
      'type=11,value=a,value=b,,c',
    ]);
  });

  test.each([null, 'emulate'] as const)('by those of QEMU with %j', (smbios) => {
    expect(argvOf({ sysinfo, ...os({ smbios }) })).not.toContain('-smbios');
  });

  test('and of which generation it is', () => {
    const genid = '43dc0cf8-809b-4adb-9bea-a9abb5f3d90e';
    expect(objectsOf('-device', argvOf({ genid }))).toEqual([{ driver: 'vmgenid', guid: genid, id: 'vmgenid0' }]);
  });
});

describe('the firmware', () => {
  test('has tables of files', () => {
    const acpiTables = [
      { type: 'slic', path: '/etc/a,b' },
      { type: 'raw', path: '/etc/raw' },
    ] as const;
    expect(valuesOf('-acpitable', argvOf(os({ acpiTables })))).toEqual(['sig=SLIC,file=/etc/a,,b', 'file=/etc/raw']);
  });

  test.each([
    [128, 'reboot-timeout=128,strict=on'],
    [-1, 'reboot-timeout=-1,strict=on'],
  ])('tries again after %d ms', (rebootTimeoutMs, expected) => {
    expect(valuesOf('-boot', argvOf(os({ rebootTimeoutMs })))).toEqual([expected]);
  });
});

describe('a processor has the shape', () => {
  const plain: Cpu = { ...bareCpu, vendor: 'Intel' };
  const passed = { mode: 'host-passthrough' } as const;

  test.each<[Partial<Cpu>, string]>([
    [{ vendorId: 'GenuineIntel' }, 'qemu64,vendor=GenuineIntel'],
    [{ physicalBits: { mode: 'emulate', bits: 42 } }, 'qemu64,phys-bits=42'],
    [{ ...passed, physicalBits: { mode: 'passthrough', limit: null } }, 'host,host-phys-bits=on'],
    [{ ...passed, physicalBits: { mode: 'passthrough', limit: 39 } }, 'host,host-phys-bits=on,host-phys-bits-limit=39'],
    [{ cache: { mode: 'emulate', level: 3 } }, 'qemu64,l3-cache=on'],
    [{ ...passed, cache: { mode: 'emulate', level: 3 } }, 'host,l3-cache=on,host-cache-info=off'],
    [{ ...passed, cache: { mode: 'passthrough', level: null } }, 'host,host-cache-info=on,l3-cache=off'],
    [{ cache: { mode: 'disable', level: null } }, 'qemu64,l3-cache=off'],
    [{ ...passed, cache: { mode: 'disable', level: null } }, 'host,host-cache-info=off,l3-cache=off'],
  ])('%j', (change, expected) => {
    expect(valuesOf('-cpu', argvOf({ type: 'kvm', cpu: { ...plain, ...change } }))).toEqual([expected]);
  });

  test('never another one by its name', () => {
    const refusal = expect.objectContaining({ code: 'INVALID_XML' });
    expect(() => argvOf({ cpu: { ...plain, vendorId: 'a,kvm=off123' } })).toThrow(refusal);
  });
});
