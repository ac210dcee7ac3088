/** What a hypervisor tells its guest about itself, as QEMU's arguments. Pure. */
import type { Domain } from '../domain/definition.ts';
import type { Hyperv, KvmFeatures } from '../domain/features.ts';
import { device, impossible, onOff } from './arguments.ts';

/** What -cpu says of it. */
export function processorFeatures({ features: { chip } }: Domain): string[] {
  return [
    ...told('kvm-pv-eoi', chip.apicEoi),
    ...told('kvm-pv-unhalt', chip.pvSpinlock),
    ...(chip.hyperv === null ? [] : enlightenments(chip.hyperv)),
    ...(chip.kvm === null ? [] : signs(chip.kvm)),
    ...told('pmu', chip.pmu),
  ];
}

/** Who is the I/O APIC, for -machine. */
export function interruptChip({ features: { chip } }: Domain): string {
  return chip.ioapic === null ? '' : `,kernel_irqchip=${chip.ioapic === 'kvm' ? 'on' : 'split'}`;
}

/** `-accel`'s value. */
export function accelerator({ type, features: { chip } }: Domain): string {
  if (type === 'qemu') return 'tcg';
  const size = chip.kvm?.dirtyRing?.size ?? null;
  return size === null ? 'kvm' : `kvm,dirty-ring-size=${size}`;
}

const mib = 1024 * 1024;

/** Memory for system management mode. */
export function managementMemory({ features: { chip } }: Domain): string[] {
  return chip.tsegBytes === null ? [] : ['-global', `mch.extended-tseg-mbytes=${chip.tsegBytes / mib}`];
}

/** Where a guest writes what a dump of it needs. */
export function vmcoreinfoArguments({ features: { chip } }: Domain): string[] {
  return chip.vmcoreinfo === true ? device({ driver: 'vmcoreinfo' }) : [];
}

function told(name: string, on: boolean | null): string[] {
  return on === null ? [] : [`${name}=${onOff(on)}`];
}

/** What is off is left out, as libvirt does: no enlightenment is on by itself. */
function enlightenments(hyperv: Hyperv): string[] {
  return [
    ...on('passthrough', hyperv.passthrough),
    ...hyperv.switches.flatMap((each) => on(each.name.replaceAll('_', '-'), each.on)),
    ...numbers(hyperv),
    ...timersAndFlushes(hyperv),
  ];
}

function on(name: string, isOn: boolean | null): string[] {
  return isOn === true ? [`hv-${name}=on`] : [];
}

function numbers({ spinlocks, vendor }: Hyperv): string[] {
  return [
    ...(spinlocks?.on ? [`hv-spinlocks=0x${(spinlocks.retries ?? 0).toString(16)}`] : []),
    ...(vendor?.on ? [`hv-vendor-id=${vendorId(vendor.id ?? '')}`] : []),
  ];
}

/** What is inside one that is off is off as well. */
function timersAndFlushes({ stimer, tlbflush }: Hyperv): string[] {
  return [
    ...(stimer?.on ? [...on('stimer', true), ...on('stimer-direct', stimer.direct)] : []),
    ...(tlbflush?.on
      ? [...on('tlbflush', true), ...on('tlbflush-direct', tlbflush.direct), ...on('tlbflush-ext', tlbflush.extended)]
      : []),
  ];
}

/** -cpu is cut at every comma, doubled or not. */
function vendorId(id: string): string {
  if (!id.includes(',')) return id;
  throw impossible(`${JSON.stringify(id)} is no vendor's name`, 'see <vendor_id> in the definition');
}

/** What is QEMU's default is left out, as libvirt does. */
function signs({ hidden, hintDedicated, pollControl, pvIpi }: KvmFeatures): string[] {
  return [
    ...(hidden === true ? ['kvm=off'] : []),
    ...(hintDedicated === true ? ['kvm-hint-dedicated=on'] : []),
    ...(pollControl === true ? ['kvm-poll-control=on'] : []),
    ...(pvIpi === false ? ['kvm-pv-ipi=off'] : []),
  ];
}
