/** What is measured of guests, and how often: data. Two hours are enough for all of it on a machine that has nothing else to do. */
import type { Contender } from './contender.ts';
import type { Pages } from '../machine.ts';

/** What can be measured by itself, in the order of their weight. */
export const allParts = [
  'small',
  'key',
  'killed',
  'restart',
  'restart8',
  'middle',
  'memfd',
  'memfd12',
  'big',
  'thp',
  'hugetlb',
  'parent',
] as const;
export type Part = (typeof allParts)[number];

/** Each contender with each size, so often on a quiet machine. */
export interface Planned {
  readonly part: Part;
  readonly kind: 'teardown' | 'restart';
  readonly times: number;
  readonly pages: Pages;
  /** GiB. */
  readonly sizes: readonly number[];
  readonly contenders: readonly Contender[];
}

type Who = 'floor' | 'term' | 'kill' | 'async' | 'fast' | 'gentle' | 'none' | 'killed';
export type Contenders = Readonly<Record<Who, Contender>> & {
  /** Without and with its async teardown; empty: there is none. */
  readonly libvirt: readonly Contender[];
};

export function plan(of: Contenders, quick: boolean): Planned[] {
  const { floor, term, kill, async, fast, gentle, none, killed, libvirt } = of;
  const plain = libvirt.slice(0, 1);
  const anonymous = { kind: 'teardown', pages: '4k' } as const;
  const again = { kind: 'restart', pages: '4k' } as const;
  const all = [kill, fast, term, async, gentle, none, killed, ...libvirt];
  const restarted = [floor, kill, fast, ...libvirt];
  const usual = [kill, async, fast, ...plain];
  const every = [kill, async, fast, gentle, ...libvirt];
  if (quick)
    return [
      { ...anonymous, part: 'small', times: 1, sizes: [1], contenders: all },
      { ...again, part: 'restart', times: 3, sizes: [1], contenders: restarted },
      { kind: 'teardown', pages: 'thp', part: 'thp', times: 1, sizes: [1], contenders: usual },
      { kind: 'teardown', pages: 'memfd', part: 'memfd', times: 1, sizes: [1], contenders: usual },
      { kind: 'teardown', pages: 'hugetlb', part: 'hugetlb', times: 1, sizes: [1], contenders: usual },
    ];
  return [
    { ...anonymous, part: 'small', times: 15, sizes: [1], contenders: all },
    { ...anonymous, part: 'key', times: 15, sizes: [12], contenders: [kill, fast] },
    { ...anonymous, part: 'killed', times: 15, sizes: [12], contenders: [killed] },
    { ...again, part: 'restart', times: 15, sizes: [1], contenders: restarted },
    { ...again, part: 'restart8', times: 15, sizes: [8], contenders: restarted },
    { ...anonymous, part: 'middle', times: 15, sizes: [4, 8], contenders: every },
    { kind: 'teardown', pages: 'memfd', part: 'memfd', times: 15, sizes: [4], contenders: usual },
    { kind: 'teardown', pages: 'memfd', part: 'memfd12', times: 15, sizes: [12], contenders: [kill, fast] },
    { ...anonymous, part: 'big', times: 15, sizes: [12], contenders: [term, async, gentle, ...libvirt] },
    { kind: 'teardown', pages: 'thp', part: 'thp', times: 15, sizes: [12], contenders: usual },
    {
      kind: 'teardown',
      pages: 'hugetlb',
      part: 'hugetlb',
      times: 15,
      sizes: [4],
      contenders: [...usual, ...libvirt.slice(1)],
    },
  ];
}

/** libvirt whose QEMUs fall to whoever reaps on this host. */
export function planParent({ libvirt }: Contenders, quick: boolean): Planned[] {
  const contenders = libvirt.map((each) => ({ ...each, name: `${each.name}, parent as it is here` }));
  const common = { part: 'parent', pages: '4k', sizes: [1], times: quick ? 2 : 15 } as const;
  return [
    { ...common, kind: 'teardown', contenders },
    { ...common, kind: 'restart', contenders: contenders.slice(0, 1) },
  ];
}
