/** Lines of the table: what a hypervisor tells its guest about itself. */
import { amount, powerOfTwo, unit, wholeNumber } from './numbers.ts';
import { holder, ignored, missing, required, under, value, whole, words } from './property.ts';
import { flag, hypervVendor } from './values.ts';

const onOff = value(flag('on', 'off'));

const state = { '': holder, '/@state': required(onOff) } as const;
const freeState = { '': holder, '/@state': onOff } as const;

export const features = {
  '/domain/features/apic/@eoi': onOff,
  '/domain/features/hap': ignored(holder),
  '/domain/features/hap/@state': ignored(onOff),
  '/domain/features/viridian': ignored(holder),
  ...under('/domain/features/pmu', freeState),
  ...under('/domain/features/pvspinlock', freeState),
  ...under('/domain/features/vmcoreinfo', freeState),
  '/domain/features/ioapic': holder,
  '/domain/features/ioapic/@driver': words('kvm', 'qemu'),
  '/domain/features/smm/tseg': value(amount),
  '/domain/features/smm/tseg/@unit': value(unit),
  ...under('/domain/features/kvm', {
    '': holder,
    ...under('/hidden', state),
    ...under('/hint-dedicated', state),
    ...under('/poll-control', state),
    ...under('/pv-ipi', state),
    ...under('/dirty-ring', state),
    '/dirty-ring/@size': value(powerOfTwo(1024, 65536)),
  }),
  ...under('/domain/features/hyperv', {
    '': whole(holder),
    '/@mode': words('custom', 'passthrough'),
    ...under('/relaxed', state),
    ...under('/vapic', state),
    ...under('/vpindex', state),
    ...under('/runtime', state),
    ...under('/synic', state),
    ...under('/reset', state),
    ...under('/frequencies', state),
    ...under('/reenlightenment', state),
    ...under('/ipi', state),
    ...under('/evmcs', state),
    ...under('/avic', state),
    ...under('/emsr_bitmap', state),
    ...under('/xmm_input', state),
    ...under('/spinlocks', state),
    '/spinlocks/@retries': value(wholeNumber(4095, 999_999_999)),
    ...under('/stimer', state),
    ...under('/stimer/direct', state),
    ...under('/vendor_id', state),
    '/vendor_id/@value': value(hypervVendor),
    ...under('/tlbflush', state),
    ...under('/tlbflush/direct', state),
    ...under('/tlbflush/extended', state),
  }),
  '/domain/features/msrs': missing(),
  '/domain/features/tcg': missing(),
} as const;
