/** The machine itself -> XML. */
import type {
  Cpu,
  Features,
  GuestClock,
  Loader,
  Nvram,
  OperatingSystem,
  PowerManagement,
  Timer,
  Topology,
} from '../domain/definition.ts';
import { firmwareSettings } from './emit-identity.ts';
import { chipFeatures, managementMode } from './emit-features.ts';
import { numa } from './emit-numa.ts';
import { mark, onOff, tag, texted, yesNo, type Tag } from './serialize.ts';

/** `<os>`. */
export function operatingSystem(os: OperatingSystem): Tag {
  return tag('os', { firmware: os.firmware }, [
    tag('type', { arch: os.arch, machine: os.machine }, 'hvm'),
    os.loader === null ? null : loader(os.loader),
    os.nvram === null ? null : nvram(os.nvram),
    texted('kernel', os.kernel),
    texted('initrd', os.initrd),
    texted('cmdline', os.cmdline),
    ...os.boot.map((dev) => tag('boot', { dev })),
    os.bootMenu === null
      ? null
      : tag('bootmenu', { enable: yesNo(os.bootMenu.enabled), timeout: os.bootMenu.timeoutMs }),
    ...firmwareSettings(os),
  ]);
}

function loader({ path, type, readonly, secure, stateless }: Loader): Tag {
  const attributes = { readonly: yesNo(readonly), secure: secure ? 'yes' : null, type, stateless: yesNo(stateless) };
  return tag('loader', attributes, path);
}

function nvram({ path, template }: Nvram): Tag {
  return tag('nvram', { template }, path ?? []);
}

/** `<features>`, perhaps empty. */
export function features({ acpi, apic, pae, vmport, smm, chip, asyncTeardown }: Features): Tag {
  return tag('features', {}, [
    mark('acpi', acpi),
    apic ? tag('apic', { eoi: onOff(chip.apicEoi) }) : null,
    mark('pae', pae),
    vmport === null ? null : tag('vmport', { state: onOff(vmport) }),
    managementMode(smm, chip.tsegBytes),
    ...chipFeatures(chip),
    asyncTeardown === null ? null : tag('async-teardown', { enabled: yesNo(asyncTeardown) }),
  ]);
}

/** `<cpu>`. */
export function cpu(one: Cpu): Tag {
  const { mode, match, check, migratable, topology: parts, features: flags, numa: cells } = one;
  return tag('cpu', { mode, match, check, migratable: onOff(migratable) }, [
    model(one),
    texted('vendor', one.vendor),
    one.physicalBits === null ? null : tag('maxphysaddr', { ...one.physicalBits }),
    parts === null ? null : topology(parts),
    one.cache === null ? null : tag('cache', { ...one.cache }),
    ...flags.map(({ name, policy }) => tag('feature', { policy, name })),
    numa(cells),
  ]);
}

/** A vendor is told without a model too: then the model's text is none. */
function model({ model: named, vendorId }: Cpu): Tag | null {
  if (named === null && vendorId === null) return null;
  return tag('model', { fallback: named?.fallback ?? null, vendor_id: vendorId }, named?.name ?? []);
}

function topology({ sockets, dies, cores, threads }: Topology): Tag {
  return tag('topology', { sockets, dies, cores, threads });
}

/** `<clock>`. */
export function clock({ offset, timezone, adjustmentSeconds, basis, startSeconds, timers }: GuestClock): Tag {
  const attributes = { offset, timezone, adjustment: adjustmentSeconds, basis, start: startSeconds };
  return tag('clock', attributes, timers.map(timer));
}

function timer({ name, present, tickPolicy, track, frequencyHz }: Timer): Tag {
  return tag('timer', { name, present: yesNo(present), tickpolicy: tickPolicy, track, frequency: frequencyHz });
}

/** `<pm>`, perhaps empty. */
export function powerManagement({ suspendToMemory, suspendToDisk }: PowerManagement): Tag {
  return tag('pm', {}, [
    suspendToMemory === null ? null : tag('suspend-to-mem', { enabled: yesNo(suspendToMemory) }),
    suspendToDisk === null ? null : tag('suspend-to-disk', { enabled: yesNo(suspendToDisk) }),
  ]);
}
