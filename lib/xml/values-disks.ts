/** How values are read that only disks have. */
import { matching, type Reader } from './values.ts';

/** World wide name of a disk. */
export const worldWideName = matching(/^[\da-fA-F]{16}$/, 'is not 16 hexadecimal digits', '5000c50015ea71ac');

/** Who made a disk, or what it is called; SCSI has room for that many characters. */
export function vendorName(most: number): Reader<string> {
  const pattern = new RegExp(`^[\\x20-\\x7e]{1,${most}}$`);
  return matching(pattern, `is not 1 to ${most} printable ASCII characters`, 'SEAGATE');
}

/** What a server has, by its own name for it. */
export const exportName = matching(/^[^\p{Cc}]{1,1023}$/u, 'is not a name of one line', 'image');

/** A name of iSCSI. */
export const iscsiName = matching(
  /^(?:iqn|eui|naa)\.[\w.:-]{1,219}$/,
  'is not a name of iSCSI',
  'iqn.2026-01.org.example:host',
);

/** A user or group by number, with libvirt's plus or without. */
export const hostUser: Reader<number> = {
  read: (raw) => (/^\+?\d{1,9}$/.test(raw) ? { value: Number(raw) } : { refused: 'is not the number of a user' }),
  example: '+1000',
};

/** Disks of one group share their limits. */
export const groupName = matching(
  /^[^\p{Cc}\s](?:[^\p{Cc}]{0,126}[^\p{Cc}\s])?$/u,
  'is not the name of a group',
  'group0',
);
