/**
 * How one value is read: the text of an attribute or element -> what the model holds.
 * Owns: the accepted form of every kind of value. Must not know: where the value stands.
 */
import { escapeName, longestEscapedName } from '../domain/names.ts';

/** A value, or the end of a sentence that begins with the text as given, e.g. `is not an absolute path`; and what to do. */
export type Read<T> = { readonly value: T } | { readonly refused: string; readonly remedy?: string };

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

/** Like `supported`; `remedies` tells for some of the other words what to write instead. */
export function supportedBut<const T extends string>(
  remedies: Readonly<Record<string, string>>,
  ...words: readonly T[]
): Reader<T> {
  const { read, example } = supported(...words);
  const told = (raw: string): Read<T> => {
    const found = read(raw);
    const remedy = Object.hasOwn(remedies, raw) ? remedies[raw] : undefined;
    return 'value' in found || remedy === undefined ? found : { ...found, remedy };
  };
  return { read: told, example };
}

function wordOf<T extends string>(words: readonly T[], refused: string): Reader<T> {
  const read = (raw: string): Read<T> => {
    const value = words.find((word) => word === raw);
    return value === undefined ? { refused } : { value };
  };
  return { read, example: words.join(' or ') };
}

/** A word of libvirt's that means its own default, or one of `reader`'s. */
export function orDefault<T>(word: string, reader: Reader<T>): Reader<T | null> {
  return { read: (raw) => (raw === word ? { value: null } : reader.read(raw)), example: reader.example };
}

