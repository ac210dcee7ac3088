/** How values are read that only disks have. */
import type { Reader } from './values.ts';

export { flag, supported } from './values.ts';

function matching(pattern: RegExp, refused: string, example: string): Reader<string> {
  return { read: (raw) => (pattern.test(raw) ? { value: raw } : { refused }), example };
}

/** World wide name of a disk. */
export const worldWideName = matching(/^[\da-fA-F]{16}$/, 'is not 16 hexadecimal digits', '5000c50015ea71ac');

/** Who made a disk, or what it is called; SCSI has room for that many characters. */
export function vendorName(most: number): Reader<string> {
  const pattern = new RegExp(`^[\\x20-\\x7e]{1,${most}}$`);
  return matching(pattern, `is not 1 to ${most} printable ASCII characters`, 'SEAGATE');
}

/** Disks of one group share their limits. */
export const groupName = matching(/^[\w.+-]{1,128}$/, 'is not the name of a group', 'group0');
