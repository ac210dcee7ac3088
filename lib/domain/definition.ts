/**
 * A domain: what its XML says, after defaults. Pure data; `lib/xml` reads and writes it, `lib/qemu` turns it into argv.
 * Sizes are bytes (safe integers), paths absolute. Its devices are in `devices.ts`.
 */
import type {
  Channel,
  Console,
  Controller,
  Disk,
  Filesystem,
  Input,
  Interface,
  Memballoon,
  Panic,
  Parallel,
  Rng,
  Serial,
  Tpm,
  Video,
  Watchdog,
} from './devices.ts';
import type { Alias } from './aliases.ts';
import type { ChipFeatures } from './features.ts';
import type { Sysinfo } from './sysinfo.ts';
import type { IoThread } from './iothreads.ts';
import type { MemoryModule, NumaCell, Numatune } from './numa.ts';
import type { Graphics } from './graphics.ts';
import type { Hostdev } from './hostdev.ts';
import type { Pstore, Vsock } from './links.ts';
import type { Hub, Redirdev, RedirRule, Smartcard } from './redirection.ts';
import type { Shmem } from './shmem.ts';
import type { Audio, Sound } from './sound.ts';
import type { Crypto, Iommu, QemuCommandline } from './translation.ts';

export interface Domain {
  /** Accelerator: `qemu` is TCG, `kvm` needs /dev/kvm. */
  readonly type: 'qemu' | 'kvm';
  readonly name: string;
  readonly uuid: string;
  /** The generation a guest is of, for it to notice that it was copied; null: it is not told. */
  readonly genid: string | null;
  readonly title: string | null;
  readonly description: string | null;
  /** Policy named in `<metadata>`; null: the host's default. */
  readonly policy: string | null;
  /** `<metadata>` as it was given, emitted again unchanged; null when absent. */
  readonly metadataXml: string | null;
  readonly memoryBytes: number;
  readonly currentMemoryBytes: number;
  /** The most there can be, and slots for modules; null: what there is. */
  readonly maxMemory: { readonly bytes: number; readonly slots: number } | null;
  /** Part of `memoryBytes`. */
  readonly memoryModules: readonly MemoryModule[];
  /** The most there can be; `currentVcpus` of them are there at boot. */
  readonly vcpus: number;
  readonly currentVcpus: number;
  readonly iothreads: readonly IoThread[];
  readonly memoryBacking: MemoryBacking;
  readonly memtune: Memtune;
  readonly cputune: Cputune;
  readonly blkiotune: Blkiotune;
  readonly numatune: Numatune;
  /** Told to the guest only with `os.smbios` sysinfo. */
  readonly sysinfo: Sysinfo | null;
  readonly os: OperatingSystem;
  readonly features: Features;
  /** null: the model domctl pins by itself (qemu64). */
  readonly cpu: Cpu | null;
  readonly clock: GuestClock;
  readonly powerManagement: PowerManagement;
  readonly lifecycle: Lifecycle;
  /** Path of the hypervisor; null: found on the host. */
  readonly emulator: string | null;
  readonly controllers: readonly Controller[];
  readonly disks: readonly Disk[];
  readonly filesystems: readonly Filesystem[];
  readonly interfaces: readonly Interface[];
  readonly serials: readonly Serial[];
  readonly parallels: readonly Parallel[];
  readonly consoles: readonly Console[];
  readonly channels: readonly Channel[];
  readonly inputs: readonly Input[];
  readonly graphics: readonly Graphics[];
  readonly videos: readonly Video[];
  readonly sounds: readonly Sound[];
  readonly audios: readonly Audio[];
  readonly hubs: readonly Hub[];
  readonly redirdevs: readonly Redirdev[];
  /** null: every device may be redirected. */
  readonly redirFilter: readonly RedirRule[] | null;
  readonly smartcards: readonly Smartcard[];
  readonly hostdevs: readonly Hostdev[];
  readonly vsock: Vsock | null;
  readonly pstore: Pstore | null;
  readonly shmems: readonly Shmem[];
  readonly iommu: Iommu | null;
  readonly cryptos: readonly Crypto[];
  readonly qemuCommandline: QemuCommandline | null;
  readonly rngs: readonly Rng[];
  readonly tpm: Tpm | null;
  readonly watchdog: Watchdog | null;
  readonly panic: Panic | null;
  readonly memballoon: Memballoon;
  /** Devices that the definition has names for. */
  readonly aliases: readonly Alias[];
  /** Elements and attributes let through by --allow-unsupported: emitted again inside the same parent, without effect. */
  readonly unsupported: readonly UnsupportedFragment[];
}

