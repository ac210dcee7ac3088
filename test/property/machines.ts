/** Any machine without its devices, as long as it keeps the rules of `lib/xml/rules-*.ts`. */
import { fc } from '@fast-check/vitest';
import type { Bandwidth, Cpu, Domain, GuestClock, OperatingSystem, Timer } from '../../lib/domain/definition.ts';
import type { Dimm, NumaCell, NumaPlacement, VirtioMem } from '../../lib/domain/numa.ts';
import { chipFeatures } from './features.ts';
import { iothreads, sysinfo } from './identity.ts';
import { bytes, content, listedPath, maybe, number, oneOf, path, word } from './arbitrary.ts';

const cpus = fc
  .uniqueArray(fc.oneof(number(0, 20), number(0, 8191)), { minLength: 1, maxLength: 12 })
  .map((list) => list.toSorted((a, b) => a - b));

const bandwidth: fc.Arbitrary<Bandwidth> = fc.record({
  periodUs: number(1000, 1_000_000),
  quotaUs: maybe(number(1000, 2 ** 31 - 1)),
});

const rate = maybe(fc.maxSafeNat().filter((value) => value > 0));

const placement: fc.Arbitrary<NumaPlacement> = fc.record({
  mode: oneOf('strict', 'interleave'),
  nodes: fc.uniqueArray(number(0, 1023), { minLength: 1, maxLength: 4 }).map((list) => list.toSorted((a, b) => a - b)),
});

const node: fc.Arbitrary<Omit<NumaCell, 'id' | 'cpus'>> = fc.record({
  memoryBytes: number(1, 2 ** 30).map((kib) => kib * 1024),
  access: maybe(oneOf('private', 'shared')),
  discard: maybe(fc.boolean()),
  distances: fc.uniqueArray(fc.record({ cell: number(0, 2), value: number(11, 255) }), {
    selector: ({ cell }) => cell,
    maxLength: 2,
  }),
});

const anyMemory = {
  sizeBytes: number(1, 2 ** 20).map((kib) => kib * 1024),
  node: fc.constant(0),
  access: maybe(oneOf('private', 'shared')),
  discard: maybe(fc.boolean()),
  pageBytes: maybe(fc.constantFrom(2 ** 21, 2 ** 30)),
  nodes: maybe(fc.constant([0, 2])),
  base: maybe(fc.constant(2 ** 32)),
};

const block = 2 ** 21;

const memoryModule: fc.Arbitrary<Omit<Dimm, 'slot'> | VirtioMem> = fc.oneof(
  fc.record({ ...anyMemory, model: fc.constant('dimm' as const) }),
  fc
    .record({
      ...anyMemory,
      model: fc.constant('virtio-mem' as const),
      sizeBytes: number(2, 9).map((blocks) => blocks * block),
      requestedBytes: number(0, 2).map((blocks) => blocks * block),
      dynamicSlots: maybe(fc.boolean()),
      address: fc.constant(null),
    })
    .map((one) => ({ ...one, blockBytes: block })),
);

const topology = fc.record({ sockets: number(1, 4), dies: number(1, 2), cores: number(1, 16), threads: number(1, 2) });

const feature = fc.record({ name: word, policy: oneOf('force', 'require', 'optional', 'disable', 'forbid') });

const cpu: fc.Arbitrary<Cpu> = fc
  .record({
    mode: oneOf('custom', 'host-model', 'host-passthrough', 'maximum'),
    match: maybe(oneOf('minimum', 'exact', 'strict')),
    check: maybe(oneOf('none', 'partial', 'full')),
    migratable: maybe(fc.boolean()),
    vendor: maybe(word),
    vendorId: maybe(fc.constant('GenuineIntel')),
    physicalBits: maybe(fc.record({ mode: fc.constant('emulate' as const), bits: number(32, 52) })),
    cache: fc.constantFrom(null, { mode: 'emulate', level: 3 } as const, { mode: 'disable', level: null } as const),
    model: maybe(fc.record({ name: word, fallback: maybe(oneOf('allow', 'forbid')) })),
    topology: maybe(topology),
    features: fc.uniqueArray(feature, { selector: ({ name }) => name, maxLength: 3 }),
    numa: fc.constant([]),
  })
  .map((one) => ({ ...one, migratable: one.mode === 'host-passthrough' ? one.migratable : null }));

const timer: fc.Arbitrary<Timer> = fc.record({
  name: oneOf('rtc', 'pit', 'hpet', 'tsc', 'kvmclock', 'hypervclock', 'platform'),
  present: maybe(fc.boolean()),
  tickPolicy: maybe(oneOf('delay', 'catchup', 'merge', 'discard')),
  track: maybe(oneOf('boot', 'guest', 'wall', 'realtime')),
  frequencyHz: maybe(number(1, 2 ** 31 - 1)),
});

