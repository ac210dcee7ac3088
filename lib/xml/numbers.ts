/**
 * How numbers are read: plain, in libvirt's hexadecimal, as amounts of memory, as lists of CPUs.
 * Owns: their accepted forms and bounds. Must not know: where they stand.
 */
import { rangesOf } from '../domain/numa.ts';
import { bytesPerUnit } from './units.ts';
import type { Read, Reader } from './values.ts';

/** A whole number in decimal digits, white space around it allowed. */
export function wholeNumber(least: number, most: number): Reader<number> {
  const refused = `is not a whole number from ${least} to ${most}`;
  const read = (raw: string): Read<number> => {
    const digits = raw.trim();
    const value = /^\d{1,9}$/.test(digits) ? Number(digits) : -1;
    return value >= least && value <= most ? { value } : { refused };
  };
  return { read, example: String(least) };
}

/** A power of two. */
export function powerOfTwo(least: number, most: number): Reader<number> {
  const range = wholeNumber(least, most);
  const refused = `is not a power of two from ${least} to ${most}`;
  const read = (raw: string): Read<number> => {
    const read = range.read(raw);
    return 'value' in read && Number.isInteger(Math.log2(read.value)) ? read : { refused };
  };
  return { read, example: range.example };
}

/** An amount of memory, in a unit told elsewhere. */
export const amount: Reader<bigint> = {
  read(raw) {
    const digits = raw.trim();
    const isPlain = /^\d{1,18}$/.test(digits) && /[1-9]/.test(digits);
    return isPlain ? { value: BigInt(digits) } : { refused: 'is not a whole number of 1 or more' };
  },
  example: '1048576',
};

/** Like `amount`; may be nothing. */
export const zeroOrMore: Reader<bigint> = {
  read: (raw) => (raw.trim() === '0' ? { value: 0n } : amount.read(raw)),
  example: amount.example,
};

/** Bytes in one of libvirt's units. */
export const unit: Reader<bigint> = {
  read(raw) {
    const value = bytesPerUnit(raw);
    return value === null ? { refused: 'is not a unit of memory' } : { value };
  },
  example: 'KiB, MiB or GiB',
};

/** Like `wholeNumber`; also with a minus, and as many digits as a safe integer has. */
export function integer(least: number, most: number): Reader<number> {
  const refused = `is not a whole number from ${least} to ${most}`;
  const read = (raw: string): Read<number> => {
    const digits = raw.trim();
    const value = /^-?\d{1,16}$/.test(digits) ? Number(digits) : Number.NaN;
    // Adding 0 makes -0 plain.
    return value >= least && value <= most ? { value: value + 0 } : { refused };
  };
  return { read, example: String(Math.max(least, Math.min(most, 0))) };
}

/** A number as libvirt's addresses have them, `0x1f` or `31`. One with a leading zero would be octal, and is refused. */
export function address(most: number): Reader<number> {
  const refused = `is not a number from 0 to 0x${most.toString(16)}`;
  const read = (raw: string): Read<number> => {
    const value = /^(?:0x[\da-f]{1,8}|0+|[1-9]\d{0,8})$/i.test(raw) ? Number(raw) : -1;
    return value >= 0 && value <= most ? { value } : { refused };
  };
  return { read, example: '0x01' };
}

/** An address in memory, `0x100000000`, as far as a safe integer goes. */
export const bigAddress: Reader<number> = {
  read(raw) {
    const value = /^0x[\da-f]{1,14}$/i.test(raw) ? Number(raw) : -1;
    return value >= 0 && Number.isSafeInteger(value) ? { value } : { refused: 'is not an address in memory' };
  },
  example: '0x100000000',
};

/** A limit for which 0 or less means none. */
export function limit(least: number, most: number): Reader<number | null> {
  const range = integer(least, most);
  const read = (raw: string): Read<number | null> => {
    return /^\s*(?:0+|-\d{1,19})\s*$/.test(raw) ? { value: null } : range.read(raw);
  };
  return { read, example: String(least) };
}

/** A VNC port; null: one is chosen. */
export const vncPort: Reader<number | null> = {
  read(raw) {
    const read = wholeNumber(5900, 65535).read(raw);
    if ('value' in read) return read;
    return raw === '-1' || raw === '0' ? { value: null } : { refused: 'is neither -1 nor a port from 5900 to 65535' };
  },
  example: '-1',
};

// Linux is built for 8192 at most.
const lastCpu = 8191;
const maxParts = 512;

/** First and last of some CPUs in a row. */
type CpuRange = readonly [first: number, last: number];

/** CPUs of the host as libvirt lists them, `0-3,^2,8`: apart and in order, at least one. Not yet one by one: there may be many. */
export const cpuSet: Reader<readonly CpuRange[]> = {
  read(raw) {
    const parts = raw.replaceAll(/\s/g, '').split(',', maxParts + 1);
    const ranges = parts.length > maxParts ? null : parts.reduce(takePart, []);
    return ranges === null || ranges.length === 0
      ? { refused: `is not a list of CPUs from 0 to ${lastCpu}` }
      : { value: ranges.toSorted(([a], [b]) => a - b) };
  },
  example: '0-3,8',
};

// Linux is built for 1024 at most.
const lastNode = 1023;

/** NUMA nodes of the host, in the form of `cpuSet`. */
export const nodeSet: Reader<readonly CpuRange[]> = {
  read(raw) {
    const read = cpuSet.read(raw);
    const isSet = 'value' in read && read.value.every(([, last]) => last <= lastNode);
    return isSet ? read : { refused: `is not a list of NUMA nodes from 0 to ${lastNode}` };
  },
  example: '0-1',
};

function takePart(ranges: readonly CpuRange[] | null, part: string): readonly CpuRange[] | null {
  const [, not, from, to] = /^(\^?)(\d{1,5})(?:-(\d{1,5}))?$/.exec(part) ?? [];
  const first = Number(from);
  const last = Number(to ?? from);
  if (ranges === null || from === undefined || first > last || last > lastCpu) return null;
  const others = ranges.flatMap((range) => withoutRange(range, first, last));
  return not === '' ? [...others, [first, last]] : others;
}

function withoutRange([from, to]: CpuRange, first: number, last: number): CpuRange[] {
  const below: CpuRange = [from, Math.min(to, first - 1)];
  const above: CpuRange = [Math.max(from, last + 1), to];
  return [below, above].filter(([start, end]) => start <= end);
}

/** The CPUs of `ranges`, one by one. */
export function listCpus(ranges: readonly CpuRange[]): number[] {
  const cpus: number[] = [];
  for (const [first, last] of ranges) for (let cpu = first; cpu <= last; cpu++) cpus.push(cpu);
  return cpus;
}

/** `cpus` as `cpuSet` reads it, in the shortest form. */
export function tellCpuSet(cpus: readonly number[]): string {
  return rangesOf(cpus)
    .map(([first, last]) => (first === last ? `${first}` : `${first}-${last}`))
    .join(',');
}
