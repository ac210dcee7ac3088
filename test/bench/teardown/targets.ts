/** What domctl promises of its teardown, and whether this run shows it. */
import type { Pages } from './machine.ts';
import type { Results } from './run.ts';
import { figure, spread } from './statistics.ts';

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
  const restart = (contender: string): number =>
    spread(results.restarts.filter((each) => each.contender === contender).map(({ ms }) => ms)).median;
  const shared = Math.max(0, ...results.teardowns.filter(({ pages }) => pages === 'memfd').map(({ gib }) => gib));
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
    ratio(
      `the same, memfd of ${shared} GiB`,
      of('domctl fast', shared, 'backMs', 'memfd'),
      of('QEMU, SIGKILL', shared, 'backMs', 'memfd'),
      1.05,
    ),
    ratio(
      'destroy and force-start against the floor',
      restart('domctl fast'),
      restart('floor: spawn to vCPUs running'),
      3,
    ),
    ratio('the same against libvirt whose QEMU is reaped at once', restart('domctl fast'), restart('libvirt'), 0.5),
    ratio(
      'the same against libvirt with its async teardown, reaped at once',
      restart('domctl fast'),
      restart('libvirt async-teardown'),
      0.5,
    ),
  ];
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