const nothing = { timezone: null, adjustmentSeconds: null, basis: null, startSeconds: null } as const;
const seconds = fc.maxSafeInteger();
const offset: fc.Arbitrary<Omit<GuestClock, 'timers'>> = fc.oneof(
  oneOf('utc', 'localtime').map((offset) => ({ offset, ...nothing })),
  oneOf('UTC', 'Europe/Paris', 'Etc/GMT+8').map((timezone) => ({ ...nothing, offset: 'timezone' as const, timezone })),
  fc
    .tuple(seconds, oneOf('utc', 'localtime'))
    .map(([adjustmentSeconds, basis]) => ({ ...nothing, offset: 'variable' as const, adjustmentSeconds, basis })),
  seconds.map((startSeconds) => ({ ...nothing, offset: 'absolute' as const, startSeconds })),
);

const clock: fc.Arbitrary<GuestClock> = fc
  .tuple(offset, fc.uniqueArray(timer, { selector: ({ name }) => name, maxLength: 3 }))
  .map(([told, timers]) => ({ ...told, timers }));

const firmware: fc.Arbitrary<Pick<OperatingSystem, 'firmware' | 'loader' | 'nvram'>> = fc.oneof(
  fc.constant({ firmware: null, loader: null, nvram: null }),
  fc.record({
    firmware: fc.constant('efi' as const),
    loader: fc.constant(null),
    nvram: maybe(fc.record({ path: maybe(path), template: maybe(path) })),
  }),
  fc.record({
    firmware: maybe(oneOf('bios', 'efi')),
    loader: fc.record({
      path,
      type: fc.constant('pflash' as const),
      readonly: fc.boolean(),
      secure: fc.constant(false),
      stateless: maybe(fc.constant(false)),
    }),
    nvram: maybe(fc.record({ path: maybe(path), template: maybe(path) })),
  }),
);

const os: fc.Arbitrary<OperatingSystem> = fc
  .tuple(
    fc.record({
      arch: fc.constant('x86_64' as const),
      machine: fc.stringMatching(/^[a-z][a-z0-9.-]{0,20}$/),
      boot: fc.array(oneOf('fd', 'hd', 'cdrom', 'network'), { maxLength: 3 }),
      bootMenu: maybe(fc.record({ enabled: fc.boolean(), timeoutMs: maybe(number(0, 65535)) })),
      rebootTimeoutMs: maybe(number(-1, 65535)),
      acpiTables: fc.array(fc.record({ type: oneOf('raw', 'slic', 'msdm'), path: listedPath }), { maxLength: 2 }),
      smbios: maybe(fc.constant('emulate' as const)),
      kernel: maybe(path),
      initrd: maybe(path),
      cmdline: maybe(content),
    }),
    firmware,
  )
  .map(([one, firm]) => ({ ...one, ...firm }));

/** Memory and its limits. */
const memory = fc
  .tuple(bytes, fc.double({ min: 0, max: 1, noNaN: true }), maybe(bytes), maybe(bytes), fc.boolean())
  .map(([memoryBytes, share, hard, soft, swaps]) => ({
    memoryBytes,
    currentMemoryBytes: Math.max(1, Math.floor((memoryBytes / 1024) * share)) * 1024,
    memtune: {
      hardLimitBytes: hard,
      softLimitBytes: soft !== null && hard !== null ? Math.min(hard, soft) : soft,
      swapHardLimitBytes: swaps ? hard : null,
    },
  }));

const blkioDevice = fc.record({
  path,
  weight: maybe(number(1, 10_000)),
  readBytesPerSecond: rate,
  writeBytesPerSecond: rate,
  readOperationsPerSecond: rate,
  writeOperationsPerSecond: rate,
});

