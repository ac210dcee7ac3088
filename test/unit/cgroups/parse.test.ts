/** The kernel's texts: those in fixtures/cgroup-trees/hybrid-charged were recorded (Linux 6.18), unified-charged is written as Linux 6.12 does. */
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import {
  ParseError,
  parseCgroupMounts,
  parseCount,
  parseCpuStat,
  parseFlatKeyed,
  parsePressure,
  parseProcs,
  parseWords,
  requireKey,
} from '../../../cgroups/parse.ts';

function recorded(path: string): string {
  return readFileSync(new URL(`../../fixtures/cgroup-trees/${path}`, import.meta.url), 'utf8');
}

describe('a count', () => {
  test('is an integer with a newline, as the kernel writes it', () => {
    expect(parseCount('0\n')).toBe(0);
    expect(parseCount(recorded('hybrid-charged/memory.usage_in_bytes'))).toBe(59_502_592);
    expect(parseCount('9007199254740991\n')).toBe(Number.MAX_SAFE_INTEGER);
  });

  test.each(['', '\n', 'max\n', '-1\n', '1.5', '1e9', '0x10', '12 34', '9007199254740992', 'NaN'])(
    'is never guessed from %j',
    (text) => {
      expect(() => parseCount(text)).toThrow(ParseError);
    },
  );
});

describe('a keyed file', () => {
  test('of v1 memory gives every figure, those of the whole subtree included', () => {
    const stat = parseFlatKeyed(recorded('hybrid-charged/memory.stat'));
    expect(stat.size).toBe(42);
    expect(
      Object.fromEntries(
        ['rss', 'total_rss', 'total_shmem', 'total_inactive_file', 'total_active_file', 'total_cache'].map((key) => [
          key,
          requireKey(stat, key),
        ]),
      ),
    ).toEqual({
      rss: 33_554_432,
      total_rss: 33_554_432,
      total_shmem: 8_388_608,
      total_inactive_file: 16_781_312,
      total_active_file: 8192,
      total_cache: 25_178_112,
    });
  });

  test('of v2 memory gives every figure', () => {
    const stat = parseFlatKeyed(recorded('unified-charged/memory.stat'));
    expect(
      ['anon', 'shmem', 'inactive_file', 'active_file', 'slab_reclaimable'].map((key) => requireKey(stat, key)),
    ).toEqual([33_558_528, 8_388_608, 16_781_312, 20_480, 492_032]);
  });

  test('of events tells populated and the OOM killer', () => {
    expect(requireKey(parseFlatKeyed(recorded('hybrid-charged/cgroup.events')), 'populated')).toBe(1);
    expect(requireKey(parseFlatKeyed(recorded('unified-charged/memory.events')), 'oom_kill')).toBe(1);
    expect(requireKey(parseFlatKeyed(recorded('hybrid-charged/memory.oom_control')), 'oom_kill')).toBe(0);
  });

  test('without a key is not one with zero', () => {
    expect(() => requireKey(parseFlatKeyed('populated 0\n'), 'frozen')).toThrow(ParseError);
    expect(() => requireKey(parseFlatKeyed(''), 'populated')).toThrow(ParseError);
  });

  test.each(['populated', 'populated ', 'populated 0 1', 'populated x', 'populated -1'])(
    'with the line %j is not understood',
    (line) => {
      expect(() => parseFlatKeyed(`frozen 0\n${line}\n`)).toThrow(ParseError);
    },
  );

  test('says in its error what was read, not all of it', () => {
    expect(() => parseFlatKeyed(`k${'x'.repeat(500)}`)).toThrow(/^cannot understand a keyed line: "kx{79}"$/);
  });
});

describe('cgroup.procs', () => {
  test('names each process once', () => {
    expect(parseProcs('812\n900\n812\n')).toEqual([812, 900]);
    expect(parseProcs('')).toEqual([]);
  });

  test('with anything but numbers is not an empty one', () => {
    expect(() => parseProcs('garbage\n')).toThrow(ParseError);
  });
});

