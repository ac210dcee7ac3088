/** What domctl promises of its teardown, and whether this run shows it. */
import type { Pages } from '../machine.ts';
import type { Results } from './run.ts';
import { figure, spread } from '../statistics.ts';

interface Target {
  readonly text: string;
  readonly figures: string;
  /** null: not measured. */
  readonly met: boolean | null;
}

export function targets(results: Results): string {
  return all(results)
    .map(
      ({ text, figures, met }) =>
        `- ${met === null ? 'not measured' : met ? '**met**' : '**not met**'}: ${text} (${figures})`,
    )
    .join('\n');
}

type Key = 'lockFreeMs' | 'goneMs' | 'backMs';

function all(results: Results): Target[] {
  const of = (contender: string, gib: number, key: Key, pages: Pages = '4k'): number =>
    spread(
      results.teardowns
        .filter((each) => each.contender === contender && each.gib === gib && each.pages === pages)
        .map((each) => each[key]),
    ).median;
  const restart = (contender: string, gib: number): number =>
    spread(results.restarts.filter((each) => each.contender === contender && each.gib === gib).map(({ ms }) => ms))
      .median;
  const shared = sizes(results.teardowns.filter(({ pages }) => pages === 'memfd'));
  const lock = (gib: number): number => of('domctl fast', gib, 'lockFreeMs');
  return [
    {
      text: 'image lock free flat from 1 to 12 GiB: at most 1.3 x, or 5 ms more',
      figures: `${figure(lock(1))} ms, ${figure(lock(12))} ms`,
      met: judged(lock(12), Math.max(lock(1) * 1.3, lock(1) + 5)),
    },
    ratio('image lock free at 12 GiB against raw QEMU killed', lock(12), of('QEMU, SIGKILL', 12, 'lockFreeMs'), 0.02),
    ratio(
      'every exclusive resource: process gone at 12 GiB against raw QEMU asked by SIGTERM, which lets go of its image first',
      of('domctl fast', 12, 'goneMs'),
      of('QEMU, SIGTERM', 12, 'goneMs'),
      0.02,
    ),
    ratio(
      'image lock free with the hypervisor killed under domctl, against raw QEMU killed',
      of('domctl fast, hypervisor killed', 12, 'lockFreeMs'),
      of('QEMU, SIGKILL', 12, 'lockFreeMs'),
      0.02,
    ),
    ratio(
      'memory back at 12 GiB against a single-threaded exit',
      of('domctl fast', 12, 'backMs'),
      of('QEMU, SIGKILL', 12, 'backMs'),
      1 / 1.6,
    ),
    ...shared.map((gib) =>
      ratio(
        `the same, memfd of ${gib} GiB`,
        of('domctl fast', gib, 'backMs', 'memfd'),
        of('QEMU, SIGKILL', gib, 'backMs', 'memfd'),
        1.05,
      ),
    ),
    ...sizes(results.restarts).flatMap((gib) => {
      const ours = restart('domctl fast', gib);
      const what = `destroy and force-start of ${gib} GiB against`;
      return [
        ratio(`${what} the floor`, ours, restart('floor: spawn to vCPUs running', gib), 3),
        ratio(`${what} libvirt whose QEMU is reaped at once`, ours, restart('libvirt', gib), 0.5),
        ratio(
          `${what} libvirt with its async teardown, reaped at once`,
          ours,
          restart('libvirt async-teardown', gib),
          0.5,
        ),
      ];
    }),
  ];
}

/** GiB, the smallest first. */
function sizes(runs: readonly { readonly gib: number }[]): number[] {
  return [...new Set(runs.map(({ gib }) => gib))].toSorted((a, b) => a - b);
}

function ratio(what: string, ours: number, theirs: number, most: number): Target {
  const text = `${what}: at most ${Number(most.toPrecision(3))} x`;
  return {
    text,
    figures: `${figure(ours)} ms / ${figure(theirs)} ms = ${(ours / theirs).toPrecision(2)} x`,
    met: judged(ours, theirs * most),
  };
}

function judged(value: number, most: number): boolean | null {
  return Number.isNaN(value) || Number.isNaN(most) ? null : value <= most;
}
