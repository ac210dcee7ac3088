/** XML -> what a hypervisor tells its guest about itself. */
import { hypervSwitches, type ChipFeatures, type Hyperv, type KvmFeatures } from '../domain/features.ts';
import { has, valueAt, type Known } from './known.ts';
import { memoryBytes } from './units.ts';

/** All of `properties-features.ts`. */
export function readChipFeatures(domain: Known): ChipFeatures {
  return {
    apicEoi: valueAt(domain, '/domain/features/apic/@eoi') ?? null,
    pvSpinlock: readSwitch(domain, '/domain/features/pvspinlock'),
    pmu: readSwitch(domain, '/domain/features/pmu'),
    vmcoreinfo: readSwitch(domain, '/domain/features/vmcoreinfo'),
    ioapic: valueAt(domain, '/domain/features/ioapic/@driver') ?? null,
    tsegBytes: tsegSize(domain) ?? null,
    hyperv: has(domain, '/domain/features/hyperv') ? readHyperv(domain) : null,
    kvm: has(domain, '/domain/features/kvm') ? readKvm(domain) : null,
  };
}

type Switch = 'pvspinlock' | 'pmu' | 'vmcoreinfo' | 'vmport' | 'smm';

/** Present without a state is on. */
export function readSwitch(domain: Known, key: `/domain/features/${Switch}`): boolean | null {
  return has(domain, key) ? (valueAt(domain, `${key}/@state`) ?? true) : null;
}

/** Bytes for system management mode; undefined when it is not told, null when no safe integer holds them. */
export function tsegSize(domain: Known): number | null | undefined {
  const amount = valueAt(domain, '/domain/features/smm/tseg');
  if (amount === undefined) return undefined;
  // libvirt's unit here is MiB.
  return memoryBytes(amount, valueAt(domain, '/domain/features/smm/tseg/@unit') ?? 1024n * 1024n);
}

function readKvm(domain: Known): KvmFeatures {
  const ring = valueAt(domain, '/domain/features/kvm/dirty-ring/@state');
  const size = valueAt(domain, '/domain/features/kvm/dirty-ring/@size') ?? null;
  return {
    hidden: valueAt(domain, '/domain/features/kvm/hidden/@state') ?? null,
    hintDedicated: valueAt(domain, '/domain/features/kvm/hint-dedicated/@state') ?? null,
    pollControl: valueAt(domain, '/domain/features/kvm/poll-control/@state') ?? null,
    pvIpi: valueAt(domain, '/domain/features/kvm/pv-ipi/@state') ?? null,
    dirtyRing: ring === undefined ? null : { on: ring, size: ring ? size : null },
  };
}

function readHyperv(domain: Known): Hyperv {
  return {
    passthrough: valueAt(domain, '/domain/features/hyperv/@mode') === 'passthrough',
    switches: hypervSwitches.flatMap((name) => {
      const on = valueAt(domain, `/domain/features/hyperv/${name}/@state`);
      return on === undefined ? [] : [{ name, on }];
    }),
    ...readNumbers(domain),
    ...readFlushes(domain),
  };
}

function readNumbers(domain: Known): Pick<Hyperv, 'spinlocks' | 'vendor'> {
  const spinlocks = valueAt(domain, '/domain/features/hyperv/spinlocks/@state');
  const retries = valueAt(domain, '/domain/features/hyperv/spinlocks/@retries') ?? null;
  const vendor = valueAt(domain, '/domain/features/hyperv/vendor_id/@state');
  const id = valueAt(domain, '/domain/features/hyperv/vendor_id/@value') ?? null;
  return {
    spinlocks: spinlocks === undefined ? null : { on: spinlocks, retries: spinlocks ? retries : null },
    vendor: vendor === undefined ? null : { on: vendor, id: vendor ? id : null },
  };
}

function readFlushes(domain: Known): Pick<Hyperv, 'stimer' | 'tlbflush'> {
  const stimer = valueAt(domain, '/domain/features/hyperv/stimer/@state');
  const tlbflush = valueAt(domain, '/domain/features/hyperv/tlbflush/@state');
  return {
    stimer:
      stimer === undefined
        ? null
        : { on: stimer, direct: valueAt(domain, '/domain/features/hyperv/stimer/direct/@state') ?? null },
    tlbflush:
      tlbflush === undefined
        ? null
        : {
            on: tlbflush,
            direct: valueAt(domain, '/domain/features/hyperv/tlbflush/direct/@state') ?? null,
            extended: valueAt(domain, '/domain/features/hyperv/tlbflush/extended/@state') ?? null,
          },
  };
}
