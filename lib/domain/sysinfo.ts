/** What the firmware tells a guest of its board and maker. Pure data. */

/** What can be told, by SMBIOS table and in the names of libvirt, which are also QEMU's. */
export const sysinfoNames = {
  bios: ['vendor', 'version', 'date', 'release'],
  system: ['manufacturer', 'product', 'version', 'serial', 'uuid', 'sku', 'family'],
  baseBoard: ['manufacturer', 'product', 'version', 'serial', 'asset', 'location'],
  chassis: ['manufacturer', 'version', 'serial', 'asset', 'sku'],
} as const;

/** Lines of one table. */
export type SysinfoEntries = readonly { readonly name: string; readonly value: string }[];

export interface Sysinfo {
  readonly bios: SysinfoEntries;
  readonly system: SysinfoEntries;
  readonly baseBoards: readonly SysinfoEntries[];
  readonly chassis: SysinfoEntries;
  readonly oemStrings: readonly string[];
}