export interface MemoryBacking {
  /** `file` is read from libvirt and held in a memfd as well. */
  readonly source: 'anonymous' | 'memfd' | 'file';
  readonly access: 'private' | 'shared';
  readonly allocation: 'ondemand' | 'immediate';
  /** Threads that touch memory at start; null: the hypervisor's default. */
  readonly allocationThreads: number | null;
  /** null: ordinary pages. `pageBytes` null: the host's default huge page size. */
  readonly hugepages: { readonly pageBytes: number | null } | null;
  /** Huge pages of single nodes of the guest, instead. */
  readonly nodePages: readonly { readonly cells: readonly number[]; readonly pageBytes: number }[];
  /** Whether pages may be thrown away at exit: always so, as nothing holds them but the hypervisor. */
  readonly discard: boolean;
  readonly locked: boolean;
  readonly mergePages: boolean;
}

/** Limits of the incarnation's cgroup, bytes; null: none. */
export interface Memtune {
  /** memory.max. */
  readonly hardLimitBytes: number | null;
  /** memory.high. */
  readonly softLimitBytes: number | null;
  /** libvirt documents it as memory plus swap; memory.swap.max is what is left above the hard limit. */
  readonly swapHardLimitBytes: number | null;
}

/** CPU numbers of the host, sorted. */
export type CpuSet = readonly number[];

/** A share of CPU time: `quotaUs` per `periodUs`; quota null: unlimited. */
export interface Bandwidth {
  readonly periodUs: number;
  readonly quotaUs: number | null;
}

export interface Cputune {
  /** cpu.weight, 1 to 10000, as libvirt writes it on cgroup v2; null: the kernel's. */
  readonly shares: number | null;
  /** Of each vCPU thread. */
  readonly vcpuBandwidth: Bandwidth | null;
  /** Of every other thread of the hypervisor. */
  readonly emulatorBandwidth: Bandwidth | null;
  /** Of the incarnation as a whole. */
  readonly globalBandwidth: Bandwidth | null;
  /** `<vcpu cpuset>`: of everything that has no pin of its own; null: anywhere. */
  readonly cpuset: CpuSet | null;
  readonly vcpuPins: readonly { readonly vcpu: number; readonly cpus: CpuSet }[];
  readonly emulatorPin: CpuSet | null;
  /** Of each thread that serves disks. */
  readonly iothreadBandwidth: Bandwidth | null;
  readonly iothreadPins: readonly { readonly iothread: number; readonly cpus: CpuSet }[];
}

export interface Blkiotune {
  /** io.weight, 1 to 10000; null: the kernel's. */
  readonly weight: number | null;
  readonly devices: readonly BlkioDevice[];
}

/** Limits for one block device of the host; null: none. */
export interface BlkioDevice {
  readonly path: string;
  readonly weight: number | null;
  readonly readBytesPerSecond: number | null;
  readonly writeBytesPerSecond: number | null;
  readonly readOperationsPerSecond: number | null;
  readonly writeOperationsPerSecond: number | null;
}

export interface OperatingSystem {
  /** `i686`: of 32 bits, for which QEMU has an emulator of its own; that of x86_64 takes it as well. */
  readonly arch: 'x86_64' | 'i686';
  /** Machine type as QEMU names it, e.g. `q35` or `pc-q35-7.2`. */
  readonly machine: string;
  readonly boot: readonly BootDevice[];
  readonly bootMenu: { readonly enabled: boolean; readonly timeoutMs: number | null } | null;
  /** How long the firmware waits when it found nothing to boot, before it tries again; -1: for ever. null: QEMU's default. */
  readonly rebootTimeoutMs: number | null;
  readonly acpiTables: readonly AcpiTable[];
  /** Whose tables of SMBIOS the guest sees; null: QEMU's, as with `emulate`. */
  readonly smbios: 'emulate' | 'sysinfo' | null;
  readonly kernel: string | null;
  readonly initrd: string | null;
  readonly cmdline: string | null;
  /** `efi`: an OVMF of the host is chosen at start where `loader` is null. */
  readonly firmware: 'bios' | 'efi' | null;
  readonly loader: Loader | null;
  readonly nvram: Nvram | null;
}

/** A file that the firmware adds to its tables. */
export interface AcpiTable {
  /** `raw`: with its own header. */
  readonly type: 'raw' | 'slic' | 'msdm';
  readonly path: string;
}

