/** What a hypervisor tells its guest about itself -> XML. */
import type { ChipFeatures, Hyperv, KvmFeatures } from '../domain/features.ts';
import { memory } from './emit-tuning.ts';
import { onOff, tag, type Tag } from './serialize.ts';

/** Inside `<features>`: what is neither a mark nor in a place of its own. */
export function chipFeatures(chip: ChipFeatures): (Tag | null)[] {
  return [
    chip.hyperv === null ? null : hyperv(chip.hyperv),
    chip.kvm === null ? null : kvm(chip.kvm),
    state('pvspinlock', chip.pvSpinlock),
    state('pmu', chip.pmu),
    chip.ioapic === null ? null : tag('ioapic', { driver: chip.ioapic }),
    state('vmcoreinfo', chip.vmcoreinfo),
  ];
}

/** `<smm>` with its memory. */
export function managementMode(on: boolean | null, tsegBytes: number | null): Tag | null {
  if (on === null) return null;
  return tag('smm', { state: onOff(on) }, [tsegBytes === null ? null : memory('tseg', tsegBytes)]);
}

function state(name: string, on: boolean | null): Tag | null {
  return on === null ? null : tag(name, { state: onOff(on) });
}

function kvm({ hidden, hintDedicated, pollControl, pvIpi, dirtyRing }: KvmFeatures): Tag {
  return tag('kvm', {}, [
    state('hidden', hidden),
    state('hint-dedicated', hintDedicated),
    state('poll-control', pollControl),
    state('pv-ipi', pvIpi),
    dirtyRing === null ? null : tag('dirty-ring', { state: onOff(dirtyRing.on), size: dirtyRing.size }),
  ]);
}

function hyperv({ passthrough, switches, spinlocks, stimer, vendor, tlbflush }: Hyperv): Tag {
  return tag('hyperv', { mode: passthrough ? 'passthrough' : 'custom' }, [
    ...switches.map(({ name, on }) => state(name, on)),
    spinlocks === null ? null : tag('spinlocks', { state: onOff(spinlocks.on), retries: spinlocks.retries }),
    stimer === null ? null : tag('stimer', { state: onOff(stimer.on) }, [state('direct', stimer.direct)]),
    vendor === null ? null : tag('vendor_id', { state: onOff(vendor.on), value: vendor.id }),
    tlbflush === null
      ? null
      : tag('tlbflush', { state: onOff(tlbflush.on) }, [
          state('direct', tlbflush.direct),
          state('extended', tlbflush.extended),
        ]),
  ]);
}