/** An empty text is none. */
export function orNothing<T>(reader: Reader<T>): Reader<T | null> {
  return { read: (raw) => (raw.trim() === '' ? { value: null } : reader.read(raw)), example: reader.example };
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
export function matching(pattern: RegExp, refused: string, example: string): Reader<string> {
  return { read: (raw) => (pattern.test(raw) ? { value: raw } : { refused }), example };
}

/** Text that nothing is wrong with, kept as it is. */
function unless(whyNot: (raw: string) => string | null, example: string): Reader<string> {
  const read = (raw: string): Read<string> => {
    const refused = whyNot(raw);
    return refused === null ? { value: raw } : { refused };
  };
  return { read, example };
}

/** A domain's name: also part of file and cgroup names. */
export const domainName = unless(whyNoName, 'web1');

function whyNoName(name: string): string | null {
  if (name.trim() === '') return 'is empty';
  if (name !== name.trim()) return 'begins or ends with white space';
  const refused = whyNoFileName(name);
  if (refused !== null) return refused;
  const length = escapeName(name).length;
  return length > longestEscapedName
    ? `is too long: ${length} bytes as a file name, ${longestEscapedName} at most`
    : null;
}

function whyNoFileName(name: string): string | null {
  if (/[\p{Cc}\p{Zl}\p{Zp}]/u.test(name)) return 'has a control character or line break in it';
  if (name.includes('/')) return 'has a / in it';
  return name === '.' || name === '..' ? 'is not a name' : null;
}

/** A device's name: a user's begins with `ua-`; libvirt's own, of a machine that runs, is read as none. */
export const deviceAlias: Reader<string | null> = {
  read(raw) {
    if (!raw.startsWith('ua-'))
      return raw.length > maxTextLength ? { refused: 'is longer than 64 KiB' } : { value: null };
    if (!/^[\w-]{3,128}$/.test(raw)) return { refused: 'is not ua- and up to 125 letters, digits, - and _' };
    return { value: raw };
  },
  example: 'ua-disk0',
};

/** Number of a SCSI adapter of the host. */
export const scsiAdapter: Reader<number> = {
  read(raw) {
    const number = /^scsi_host(?<number>\d{1,6})$/.exec(raw)?.groups?.['number'];
    return number === undefined ? { refused: 'is no adapter of this host' } : { value: Number(number) };
  },
  example: 'scsi_host0',
};

/** What guests call memory that they share: one file's name. */
export const sharedName = unless(whyNoSharedName, 'shared0');

function whyNoSharedName(name: string): string | null {
  if (name === '') return 'is empty';
  const refused = whyNoFileName(name);
  if (refused !== null) return refused;
  return Buffer.byteLength(name) > longestFileName ? 'is too long for the name of a file' : null;
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

// NAME_MAX.
const longestFileName = 255;

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

/** Path of a file that QEMU takes in a list of them, in which it knows no escape. */
export function listedPath(example: string): Reader<string> {
  const read = (raw: string): Read<string> =>
    raw.includes(':') ? { refused: 'has a : in it, at which QEMU would begin another path' } : readPath(raw);
  return { read, example };
}

/** Path of a unix socket; one that libvirt made for a machine of its own is read as none, as libvirt itself reads it. */
export const socketPath: Reader<string | null> = {
  read(raw) {
    const isLibvirts = /^\/(?:var\/lib|var\/run|run)\/libvirt\/qemu\/channel\//.test(raw);
    // sun_path with its NUL.
    if (Buffer.byteLength(raw) > 107) return isLibvirts ? { value: null } : { refused: 'is too long for a socket' };
    return isLibvirts ? { value: null } : readPath(raw);
  },
  example: '/run/web1.sock',
};

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

/** Name of a disk in the guest; its first letters are the bus it has by default. */
export const diskName = matching(
  /^(?:[vsh]d[a-z]{1,3}|fd[ab])$/,
  'is not supported yet; supported: vda, sda, hda and so on, fda and fdb',
  'vda',
);

/** Serial number of a disk, as the guest sees it. */
export const serialNumber = matching(
  /^[\w. +-]{1,36}$/,
  'is not a serial number of 1 to 36 letters and digits',
  'WD-1234',
);

/** Name of a bridge of the host. */
export const bridgeName = matching(/^(?!\.{1,2}$)[^\s/:%]{1,15}$/, 'is not the name of a network device', 'br0');

/** Name of a tap. libvirt gives vnet0 and so on itself, and forgets them with the machine; so they are read as none. */
export const tapName: Reader<string | null> = {
  read(raw) {
    const read = bridgeName.read(raw);
    return 'value' in read && /^vnet\d*$/.test(raw) ? { value: null } : read;
  },
  example: 'tap-web1',
};

/** Name of a CPU model or feature as QEMU knows it. */
export const cpuWord = matching(/^[A-Za-z\d][\w.:-]{0,63}$/, 'is not the name of a CPU model or feature', 'Haswell');

/** Name of a CPU model; none where the mode says all. */
export const cpuModel = orNothing(cpuWord);

/** Name of a time zone. */
export const timezone = matching(
  /^[A-Za-z][\w+-]*(?:\/[A-Za-z\d][\w+-]*)*$/,
  'is not the name of a time zone',
  'Europe/Berlin',
);

/** Address or name of a host. */
export const hostName = matching(/^[A-Za-z\d:[][\w.:%[\]-]{0,254}$/, 'is not an address', '127.0.0.1');

/** A numeric IPv4 or IPv6 address. */
export const ipAddress = matching(
  /^(?:\d{1,3}(?:\.\d{1,3}){3}|[\da-fA-F:.]*:[\da-fA-F:.]*)$/,
  'is not an IP address',
  '127.0.0.1',
);

/** Name of a virtio-serial port. */
export const channelName = matching(/^[\w.+-]{1,128}$/, 'is not the name of a channel', 'org.qemu.guest_agent.0');

/** Nickname of a certificate in a database of NSS. */
export const certificateName = matching(/^[^\p{Cc}]{1,255}$/u, 'is not the name of a certificate', 'cert1');

/** A screen of an X server. */
export const xDisplay = matching(/^[\w.-]{0,64}:\d{1,5}(?:\.\d{1,2})?$/, 'is not the name of an X display', ':0.0');

/** Where a bus of D-Bus is. */
export const busAddress = matching(/^[a-z]+:[!-~]{1,500}$/, 'is not the address of a bus', 'unix:path=/run/vm/bus');

/** A keyboard layout of QEMU's. */
export const keymap = matching(/^[a-z][a-z-]{1,15}$/, 'is not the name of a keymap', 'en-us');

/** A vendor as Hyper-V has it: the processor has room for 12 characters, and QEMU's option none for a comma. */
export const hypervVendor = matching(
  /^[\u0020-\u002b\u002d-\u007e]{1,12}$/,
  'is not a name of 1 to 12 characters',
  'KVM Hv',
);

/** Who made a processor, as the processor says it: 12 characters, as `hypervVendor`. */
export const vendorId = matching(
  /^[\u0020-\u002b\u002d-\u007e]{12}$/,
  'is not a name of 12 characters',
  'GenuineIntel',
);
/** Permissions of new files. */
export const octalMode = matching(/^0?[0-7]{3,4}$/, 'is not an octal mode', '0644');

/** Tag of a filesystem; virtio has room for 36 bytes. */
export const mountTag = matching(/^[^\s,=\p{Cc}]{1,36}$/u, 'is not a tag of 1 to 36 characters', 'shared');

/** Where a USB device is plugged in, through hubs: `1.2`. */
export const usbPort = matching(/^[1-9]\d{0,2}(?:\.[1-9]\d{0,2}){0,3}$/, 'is not a USB port', '1');

/** Name of a policy; also a file name. */
export const policyName = matching(/^[A-Za-z\d][\w.-]{0,63}$/, 'is not the name of a policy', 'restart-first');

/** libvirt's -1, or nothing: whatever it is. */
export function orAny<T>(reader: Reader<T>): Reader<T | null> {
  return orDefault('-1', reader);
}

/** Release number of a USB device, as `1.10`. */
export const usbVersion = matching(/^\d{1,2}\.\d{1,2}$/, 'is not a version of a USB device', '1.10');

/** A word of a program's command line, kept as it is. */
export const argument: Reader<string> = {
  read: (raw) => (raw.length > maxTextLength ? { refused: 'is longer than 64 KiB' } : { value: raw }),
  example: '-device',
};

/** Name of an environment variable. */
export const environmentName = matching(/^[A-Za-z_]\w{0,127}$/, 'is not the name of a variable', 'QEMU_AUDIO_DRV');
