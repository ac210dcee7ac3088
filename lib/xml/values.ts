/**
 * How one value is read: the text of an attribute or element -> what the model holds.
 * Owns: the accepted form of every kind of value. Must not know: where the value stands.
 */
import { escapeName, longestEscapedName } from '../domain/names.ts';
import { bytesPerUnit } from './units.ts';

/** A value, or the end of a sentence that begins with the text as given, e.g. `is not an absolute path`. */
export type Read<T> = { readonly value: T } | { readonly refused: string };

export interface Reader<T> {
  readonly read: (raw: string) => Read<T>;
  /** What a user may write instead of a refused text. */
  readonly example: string;
}

/** One of a closed list of words. */
export function oneOf<const T extends string>(...words: readonly T[]): Reader<T> {
  return wordOf(words, `is not one of ${words.join(', ')}`);
}

/** One of the words domctl can do something with; libvirt has more. */
export function supported<const T extends string>(...words: readonly T[]): Reader<T> {
  return wordOf(words, `is not supported yet; supported: ${words.join(', ')}`);
}

function wordOf<T extends string>(words: readonly T[], refused: string): Reader<T> {
  const read = (raw: string): Read<T> => {
    const value = words.find((word) => word === raw);
    return value === undefined ? { refused } : { value };
  };
  return { read, example: words.join(' or ') };
}

/** A word of a closed list that stands for a boolean. */
export function flag(yes: string, no: string): Reader<boolean> {
  const words = oneOf(yes, no);
  const read = (raw: string): Read<boolean> => {
    const found = words.read(raw);
    return 'value' in found ? { value: found.value === yes } : found;
  };
  return { read, example: words.example };
}

/** Text of the form `pattern`, kept as it is. */
function matching(pattern: RegExp, refused: string, example: string): Reader<string> {
  return { read: (raw) => (pattern.test(raw) ? { value: raw } : { refused }), example };
}

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

/** An amount of memory, in a unit told elsewhere. */
export const amount: Reader<bigint> = {
  read(raw) {
    const digits = raw.trim();
    const isPlain = /^\d{1,18}$/.test(digits) && /[1-9]/.test(digits);
    return isPlain ? { value: BigInt(digits) } : { refused: 'is not a whole number of 1 or more' };
  },
  example: '1048576',
};

/** Bytes in one of libvirt's units. */
export const unit: Reader<bigint> = {
  read(raw) {
    const value = bytesPerUnit(raw);
    return value === null ? { refused: 'is not a unit of memory' } : { value };
  },
  example: 'KiB, MiB or GiB',
};

/** A domain's name: also part of file and cgroup names. */
export const domainName: Reader<string> = {
  read(raw) {
    const refused = whyNoName(raw);
    return refused === null ? { value: raw } : { refused };
  },
  example: 'web1',
};

function whyNoName(name: string): string | null {
  if (name.trim() === '') return 'is empty';
  if (name !== name.trim()) return 'begins or ends with white space';
  if (/[\p{Cc}\p{Zl}\p{Zp}]/u.test(name)) return 'has a control character or line break in it';
  if (name.includes('/')) return 'has a / in it';
  if (name === '.' || name === '..') return 'is not a name';
  const length = escapeName(name).length;
  return length > longestEscapedName
    ? `is too long: ${length} bytes as a file name, ${longestEscapedName} at most`
    : null;
}

/** A UUID with or without its dashes, made lower-case with them. */
export const uuid: Reader<string> = {
  read(raw) {
    const word = raw.trim().toLowerCase();
    const isWhole = /^[\da-f]{32}$/.test(word) || /^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/.test(word);
    if (!isWhole) return { refused: 'is not a UUID' };
    return { value: word.replaceAll('-', '').replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-') };
  },
  example: '1ccfd97d-5eb4-478a-bbe6-88d254c16db7',
};

/** A unicast MAC address, made lower-case. */
export const mac: Reader<string> = {
  read(raw) {
    const value = raw.toLowerCase();
    if (!/^[\da-f]{2}(:[\da-f]{2}){5}$/.test(value)) return { refused: 'is not a MAC address' };
    const isMulticast = (Number.parseInt(value.slice(0, 2), 16) & 1) === 1;
    return isMulticast ? { refused: 'is a multicast address; a network card needs a unicast one' } : { value };
  },
  example: '52:54:00:12:34:56',
};

// PATH_MAX with its NUL.
const maxPathBytes = 4095;

/** An absolute path of a file. */
export function path(example: string): Reader<string> {
  return { read: readPath, example };
}

function readPath(raw: string): Read<string> {
  if (!raw.startsWith('/')) return { refused: 'is not an absolute path' };
  if (/\p{Cc}/u.test(raw)) return { refused: 'has a control character or line break in it' };
  return Buffer.byteLength(raw) > maxPathBytes ? { refused: 'is too long for a path' } : { value: raw };
}

// Far more than any kernel command line.
const maxTextLength = 64 * 1024;

/** Any text; only white space counts as none. */
export const text: Reader<string | null> = {
  read(raw) {
    if (raw.length > maxTextLength) return { refused: 'is longer than 64 KiB' };
    return { value: raw.trim() === '' ? null : raw };
  },
  example: 'a shorter text',
};

/** Text of one line, as libvirt wants titles. */
export const line: Reader<string | null> = {
  read: (raw) => (/[\n\r]/.test(raw) ? { refused: 'has a line break in it' } : text.read(raw)),
  example: 'a text of one line',
};

/** A machine type as QEMU names it. */
export const machine = matching(/^[A-Za-z\d][\w.-]{0,63}$/, 'is not the name of a machine type', 'q35');

/** Name of a virtio disk in the guest. */
export const diskName = matching(/^vd[a-z]{1,3}$/, 'is not supported yet; supported: vda, vdb and so on', 'vda');

/** Name of a policy; also a file name. */
export const policyName = matching(/^[A-Za-z\d][\w.-]{0,63}$/, 'is not the name of a policy', 'restart-first');
