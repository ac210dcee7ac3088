/** Names that a definition gives its devices (`<alias name='ua-...'/>`). Pure data. */

/** Elements that can have one. */
export const aliasedDevices = [
  'disk',
  'controller',
  'filesystem',
  'interface',
  'smartcard',
  'serial',
  'parallel',
  'console',
  'channel',
  'input',
  'tpm',
  'sound',
  'video',
  'hostdev',
  'hub',
  'redirdev',
  'watchdog',
  'memballoon',
  'rng',
  'panic',
  'shmem',
  'memory',
  'iommu',
  'vsock',
  'crypto',
  'pstore',
] as const;

export type AliasedDevice = (typeof aliasedDevices)[number];

/** The name of one device, its own among all of the domain. */
export interface Alias {
  readonly device: AliasedDevice;
  /** Which of them, from 0, in the order of the definition. */
  readonly index: number;
  /** Begins with `ua-`, by which it is told from libvirt's own. */
  readonly name: string;
}

/** The name that the definition gives a device; null: none. */
export function aliasOf(aliases: readonly Alias[], device: AliasedDevice, index: number): string | null {
  return aliases.find((one) => one.device === device && one.index === index)?.name ?? null;
}