/** What is not followed by a rule about something else. */
const plain = fc.record({
  type: oneOf('qemu', 'kvm'),
  blkiotune: fc.record({
    weight: maybe(number(1, 10_000)),
    devices: fc.uniqueArray(blkioDevice, { selector: (device) => device.path, maxLength: 2 }),
  }),
  memoryBacking: fc
    .record({
      source: oneOf('anonymous', 'memfd', 'file'),
      access: oneOf('private', 'shared'),
      allocation: oneOf('ondemand', 'immediate'),
      allocationThreads: maybe(number(1, 65535)),
      hugepages: maybe(fc.record({ pageBytes: maybe(fc.constantFrom(2 ** 21, 2 ** 30)) })),
      nodePages: fc.constantFrom([], [{ cells: [0], pageBytes: 2 ** 30 }]),
      discard: fc.boolean(),
      locked: fc.boolean(),
      mergePages: fc.boolean(),
    })
    // Pages of the default size are said by no <page>, so beside none.
    .map((one) => (one.hugepages?.pageBytes === null ? { ...one, nodePages: [] } : one)),
  genid: maybe(fc.uuid()),
  sysinfo: maybe(sysinfo),
  numatune: fc.record({ memory: maybe(placement), cells: fc.constant([]) }),
  features: fc.record({
    acpi: fc.boolean(),
    apic: fc.boolean(),
    pae: fc.boolean(),
    vmport: maybe(fc.boolean()),
    smm: maybe(fc.boolean()),
    chip: chipFeatures,
    asyncTeardown: maybe(fc.boolean()),
  }),
  os,
  clock,
  powerManagement: fc.record({ suspendToMemory: maybe(fc.boolean()), suspendToDisk: maybe(fc.boolean()) }),
  lifecycle: fc
    .record({
      onPoweroff: oneOf('destroy', 'restart'),
      onReboot: oneOf('restart', 'destroy'),
      onCrash: oneOf('destroy', 'restart', 'preserve'),
    })
    .filter(({ onPoweroff, onReboot }) => onPoweroff === 'destroy' || onReboot === 'restart'),
  emulator: maybe(path),
}) satisfies fc.Arbitrary<Partial<Domain>>;

const tuning = fc.record({
  shares: maybe(number(1, 10_000)),
  vcpuBandwidth: maybe(bandwidth),
  emulatorBandwidth: maybe(bandwidth),
  globalBandwidth: maybe(bandwidth),
  cpuset: maybe(cpus),
  emulatorPin: maybe(cpus),
  iothreadBandwidth: maybe(bandwidth),
});

const processors = fc
  .tuple(
    maybe(cpu),
    number(1, 65535),
    fc.double({ min: 0, max: 1, noNaN: true }),
    tuning,
    fc.array(cpus, { maxLength: 4 }),
    iothreads,
  )
  .map(([one, count, share, limits, pins, threads]) => {
    const shape = one?.topology;
    const vcpus = shape ? shape.sockets * shape.dies * shape.cores * shape.threads : count;
    return {
      cpu: one,
      vcpus,
      currentVcpus: Math.max(1, Math.floor(vcpus * share)),
      iothreads: threads,
      cputune: {
        ...limits,
        vcpuPins: pins.slice(0, vcpus).map((list, vcpu) => ({ vcpu, cpus: list })),
        iothreadPins: threads.slice(0, pins.length).map(({ id }, index) => ({ iothread: id, cpus: pins[index] ?? [] })),
      },
    };
  });

/** The machine. */
export const machine = fc
  .tuple(plain, memory, processors, fc.array(node, { maxLength: 3 }), fc.array(memoryModule, { maxLength: 2 }))
  .map(([one, sizes, parts, nodes, modules]) => withModules(withNodes({ ...one, ...sizes, ...parts }, nodes), modules));

/** Each node but the first has one vCPU, as far as they go; the first has all others, as those that nobody claims. */
function withNodes<T extends Pick<Domain, 'cpu' | 'vcpus' | 'memoryBytes' | 'currentMemoryBytes'>>(
  domain: T,
  nodes: readonly Omit<NumaCell, 'id' | 'cpus'>[],
): T {
  if (domain.cpu === null || nodes.length === 0 || domain.vcpus > 8192) return domain;
  const all = Array.from({ length: domain.vcpus }, (_none, index) => index);
  const numa = nodes.map((one, id) => {
    const cpus = id === 0 ? all.filter((index) => index === 0 || index >= nodes.length) : all.slice(id, id + 1);
    const distances = one.distances.filter(({ cell }) => cell < nodes.length && cell !== id);
    return { ...one, id, cpus, distances };
  });
  const memoryBytes = numa.reduce((sum, one) => sum + one.memoryBytes, 0);
  const currentMemoryBytes = Math.min(domain.currentMemoryBytes, memoryBytes);
  return { ...domain, cpu: { ...domain.cpu, numa }, memoryBytes, currentMemoryBytes };
}

/** Each in the slot of its turn, where there are nodes and ACPI. */
function withModules<T extends Pick<Domain, 'cpu' | 'features' | 'memoryBytes'>>(
  domain: T,
  some: readonly (Omit<Dimm, 'slot'> | VirtioMem)[],
): T & Pick<Domain, 'maxMemory' | 'memoryModules'> {
  const isReady = domain.features.acpi && (domain.cpu?.numa ?? []).length > 0;
  if (!isReady) return { ...domain, maxMemory: null, memoryModules: [] };
  const memoryModules = some.map((one, index) =>
    one.model === 'dimm' ? { ...one, slot: some.length - 1 - index } : one,
  );
  const memoryBytes = memoryModules.reduce((sum, { sizeBytes }) => sum + sizeBytes, domain.memoryBytes);
  return { ...domain, memoryBytes, memoryModules, maxMemory: { bytes: 2 * memoryBytes, slots: some.length } };
}
