/** A domain's name as a file name: systemd-escape's rules, so that no name can leave its directory. */

/** Longest escaped name; with `vm-` before and an id below, it fits a path component (255). */
export const longestEscapedName = 200;

/** `name` with all but letters, digits, `:`, `_` and inner `.` as `\xNN`, as systemd-escape writes it. */
export function escapeName(name: string): string {
  return [...Buffer.from(name, 'utf8')]
    .map((byte, index) => {
      const character = String.fromCharCode(byte);
      const plain = /[A-Za-z0-9:_]/.test(character) || (character === '.' && index > 0);
      return plain ? character : `\\x${byte.toString(16).padStart(2, '0')}`;
    })
    .join('');
}

/** The name that `escapeName` made this of. */
export function unescapeName(escaped: string): string {
  const bytes = escaped.replace(/\\x([0-9a-f]{2})/g, (_all, hex: string) => String.fromCharCode(parseInt(hex, 16)));
  return Buffer.from(bytes, 'latin1').toString('utf8');
}

/** What the directory of every domain below the cgroup root begins with, and nothing else there does. */
export const cgroupPrefix = 'vm-';

/** Directory of a domain's incarnations below the cgroup root. */
export function cgroupName(domain: string): string {
  return cgroupPrefix + escapeName(domain);
}
