/** What is run: which brake, over what kind of drain, for what kind of machine. Sizes in bytes, the drains' times in what drain.c takes. */

export const MiB = 2 ** 20;
export const sizes = { oldBytes: 500 * MiB, dirtiedBytes: 500 * MiB, promisedBytes: 600 * MiB, boundBytes: 700 * MiB };

/**
 * What a predecessor holds: beside a hypervisor so much that it comes to be braked. In user-mode Linux an emulated processor
 * dirties no more than 6 to 11 MiB a second, and KVM on emulated virtualization a quarter of one.
 */
export const oldBytes: Readonly<Record<Plan['machine'], number>> = {
  threads: sizes.oldBytes,
  qemu: 600 * MiB,
  kvm: 646 * MiB,
};

export type Contender = 'brake' | 'none' | 'max only' | 'high only';
export type Drain = 'steps' | 'slow' | 'stall' | 'long stall';

export interface Plan {
  readonly contender: Contender;
  /** threads: a program that is to its cgroup what a hypervisor is. qemu, kvm: one, whose guest dirties, emulated or not. */
  readonly machine: 'threads' | 'qemu' | 'kvm';
  /** Of the predecessor. */
  readonly kind: 'anon' | 'memfd';
  readonly drain: Drain;
  readonly vcpus: number;
  /** Whose memory drains: the domain's own predecessor's, or another domain's. */
  readonly whose: 'own' | 'other';
  /** stalled: the manager's event loop stands still for 100 ms of every 150. */
  readonly loop: 'free' | 'stalled';
}

/** What drain.c is told: how, and milliseconds of each of 20 steps, MiB a second, milliseconds until all goes at once. */
export const drainings: Readonly<Record<Drain, { readonly how: string; readonly time: number }>> = {
  steps: { how: 'steps', time: 200 },
  slow: { how: 'slow', time: 100 },
  stall: { how: 'stall', time: 5000 },
  'long stall': { how: 'stall', time: 20_000 },
};

/** What a plan is where it says nothing else. */
export const usual: Plan = {
  contender: 'brake',
  machine: 'threads',
  kind: 'anon',
  drain: 'steps',
  vcpus: 4,
  whose: 'own',
  loop: 'free',
};
const drains: readonly Drain[] = ['steps', 'stall', 'slow'];

/** How fast its monitor is without a brake is what its answers are to be compared with. */
function hypervisors(machine: 'qemu' | 'kvm'): readonly Plan[] {
  const plan = { ...usual, machine, drain: 'long stall', vcpus: 1 } as const;
  return [plan, { ...plan, contender: 'none' }];
}

export type Part = 'bound' | 'others' | 'qemu' | 'kvm' | 'variants';

/** The plans of one part, in the order of the table. */
export const parts: Readonly<Record<Part, readonly Plan[]>> = {
  bound: drains.flatMap((drain) => [
    { ...usual, drain },
    { ...usual, drain, vcpus: 1 },
    { ...usual, drain, kind: 'memfd' as const },
  ]),
  others: [
    ...drains.flatMap((drain) =>
      (['none', 'max only', 'high only'] as const).map((contender) => ({ ...usual, drain, contender })),
    ),
    { ...usual, contender: 'none', vcpus: 1 },
  ],
  qemu: hypervisors('qemu'),
  kvm: hypervisors('kvm'),
  variants: [
    ...drains.map((drain) => ({ ...usual, drain, kind: 'memfd' as const, vcpus: 1 })),
    { ...usual, whose: 'other' },
    { ...usual, drain: 'stall', whose: 'other' },
    { ...usual, loop: 'stalled' },
    { ...usual, drain: 'stall', loop: 'stalled' },
  ],
};

/** One plan is the same as another with the same key. */
export function keyOf({ contender, machine, kind, drain, vcpus, whose, loop }: Plan): string {
  return [contender, machine, drain, kind, vcpus, whose, loop].join(' ');
}
