/**
 * libvirt's units of memory.
 * Owns: what `unit='...'` may say and how much it is. Must not know: where in a document it stands.
 */

const letters = 'kmgtpe';

/**
 * Bytes in one `unit`, or null when libvirt has no such unit. Case does not count, as in libvirt: `b`, `byte`, `bytes`;
 * `KB` is 1000; `k` and `KiB` are 1024; likewise M, G, T, P, E.
 */
export function bytesPerUnit(unit: string): bigint | null {
  const word = unit.toLowerCase();
  if (word === 'b' || word === 'byte' || word === 'bytes') return 1n;
  const exponent = letters.indexOf(word.charAt(0)) + 1;
  if (word === '' || exponent === 0) return null;
  const base = baseOf(word.slice(1));
  return base === null ? null : base ** BigInt(exponent);
}

function baseOf(rest: string): bigint | null {
  if (rest === '' || rest === 'ib') return 1024n;
  return rest === 'b' ? 1000n : null;
}

/** `amount` units as bytes, rounded up to a whole KiB as libvirt does; null beyond what a safe integer holds. */
export function memoryBytes(amount: bigint, unitBytes: bigint): number | null {
  const bytes = ((amount * unitBytes + 1023n) / 1024n) * 1024n;
  return bytes > BigInt(Number.MAX_SAFE_INTEGER) ? null : Number(bytes);
}
