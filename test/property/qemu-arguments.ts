/**
 * A command line as QEMU reads it: which options there are, and what each says. By its rules (util/keyval.c, util/qemu-option.c):
 * a value that begins with a brace is JSON; others are settings between commas, where two commas are one; some are a text as they
 * are. Written from QEMU's side, and of nothing that lib/qemu has.
 */

/** Options whose value is one text. */
const plain = new Set(['-kernel', '-initrd', '-append', '-dtb', '-bios', '-uuid', '-k', '-L', '-pidfile', '-D']);

/** Settings that are lists of paths, which `:` parts. */
const lists = new Set(['-acpitable file', '-acpitable data']);

export interface ReadOption {
  readonly option: string;
  /** null: it has none. */
  readonly value: unknown;
}

export function readArguments(argv: readonly string[]): ReadOption[] {
  const options: ReadOption[] = [];
  for (let index = 0; index < argv.length; index += 1) {
    const option = argv[index] ?? '';
    if (!option.startsWith('-')) throw new Error(`an argument that no option takes: ${JSON.stringify(option)}`);
    const next = argv[index + 1];
    const hasValue = next !== undefined && (!next.startsWith('-') || plain.has(option));
    options.push({ option, value: hasValue ? readValue(option, next) : null });
    if (hasValue) index += 1;
  }
  return options;
}

function readValue(option: string, value: string): unknown {
  if (plain.has(option)) return value;
  if (value.startsWith('{')) return JSON.parse(value, readMember);
  return settings(value).map((setting) => readSetting(option, setting));
}

function readMember(key: string, member: unknown): unknown {
  if (key === 'url') return readUrl(String(member));
  return key === 'portal' ? readPlace(String(member)) : member;
}

/** Host and port; an address of IPv6 has brackets. null: it is no place. */
function readPlace(text: string): object | null {
  const [, bracketed, plainly, port] = /^(?:\[(.*)\]|(.*)):(\d+)$/s.exec(text) ?? [];
  return port === undefined ? null : { host: bracketed ?? plainly, port };
}

/** What a server is asked for (RFC 3986, appendix B), each part as it is meant. */
function readUrl(url: string): object {
  const [, server, path, , query, , rest] = /^([a-z]+:\/\/[^/?#]*)\/([^?#]*)(\?([^#]*))?(#(.*))?$/su.exec(url) ?? [];
  return { server, path: decoded(path), query: decoded(query), rest };
}

/** Percent signs that encode nothing stand for themselves. */
function decoded(text: string | undefined): string | undefined {
  return text?.replace(/(?:%[0-9a-f]{2})+/gi, decodeURIComponent);
}

/** Between single commas; two are one that belongs to the text. */
function settings(value: string): string[] {
  const parts: string[] = [];
  let part = '';
  for (let index = 0; index < value.length; index += 1) {
    const isComma = value[index] === ',';
    if (isComma && value[index + 1] !== ',') {
      parts.push(part);
      part = '';
    } else {
      part += value[index] ?? '';
      if (isComma) index += 1;
    }
  }
  return [...parts, part];
}

function readSetting(option: string, setting: string): unknown {
  const equals = setting.indexOf('=');
  // The first one of -vnc is where it listens.
  const place = option === '-vnc' ? readPlace(setting) : null;
  if (place) return place;
  if (equals < 0) return { setting };
  const [key, value] = [setting.slice(0, equals), setting.slice(equals + 1)];
  return { key, value: lists.has(`${option} ${key}`) ? value.split(':') : value };
}
