/**
 * What devices are called: by the definition, else as libvirt would call them. Pure. The arguments are made with libvirt's
 * names, and those of the definition put in their place at last: in a device, and where another one names it as its bus.
 */
import { type Alias, type AliasedDevice, aliasOf } from '../domain/aliases.ts';
import type { Controller } from '../domain/devices.ts';
import type { Domain } from '../domain/definition.ts';

/** Id of a device by which it is known to QMP, where that is made of its number alone. */
export function deviceId(domain: Domain, device: 'interface' | 'memballoon', index: number): string {
  return aliasOf(domain.aliases, device, index) ?? `${prefixes[device]}${index}`;
}

/** `argv` with the names of the definition. */
export function withAliases(argv: readonly string[], domain: Domain): string[] {
  const names = namesOf(domain);
  if (names.size === 0) return [...argv];
  const isTold = new Set(argv.flatMap((value) => /"id":"(?<id>[^"\\]+)"/.exec(value)?.groups?.['id'] ?? []));
  const rename = (id: string): string | null => (isTold.has(id) ? (names.get(id) ?? null) : null);
  return argv.map((value, index) =>
    argv[index - 1] === '-device' || argv[index - 1] === '-object' ? renamed(value, rename) : value,
  );
}

/** Values have their quotation marks escaped: none of them looks like a property. */
function renamed(json: string, rename: (id: string) => string | null): string {
  return json.replaceAll(/"(id|bus|masterbus)":"([^"\\]+)"/g, (whole, key: string, value: string) => {
    const [bus, number] = [value.replace(/\.\d+$/, ''), /\.\d+$/.exec(value)?.[0] ?? ''];
    const own = rename(value);
    if (own !== null) return `"${key}":"${own}"`;
    const owner = key === 'id' ? null : rename(bus);
    return owner === null ? whole : `"${key}":"${owner}${number}"`;
  });
}

/** Names of the definition by those of libvirt. */
function namesOf(domain: Domain): Map<string, string> {
  const names = new Map<string, string>();
  for (const alias of domain.aliases) {
    const usual = usualId(domain, alias);
    if (usual !== null && !names.has(usual)) names.set(usual, alias.name);
  }
  return names;
}

const prefixes = {
  filesystem: 'fs',
  interface: 'net',
  smartcard: 'smartcard',
  serial: 'serial',
  parallel: 'parallel',
  channel: 'channel',
  input: 'input',
  tpm: 'tpm',
  sound: 'sound',
  video: 'video',
  hostdev: 'hostdev',
  hub: 'hub',
  redirdev: 'redir',
  watchdog: 'watchdog',
  memballoon: 'balloon',
  rng: 'rng',
  panic: 'panic',
  shmem: 'shmem',
  iommu: 'iommu',
  vsock: 'vsock',
  crypto: 'crypto',
  pstore: 'pstore',
} as const satisfies Partial<Record<AliasedDevice, string>>;

/** null: it has no device of its own, or (a disk) is called by its name from the beginning. */
function usualId(domain: Domain, { device, index }: Alias): string | null {
  switch (device) {
    case 'disk':
      return null;
    case 'controller':
      return controllerId(domain.controllers[index]);
    case 'console':
      return consoleId(domain, index);
    case 'memory':
      return moduleId(domain, index);
    default:
      return `${prefixes[device]}${index}`;
  }
}

function controllerId(controller: Controller | undefined): string | null {
  if (controller === undefined) return null;
  const { type, index } = controller;
  switch (type) {
    case 'pci':
      return `pci.${index}`;
    case 'usb':
      // Companions of another are known by its bus.
      if (controller.model?.startsWith('ich9-uhci')) return null;
      return index === 0 ? 'usb' : `usb${index}`;
    default:
      return `${type}${index}`;
  }
}

/** One that doubles a serial port is that port. */
function consoleId({ consoles, serials }: Domain, index: number): string | null {
  const console = consoles[index];
  if (console === undefined) return null;
  if (console.kind === 'virtio') return `console${index}`;
  const port = serials.findIndex((each) => each.port === console.port);
  return port < 0 ? null : `serial${port}`;
}

function moduleId({ memoryModules }: Domain, index: number): string | null {
  const one = memoryModules[index];
  if (one === undefined) return null;
  if (one.model === 'dimm') return `dimm${one.slot}`;
  return `virtiomem${memoryModules.filter(({ model }) => model === 'virtio-mem').indexOf(one)}`;
}