export interface Loader {
  readonly path: string;
  readonly type: 'rom' | 'pflash';
  readonly readonly: boolean;
  readonly secure: boolean;
  /** Keeps no variables; null: as its kind does. */
  readonly stateless: boolean | null;
}

/** The guest's own UEFI variables. path null: `nvram/NAME_VARS.fd` in the state directory; template null: the firmware's. */
export interface Nvram {
  readonly path: string | null;
  readonly template: string | null;
}

export type BootDevice = 'fd' | 'hd' | 'cdrom' | 'network';

export interface Features {
  readonly acpi: boolean;
  readonly apic: boolean;
  readonly pae: boolean;
  /** null: QEMU's default. */
  readonly vmport: boolean | null;
  readonly smm: boolean | null;
  readonly chip: ChipFeatures;
  /** null: element absent, the policy decides. */
  readonly asyncTeardown: boolean | null;
}

export interface Cpu {
  readonly mode: 'custom' | 'host-model' | 'host-passthrough' | 'maximum';
  /** As libvirt has them; they do not change argv of a custom model. */
  readonly match: 'minimum' | 'exact' | 'strict' | null;
  readonly check: 'none' | 'partial' | 'full' | null;
  readonly migratable: boolean | null;
  /** By libvirt's name, who must have made the host's processor; null: anyone. */
  readonly vendor: string | null;
  /** Who the guest is told made it; null: as the model says. */
  readonly vendorId: string | null;
  readonly physicalBits: PhysicalBits | null;
  /** What the guest is told of the third level of cache. */
  readonly cache: { readonly mode: 'emulate' | 'passthrough' | 'disable'; readonly level: number | null } | null;
  readonly model: { readonly name: string; readonly fallback: 'allow' | 'forbid' | null } | null;
  readonly topology: Topology | null;
  readonly features: readonly { readonly name: string; readonly policy: CpuFeaturePolicy }[];
  /** Nodes that the guest sees; none: all its memory is alike. */
  readonly numa: readonly NumaCell[];
}

/** Bits of a physical address. */
export type PhysicalBits =
  | { readonly mode: 'emulate'; readonly bits: number }
  | { readonly mode: 'passthrough'; readonly limit: number | null };

export type CpuFeaturePolicy = 'force' | 'require' | 'optional' | 'disable' | 'forbid';

export interface Topology {
  readonly sockets: number;
  readonly dies: number;
  readonly cores: number;
  readonly threads: number;
}

export interface GuestClock {
  readonly offset: 'utc' | 'localtime' | 'timezone' | 'variable' | 'absolute';
  /** offset timezone: a name of the tz database. */
  readonly timezone: string | null;
  /** offset variable: seconds from `basis`. */
  readonly adjustmentSeconds: number | null;
  readonly basis: 'utc' | 'localtime' | null;
  /** offset absolute: seconds since the epoch. */
  readonly startSeconds: number | null;
  readonly timers: readonly Timer[];
}

export interface Timer {
  readonly name: 'rtc' | 'pit' | 'hpet' | 'tsc' | 'kvmclock' | 'hypervclock' | 'platform';
  readonly present: boolean | null;
  readonly tickPolicy: 'delay' | 'catchup' | 'merge' | 'discard' | null;
  readonly track: 'boot' | 'guest' | 'wall' | 'realtime' | null;
  readonly frequencyHz: number | null;
}

/** Whether the guest is told it can suspend; null: the machine's default. */
export interface PowerManagement {
  readonly suspendToMemory: boolean | null;
  readonly suspendToDisk: boolean | null;
}

/** What follows each end of the guest. */
export interface Lifecycle {
  readonly onPoweroff: 'destroy' | 'restart';
  readonly onReboot: 'restart' | 'destroy';
  readonly onCrash: 'destroy' | 'restart' | 'preserve';
}

export interface UnsupportedFragment {
  /** `element`: a whole element; `attribute`: one attribute of an element domctl knows. */
  readonly kind: 'element' | 'attribute';
  /**
   * Path of the element that holds it, e.g. `/domain/devices`. Elements of which there may be several are always numbered,
   * as the model has them: `/domain/devices/disk[2]/driver` belongs to the second of `disks`.
   */
  readonly parent: string;
  /** As it was written, `<clock offset='utc'/>` or `cache='none'`, with the namespace declarations it needs. */
  readonly xml: string;
}
