/** Memory as recorded from real kernels: what counts as held in each phase of an incarnation. */
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { type MemoryCharge, residueFloorBytes, twinCharge, unifiedCharge } from '../../../cgroups/memory.ts';
import { parseCgroupMounts, parseFlatKeyed, parseProcs, parseWords } from '../../../cgroups/parse.ts';
import { detectHierarchy } from '../../../cgroups/hierarchy.ts';

const trees = fileURLToPath(new URL('../../fixtures/cgroup-trees/', import.meta.url));
const recorded = 'unified-6.12';
const GiB = 2 ** 30;

function read(phase: string, file: string): string {
  return readFileSync(`${trees}${phase}/${file}`, 'utf8');
}

function unified(phase: string): MemoryCharge {
  const directory = `${trees}${phase}`;
  const hugetlb = readdirSync(directory).flatMap((name) => /^hugetlb\.([^.]+)\.current$/.exec(name)?.[1] ?? []);
  return unifiedCharge({
    stat: read(phase, 'memory.stat'),
    current: read(phase, 'memory.current'),
    events: read(phase, 'memory.events'),
    swapCurrent: read(phase, 'memory.swap.current'),
    hugetlb: Object.fromEntries(hugetlb.map((size) => [size, read(phase, `hugetlb.${size}.current`)])),
  });
}

describe('unified cgroup v2, recorded in a lab', () => {
  test.each(['running', 'draining', 'draining-helper'])('holds the guest memory while %s', (phase) => {
    const charge = unified(`${recorded}/${phase}`);
    expect(charge.heldBytes).toBeGreaterThanOrEqual(GiB);
    expect(charge.heldBytes).toBeLessThan(1.2 * GiB);
    expect(charge.sharedBytes).toBeGreaterThanOrEqual(GiB);
    expect(charge.oomKills).toBe(0);
  });

  test('holds less than the residue of an empty cgroup once drained', () => {
    expect(unified(`${recorded}/drained`).heldBytes).toBeLessThan(residueFloorBytes(2));
  });

  test('has no process left while an outside holder keeps it draining, and one while the helper does', () => {
    const populated = (phase: string) => parseFlatKeyed(read(`${recorded}/${phase}`, 'cgroup.events')).get('populated');
    expect(populated('draining')).toBe(0);
    expect(populated('draining-helper')).toBe(1);
    expect(parseProcs(read(`${recorded}/draining`, 'cgroup.procs'))).toEqual([]);
  });

  test('is detected by its mounts', () => {
    const mountinfo = read(recorded, 'mountinfo.txt');
    expect(parseCgroupMounts(mountinfo).map(({ version }) => version)).toContain(2);
    const controllers = parseWords(read(`${recorded}/running`, 'cgroup.controllers'));
    expect(controllers).toContain('memory');
    expect(detectHierarchy(mountinfo, () => controllers)).toMatchObject({ kind: 'unified' });
  });
});

describe('the v1 twin of a hybrid host, recorded', () => {
  test('holds what is charged less the page cache', () => {
    const charge = twinCharge({
      stat: read('hybrid-charged', 'memory.stat'),
      usage: read('hybrid-charged', 'memory.usage_in_bytes'),
      oomControl: read('hybrid-charged', 'memory.oom_control'),
      hugetlb: { '2MB': '4194304\n', '1GB': '0\n' },
    });
    expect(charge.hugetlbBySize).toEqual({ '2MB': 4194304 });
    const usage = Number(read('hybrid-charged', 'memory.usage_in_bytes'));
    expect(charge.reclaimableBytes).toBeGreaterThan(0);
    expect(charge.heldBytes).toBe(usage - charge.reclaimableBytes + 4194304);
    const { anonBytes, sharedBytes, hugetlbBytes, swapBytes, kernelBytes } = charge;
    expect(anonBytes + sharedBytes + hugetlbBytes + swapBytes + kernelBytes).toBe(charge.heldBytes);
    expect(charge.heldBytes).toBeGreaterThanOrEqual(charge.anonBytes + charge.sharedBytes);
  });
});

describe('a text without a figure', () => {
  test('is an error, never zero', () => {
    const texts = { stat: 'anon 1\n', usage: '4096\n', oomControl: 'oom_kill 0\n', hugetlb: {} };
    expect(() => twinCharge(texts)).toThrow(/total_active_file/);
    expect(() => unifiedCharge({ ...texts, current: '4096\n', events: 'oom_kill 0\n', swapCurrent: null })).toThrow(
      /active_file/,
    );
  });
});
