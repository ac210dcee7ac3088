/** Virtual processors as QEMU's arguments. Pure. Owns what each mode of `<cpu>` comes to: docs/decisions/0012. */
import type { Cpu, Domain } from '../domain/definition.ts';
import { DomctlError } from '../errors.ts';
import { processorTimers } from './argv-clock.ts';
import { processorFeatures } from './argv-features.ts';
import { impossible, onOff } from './arguments.ts';
import { type Capabilities, requireProcessor } from './capabilities.ts';

/** Without `<cpu>` the model is pinned: `host` and `max` abort under some nested KVM, and a default may change. */
function pinnedModel({ os, emulator }: Domain): string {
  const isSmall = emulator === null ? os.arch === 'i686' : /i386$/.test(emulator);
  return isSmall ? 'qemu32' : 'qemu64';
}

/** The one board whose own default is an older one. */
const isaModel = '486';

/** `-cpu`. Throws HOST_LACKS for the host's own processor without KVM, and for a model this emulator has not. */
export function processorArguments(domain: Domain, capabilities: Capabilities): string[] {
  const model = modelOf(domain);
  requireProcessor(capabilities, model);
  const options = [
    ...migratable(domain.cpu),
    ...features(domain.cpu),
    ...processorTimers(domain),
    ...processorFeatures(domain),
    ...shape(domain.cpu),
  ];
  return ['-cpu', [model, ...options].join(',')];
}

/** `-smp`: how many there are at boot, how many there can be, and how they are grouped. */
export function topologyArguments({ vcpus, currentVcpus, cpu }: Domain): string[] {
  const maximum = currentVcpus < vcpus ? `,maxcpus=${vcpus}` : '';
  const { sockets, dies, cores, threads } = cpu?.topology ?? { sockets: vcpus, dies: null, cores: 1, threads: 1 };
  const inner = dies === null ? '' : `,dies=${dies},clusters=1`;
  return ['-smp', `${currentVcpus}${maximum},sockets=${sockets}${inner},cores=${cores},threads=${threads}`];
}

function modelOf(domain: Domain): string {
  const { type, cpu, os } = domain;
  switch (cpu?.mode) {
    case undefined:
      return os.machine === 'isapc' ? isaModel : pinnedModel(domain);
    case 'custom':
      return plain(cpu.model?.name ?? pinnedModel(domain));
    case 'maximum':
      return 'max';
    case 'host-model':
      return type === 'kvm' ? 'host' : 'max';
    case 'host-passthrough':
      if (type === 'kvm') return 'host';
      throw new DomctlError('HOST_LACKS', "the host's processor cannot be passed through without KVM", {
        hint: "use <domain type='kvm'>, or <cpu mode='maximum'/>",
      });
  }
}

function migratable(cpu: Cpu | null): string[] {
  const settable = cpu?.mode === 'host-passthrough' || cpu?.mode === 'maximum';
  return settable && cpu.migratable !== null ? [`migratable=${onOff(cpu.migratable)}`] : [];
}

/** Vendor, cache and addresses, in libvirt's forms. */
function shape(cpu: Cpu | null): string[] {
  if (cpu === null) return [];
  const { vendorId, physicalBits } = cpu;
  return [...(vendorId === null ? [] : [`vendor=${vendor(vendorId)}`]), ...cache(cpu), ...addressBits(physicalBits)];
}

function cache({ mode, cache }: Cpu): string[] {
  if (cache === null) return [];
  const isHost = mode === 'host-passthrough' || mode === 'maximum';
  const off = isHost ? ['host-cache-info=off'] : [];
  if (cache.mode === 'emulate') return ['l3-cache=on', ...off];
  return cache.mode === 'passthrough' ? ['host-cache-info=on', 'l3-cache=off'] : [...off, 'l3-cache=off'];
}

function addressBits(bits: Cpu['physicalBits']): string[] {
  if (bits === null) return [];
  if (bits.mode === 'emulate') return [`phys-bits=${bits.bits}`];
  return ['host-phys-bits=on', ...(bits.limit === null ? [] : [`host-phys-bits-limit=${bits.limit}`])];
}

/** Spaces are part of such a name, commas never. */
function vendor(id: string): string {
  if (/^[^,]{12}$/.test(id)) return id;
  throw impossible(`${JSON.stringify(id)} is no vendor of a processor`, 'see <cpu> in the definition');
}

/** `optional` leaves it to the model, as libvirt does when it cannot ask. */
function features(cpu: Cpu | null): string[] {
  const decided = (cpu?.features ?? []).filter(({ policy }) => policy !== 'optional');
  return decided.flatMap(({ name, policy }) => {
    const wanted = policy === 'force' || policy === 'require';
    return unknownToQemu.has(name) ? withoutWord(name, wanted) : [`${qemuFeature(plain(name))}=${onOff(wanted)}`];
  });
}

/** Features that libvirt names and no QEMU of ours has a word for: their guests never have them. */
const unknownToQemu: ReadonlySet<string> = new Set(['cmt', 'mbm_total', 'mbm_local', 'osxsave', 'ospke', 'pconfig']);

/** Nothing to switch off; not to be switched on either. */
function withoutWord(name: string, wanted: boolean): string[] {
  if (!wanted) return [];
  throw impossible(`QEMU gives no guest the processor feature ${JSON.stringify(name)}`, 'remove it from <cpu>');
}

/** QEMU's spelling of libvirt's names: hyphens, and one name that was misspelt long ago. */
function qemuFeature(name: string): string {
  return name === 'pclmuldq' ? 'pclmulqdq' : name.replaceAll('_', '-');
}

/** -cpu is cut at every comma, doubled or not: such a name could only be another setting. */
function plain(name: string): string {
  if (/^[\w.+-]+$/.test(name)) return name;
  throw impossible(`${JSON.stringify(name)} is no name of a processor or feature`, 'see <cpu> in the definition');
}
