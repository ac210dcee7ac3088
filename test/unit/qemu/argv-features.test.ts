import { describe, expect, test } from 'vitest';
import type { Domain } from '../../../lib/domain/definition.ts';
import type { ChipFeatures, Hyperv } from '../../../lib/domain/features.ts';
import { bareDomain } from '../../fixtures/qmp/domains.ts';
import { argvOf, objectsOf, valuesOf } from './argv-of.ts';

function having(change: Partial<ChipFeatures>): Pick<Domain, 'features'> {
  return { features: { ...bareDomain.features, chip: { ...bareDomain.features.chip, ...change } } };
}

const none: Hyperv = { passthrough: false, switches: [], spinlocks: null, stimer: null, vendor: null, tlbflush: null };
const silent = { hidden: null, hintDedicated: null, pollControl: null, pvIpi: null, dirtyRing: null };

describe('the processor tells its guest', () => {
  test.each<[string, Partial<ChipFeatures>, string]>([
    ['how interrupts end', { apicEoi: false }, 'kvm-pv-eoi=off'],
    ['of locks and counters', { pvSpinlock: true, pmu: false }, 'kvm-pv-unhalt=on,pmu=off'],
    [
      'nothing of KVM',
      { kvm: { ...silent, hidden: true, hintDedicated: true, pollControl: true, pvIpi: false } },
      'kvm=off,kvm-hint-dedicated=on,kvm-poll-control=on,kvm-pv-ipi=off',
    ],
    ['what QEMU tells anyway', { kvm: { ...silent, hidden: false, pvIpi: true } }, ''],
    ['all that Hyper-V has', { hyperv: { ...none, passthrough: true } }, 'hv-passthrough=on'],
    [
      'some of what Hyper-V has',
      {
        hyperv: {
          ...none,
          switches: [
            { name: 'relaxed', on: true },
            { name: 'vapic', on: false },
            { name: 'emsr_bitmap', on: true },
          ],
          spinlocks: { on: true, retries: 0x1fff },
          stimer: { on: true, direct: true },
          vendor: { on: true, id: 'KVM Hv' },
          tlbflush: { on: true, direct: false, extended: true },
        },
      },
      'hv-relaxed=on,hv-emsr-bitmap=on,hv-spinlocks=0x1fff,hv-vendor-id=KVM Hv,hv-stimer=on,hv-stimer-direct=on,hv-tlbflush=on,hv-tlbflush-ext=on',
    ],
    [
      'nothing of what is off',
      { hyperv: { ...none, stimer: { on: false, direct: true }, vendor: { on: false, id: null } } },
      '',
    ],
  ])('%s', (_what, change, expected) => {
    expect(valuesOf('-cpu', argvOf(having(change)))).toEqual([['qemu64', expected].filter(Boolean).join(',')]);
  });
});

test('the board has the I/O APIC and the memory that are told of', () => {
  const argv = argvOf(having({ ioapic: 'qemu', tsegBytes: 48 * 2 ** 20, vmcoreinfo: true }));
  expect(valuesOf('-machine', argv)[0]).toContain(',kernel_irqchip=split,');
  expect(valuesOf('-machine', argvOf(having({ ioapic: 'kvm' })))[0]).toContain(',kernel_irqchip=on,');
  expect(valuesOf('-global', argv)).toContain('mch.extended-tseg-mbytes=48');
  expect(objectsOf('-device', argv)).toEqual([{ driver: 'vmcoreinfo' }]);
  expect(objectsOf('-device', argvOf(having({ vmcoreinfo: false })))).toEqual([]);
});

test('KVM keeps rings of dirty pages', () => {
  const kvm = { ...silent, dirtyRing: { on: true, size: 4096 } };
  expect(valuesOf('-accel', argvOf({ ...having({ kvm }), type: 'kvm' }))).toEqual(['kvm,dirty-ring-size=4096']);
});
