/** Rules on what a hypervisor tells its guest about itself. */
import type { Hyperv } from '../domain/features.ts';
import { has, type Known } from './known.ts';
import { tsegSize } from './parse-features.ts';
import type { Problem } from './problems.ts';
import { when, type Ruled } from './rule.ts';

/** What is wrong with `<hyperv>`, `<kvm>`, `<ioapic>` and `<smm>`. */
export function brokenFeatures(known: Known, domain: Ruled): Problem[] {
  return [...brokenHyperv(known, domain), ...brokenKvm(known, domain), ...brokenTseg(known, domain)];
}

function brokenHyperv(known: Known, { features: { chip } }: Ruled): Problem[] {
  const { hyperv } = chip;
  if (hyperv === null) return [];
  const mixed = 'passthrough is all that the host has, so nothing can be chosen beside it';
  const { spinlocks, vendor } = hyperv;
  return [
    ...when(
      hyperv.passthrough && !isEmpty(hyperv),
      known,
      '/domain/features/hyperv',
      mixed,
      "remove what is inside, or write mode='custom'",
    ),
    ...when(
      spinlocks?.on === true && spinlocks.retries === null,
      known,
      '/domain/features/hyperv/spinlocks',
      'it is not told how often',
      "add retries='8191'",
    ),
    ...when(
      vendor?.on === true && vendor.id === null,
      known,
      '/domain/features/hyperv/vendor_id',
      'it is not told which',
      "add value='...'",
    ),
  ];
}

function isEmpty({ switches, spinlocks, stimer, vendor, tlbflush }: Hyperv): boolean {
  return switches.length === 0 && [spinlocks, stimer, vendor, tlbflush].every((each) => each === null);
}

function brokenKvm(known: Known, { type, features: { chip } }: Ruled): Problem[] {
  const key = '/domain/features/kvm/dirty-ring';
  const ring = chip.kvm?.dirtyRing ?? null;
  const isOn = ring?.on === true;
  const noDriver = has(known, '/domain/features/ioapic') && chip.ioapic === null;
  return [
    ...when(isOn && ring.size === null, known, key, 'it has no size', "add size='4096'"),
    ...when(isOn && type !== 'kvm', known, key, 'only KVM has such rings', "write <domain type='kvm'>, or remove it"),
    ...when(noDriver, known, '/domain/features/ioapic', 'it has no driver', "add driver='kvm' or driver='qemu'"),
  ];
}

const mib = 1024 * 1024;

function brokenTseg(known: Known, { os, features }: Ruled): Problem[] {
  const bytes = tsegSize(known);
  if (bytes === undefined) return [];
  const key = '/domain/features/smm/tseg';
  const isWhole = bytes !== null && bytes % mib === 0 && bytes / mib < 0xffff;
  const isReady = features.smm === true && /q35/.test(os.machine);
  return [
    ...when(!isWhole, known, key, 'it is not a number of whole MiB that a machine has', 'write for example 48 MiB'),
    ...when(!isReady, known, key, 'only a q35 machine with SMM has such memory', 'remove it'),
  ];
}
