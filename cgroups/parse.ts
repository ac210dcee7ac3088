/**
 * Parsers of kernel text: one per file format, each takes the text. They throw `ParseError` on what they do not
 * understand; a caller turns that into an unknown reading, never into a zero.
 */

export class ParseError extends Error {
  constructor(what: string, text: string) {
    super(`cannot understand ${what}: ${JSON.stringify(text.slice(0, 80))}`);
    this.name = 'ParseError';
  }
}

/** A single integer such as `memory.current`; bytes or counts, as the file says. */
export function parseCount(text: string): number {
  const trimmed = text.trim();
  const value = Number(trimmed);
  if (!/^\d+$/.test(trimmed) || !Number.isSafeInteger(value)) throw new ParseError('a count', text);
  return value;
}

/**
 * A flat keyed file (`cgroup.events`, `memory.stat`, `memory.events`): `KEY VALUE` a line. A value no safe integer can
 * hold reads as Infinity: v1 writes its absent limits so (`hierarchical_memory_limit 9223372036854771712`).
 */
export function parseFlatKeyed(text: string): ReadonlyMap<string, number> {
  const values = new Map<string, number>();
  for (const line of text.split('\n')) {
    if (line === '') continue;
    const [key, value, ...rest] = line.split(' ');
    if (key === undefined || value === undefined || rest.length > 0) throw new ParseError('a keyed line', line);
    if (!/^\d+$/.test(value)) throw new ParseError('a keyed line', line);
    values.set(key, Number.isSafeInteger(Number(value)) ? Number(value) : Number.POSITIVE_INFINITY);
  }
  return values;
}

/** The value of `key` in a flat keyed file, a safe integer; absent is an error, since absent is not zero. */
export function requireKey(values: ReadonlyMap<string, number>, key: string): number {
  const value = values.get(key);
  if (value === undefined || !Number.isFinite(value)) {
    throw new ParseError(`a file without a figure for '${key}'`, [...values.keys()].join(' '));
  }
  return value;
}

/** `cgroup.procs`: process ids, each once (the kernel may list one twice). */
export function parseProcs(text: string): number[] {
  return [
    ...new Set(
      text
        .split('\n')
        .filter((line) => line !== '')
        .map(parseCount),
    ),
  ];
}

/** A space separated list such as `cgroup.controllers`. */
export function parseWords(text: string): string[] {
  return text.split(/\s+/).filter((word) => word !== '');
}

/** Processor time in microseconds. */
export interface CpuUsage {
  readonly timeUs: number;
  readonly userUs: number;
  readonly systemUs: number;
}

/** `cpu.stat`: its first three figures are there without the cpu controller too. */
export function parseCpuStat(text: string): CpuUsage {
  const stat = parseFlatKeyed(text);
  return {
    timeUs: requireKey(stat, 'usage_usec'),
    userUs: requireKey(stat, 'user_usec'),
    systemUs: requireKey(stat, 'system_usec'),
  };
}

/** PSI's `some avg10` in percent, from the text of a pressure file. */
export function parsePressure(text: string): number {
  const found = /^some avg10=(\d+(?:\.\d+)?) /m.exec(text);
  if (!found) throw new ParseError('a pressure file', text);
  return Number(found[1]);
}

/** A mounted cgroup hierarchy, from `/proc/self/mountinfo`. */
export interface CgroupMount {
  readonly version: 1 | 2;
  readonly mountPoint: string;
  readonly readonly: boolean;
  /** v1: the controllers and names of the hierarchy; v2: empty. */
  readonly controllers: readonly string[];
}

/** Every cgroup mount in the order of the file; the last one mounted on a place hides earlier ones. */
export function parseCgroupMounts(mountinfo: string): CgroupMount[] {
  return mountinfo.split('\n').flatMap((line) => {
    const [left, right] = line.split(' - ');
    const [type, , superOptions] = (right ?? '').split(' ');
    if (type !== 'cgroup' && type !== 'cgroup2') return [];
    const fields = (left ?? '').split(' ');
    const [mountPoint, options] = [fields[4], fields[5]];
    if (mountPoint === undefined || options === undefined) throw new ParseError('a mountinfo line', line);
    return [
      {
        version: type === 'cgroup2' ? 2 : 1,
        mountPoint: unescapeMountPath(mountPoint),
        readonly: options.split(',').includes('ro'),
        controllers:
          type === 'cgroup' ? (superOptions ?? '').split(',').filter((word) => word !== 'rw' && word !== 'ro') : [],
      } satisfies CgroupMount,
    ];
  });
}

/** mountinfo writes space, tab, newline and backslash as octal (proc(5)). */
function unescapeMountPath(path: string): string {
  return path.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
}