describe('a word list', () => {
  test.each([
    ['', []],
    ['\n', []],
    ['cpuset cpu io memory hugetlb pids\n', ['cpuset', 'cpu', 'io', 'memory', 'hugetlb', 'pids']],
  ])('%j has its words', (text, words) => {
    expect(parseWords(text)).toEqual(words);
  });
});

describe('a pressure file', () => {
  test('is read at some avg10', () => {
    expect(parsePressure(recorded('hybrid-charged/memory.pressure'))).toBe(0);
    expect(parsePressure(recorded('unified-charged/memory.pressure'))).toBe(12.4);
    expect(parsePressure('some avg10=100.00 avg60=0.00 avg300=0.00 total=1\n')).toBe(100);
  });

  test.each([
    '',
    'full avg10=1.00 avg60=0.00 avg300=0.00 total=0\n',
    'some avg60=0.00 total=0\n',
    'some avg10=nan avg60=0\n',
  ])('without it is not understood: %j', (text) => {
    expect(() => parsePressure(text)).toThrow(ParseError);
  });
});

describe('mounts', () => {
  test('of this hybrid host are all there, in order', () => {
    const mounts = parseCgroupMounts(recorded('hybrid.mountinfo'));
    expect(mounts.map(({ version, mountPoint }) => `v${version} ${mountPoint}`)).toEqual([
      ...['cpu', 'cpuacct', 'cpuset', 'memory', 'devices', 'freezer', 'blkio', 'pids', 'systemd'].map(
        (name) => `v1 /sys/fs/cgroup/${name}`,
      ),
      'v2 /sys/fs/cgroup/unified',
    ]);
    expect(mounts.find(({ mountPoint }) => mountPoint.endsWith('/memory'))).toEqual({
      version: 1,
      mountPoint: '/sys/fs/cgroup/memory',
      readonly: false,
      controllers: ['memory'],
    });
    expect(mounts.every((mount) => !mount.readonly)).toBe(true);
  });

  test('with optional fields, several controllers and names are read as well', () => {
    const mounts = parseCgroupMounts(recorded('systemd-hybrid.mountinfo'));
    expect(mounts.map(({ controllers }) => controllers)).toEqual([
      [],
      ['xattr', 'name=systemd'],
      ['cpu', 'cpuacct'],
      ['memory'],
      ['net_cls', 'net_prio'],
    ]);
  });

  test('that are read-only here are so, whatever their file system is elsewhere', () => {
    expect(parseCgroupMounts(recorded('container-readonly.mountinfo'))).toEqual([
      { version: 2, mountPoint: '/sys/fs/cgroup', readonly: true, controllers: [] },
    ]);
  });

  test('of other file systems are none, whatever their names', () => {
    expect(parseCgroupMounts(recorded('none.mountinfo'))).toEqual([]);
    expect(parseCgroupMounts('')).toEqual([]);
  });

  test('have their spaces back', () => {
    const line = String.raw`33 25 0:28 / /mnt/a\040b\134c\011d rw,relatime - cgroup2 cgroup2 rw`;
    expect(parseCgroupMounts(line)[0]?.mountPoint).toBe('/mnt/a b\\c\td');
  });

  test('cut short are not understood', () => {
    expect(() => parseCgroupMounts('33 25 0:28 / - cgroup2 cgroup2 rw')).toThrow(ParseError);
  });
});

describe('cpu.stat', () => {
  /** Linux 6.18, a cgroup without the cpu controller: the bandwidth figures are missing. */
  const bare = 'usage_usec 2430191\nuser_usec 1830000\nsystem_usec 600191\nnice_usec 0\n';

  test('gives microseconds, with and without the controller', () => {
    expect(parseCpuStat(bare)).toEqual({ timeUs: 2_430_191, userUs: 1_830_000, systemUs: 600_191 });
    expect(parseCpuStat(`${bare}nr_periods 0\nnr_throttled 0\n`).timeUs).toBe(2_430_191);
  });

  test('without a figure is not understood', () => {
    expect(() => parseCpuStat('usage_usec 1\nuser_usec 1\n')).toThrow(ParseError);
  });
});
