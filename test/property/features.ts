/** Any `<features>` that a hypervisor tells its guest of, as long as it keeps the rules. */
import { fc } from '@fast-check/vitest';
import { hypervSwitches, type ChipFeatures, type Hyperv } from '../../lib/domain/features.ts';
import { maybe, number, oneOf } from './arbitrary.ts';

const flag = maybe(fc.boolean());

const chosen: fc.Arbitrary<Hyperv> = fc.record({
  passthrough: fc.constant(false),
  switches: fc
    .subarray([...hypervSwitches])
    .chain((names) => fc.tuple(...names.map((name) => fc.record({ name: fc.constant(name), on: fc.boolean() })))),
  spinlocks: maybe(
    fc.oneof(
      fc.constant({ on: false, retries: null }),
      fc.record({ on: fc.constant(true), retries: number(4095, 65535) }),
    ),
  ),
  stimer: maybe(fc.record({ on: fc.boolean(), direct: flag })),
  vendor: maybe(fc.constantFrom({ on: false, id: null }, { on: true, id: 'KVM Hv' })),
  tlbflush: maybe(fc.record({ on: fc.boolean(), direct: flag, extended: flag })),
});

const everything: Hyperv = {
  passthrough: true,
  switches: [],
  spinlocks: null,
  stimer: null,
  vendor: null,
  tlbflush: null,
};

/** `eoi` and rings of dirty pages follow from other settings, and are left to the fixtures. */
export const chipFeatures: fc.Arbitrary<ChipFeatures> = fc.record({
  apicEoi: fc.constant(null),
  pvSpinlock: flag,
  pmu: flag,
  vmcoreinfo: flag,
  ioapic: maybe(oneOf('kvm', 'qemu')),
  tsegBytes: fc.constant(null),
  hyperv: maybe(fc.oneof(chosen, fc.constant(everything))),
  kvm: maybe(
    fc.record({
      hidden: flag,
      hintDedicated: flag,
      pollControl: flag,
      pvIpi: flag,
      dirtyRing: maybe(fc.constant({ on: false, size: null })),
    }),
  ),
});
