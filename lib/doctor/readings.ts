/**
 * Everything the doctor judges by, as plain data: what a reader found on a host, or what a test recorded on another.
 * Owns the shapes. Must not know what is good or bad.
 */
import type { CgroupSurvey } from '../../cgroups/survey.ts';
import type { Answers } from '../qemu/interrogate.ts';
import type { Reading } from '../reading.ts';

export interface HostReadings {
  readonly program: ProgramReadings;
  readonly kernel: KernelReadings;
  readonly cgroups: CgroupSurvey;
  readonly memory: MemoryReadings;
  readonly configuration: ConfigurationReadings;
  readonly hypervisor: HypervisorReadings;
  readonly devices: DeviceReadings;
  /** Path of each program by name; null: nowhere in the usual places. */
  readonly tools: Readonly<Record<ToolName, string | null>>;
  /** UEFI images and their descriptions. */
  readonly firmware: readonly string[];
  readonly directories: readonly DirectoryReading[];
  readonly locks: readonly LockReading[];
  readonly daemon: DaemonReading;
}

export type ToolName = 'ip' | 'swtpm' | 'virtiofsd' | 'qemu-img';

export interface ProgramReadings {
  readonly version: string;
  /** Without the leading v. */
  readonly nodeVersion: string;
  readonly uid: number;
  /** null: it loads; else why not. */
  readonly addon: Failure | null;
}

export interface Failure {
  readonly message: string;
  readonly hint: string | null;
}

export interface KernelReadings {
  /** As uname says, e.g. `6.12.117+deb12-amd64`. */
  readonly release: string;
  /** null: it works; else the error's name. */
  readonly pidfd: Reading<string | null>;
  /** A child born in a cgroup by clone3; null: it works; else step and error, e.g. `clone3: ENOSYS`. */
  readonly birth: Reading<string | null>;
  readonly init: {
    /** Name of process 1. */
    readonly name: Reading<string>;
    /** Dead children it has not reaped. */
    readonly zombies: Reading<number>;
  };
}

/** Bytes. */
export interface MemoryReadings {
  readonly total: Reading<number>;
  readonly swap: Reading<number>;
  /** vm.overcommit_memory: 0, 1 or 2. */
  readonly overcommitMemory: Reading<string>;
  /** The chosen word of transparent_hugepage/enabled. */
  readonly transparentHugePages: Reading<string>;
  readonly pools: Reading<readonly HugePool[]>;
  /** /proc/pressure/memory. */
  readonly pressure: Reading<string>;
}

export interface HugePool {
  readonly pageBytes: number;
  readonly pages: number;
  readonly freePages: number;
}

export interface ConfigurationReadings {
  /** Every file that counts. */
  readonly files: readonly CheckedFile[];
  /** What host.yaml says, where it is valid. */
  readonly host: {
    readonly overcommit: number;
    readonly user: string;
    readonly allowRootHypervisor: boolean;
    readonly allowQemuCommandline: boolean;
  } | null;
}

/** A configuration file, and what is wrong with it (the message names file, line and column); null: nothing. */
export interface CheckedFile {
  readonly file: string;
  readonly failure: Failure | null;
}

export interface HypervisorReadings {
  /** The account of security.user; null value: there is none. Only looked for as root. */
  readonly user: Reading<Account | null>;
  readonly emulators: readonly EmulatorReading[];
  /** Directories it must pass through: the runtime directory, and the usual ones for images that are there. */
  readonly ways: readonly { readonly path: string; readonly use: string; readonly ancestors: readonly Mode[] }[];
}

export interface Account {
  readonly uid: number;
  readonly gid: number;
  /** Group `kvm`, which domctl adds for type='kvm'; null: there is none. */
  readonly kvmGid: number | null;
}

/** Permissions of a file. */
export interface Mode {
  readonly path: string;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
}

export interface EmulatorReading {
  readonly path: string;
  /** preload: it was run with the teardown library, and had a helper in its sandbox. */
  readonly answers: Reading<Pick<Answers, 'version' | 'asyncTeardown' | 'kvm'> & { readonly preload: boolean }>;
}

export interface DeviceReadings {
  /** null: there is no such node. */
  readonly kvm: DeviceNode | null;
  /** Parameter `nested` of the kvm module. */
  readonly nested: Reading<string>;
  readonly tun: DeviceNode | null;
  readonly vhostNet: DeviceNode | null;
}

export interface DeviceNode extends Mode {
  /** null: we could open it for reading and writing; else the error's name. */
  readonly open: string | null;
}

export interface DirectoryReading {
  readonly use: 'configuration' | 'state' | 'runtime' | 'log';
  readonly path: string;
  /** The directory, or where it is not there the nearest one above; null: not a directory. */
  readonly nearest: Mode | null;
  readonly exists: boolean;
  readonly writable: Reading<boolean>;
  /** Journals in it that could not be read whole, kept aside by a daemon. */
  readonly damaged?: readonly string[];
}

/** Whether a lock of one open file description is seen by another, as QEMU's image locks need, in a directory. */
export interface LockReading {
  readonly directory: string;
  readonly seen: Reading<boolean>;
}

export type DaemonReading =
  | { readonly kind: 'none' }
  | { readonly kind: 'running'; readonly version: string; readonly pid: number }
  | { readonly kind: 'failed'; readonly failure: Failure };
