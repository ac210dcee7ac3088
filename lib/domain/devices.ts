/**
 * A domain's devices, what its XML says of them after defaults. Pure data. Sizes are bytes, paths absolute.
 * Order in each list is the document's; ids and node names are made by `lib/qemu`.
 */
import type { DiskHardware, DiskThrottle } from './disk-hardware.ts';
import type { BackingChain, DiskSource } from './disk-source.ts';
import type { FileServer, Plan9 } from './filesystems.ts';
import type { CardDriver, CardModel, CardSocket, CardType } from './network.ts';
import type { Rom } from './rom.ts';
import type { VirtioModel, VirtioOptions } from './virtio.ts';

/** Where a device sits; null: the hypervisor chooses. */
export type Address =
  | {
      readonly type: 'pci';
      readonly domain: number;
      readonly bus: number;
      readonly slot: number;
      readonly function: number;
      readonly multifunction: boolean;
    }
  | {
      readonly type: 'drive';
      readonly controller: number;
      readonly bus: number;
      readonly target: number;
      readonly unit: number;
    }
  | { readonly type: 'virtio-serial'; readonly controller: number; readonly bus: number; readonly port: number }
  | { readonly type: 'usb'; readonly bus: number; readonly port: string }
  /** null: the board's usual one. */
  | { readonly type: 'isa'; readonly iobase: number | null; readonly irq: number | null }
  | { readonly type: 'ccid'; readonly controller: number; readonly slot: number };

export interface Disk {
  readonly device: 'disk' | 'cdrom' | 'floppy';
  /** null: an empty drive. */
  readonly source: DiskSource | null;
  /** `fat`: of a directory. */
  readonly format: 'raw' | 'qcow2' | 'fat';
  /** null: what the image itself says is behind it. */
  readonly backing: BackingChain | null;
  /** Whether the guest starts without a medium that is not there; null: it does not. */
  readonly startupPolicy: 'mandatory' | 'requisite' | null;
  /** Guest-side name, e.g. `vda`; unique in a domain. */
  readonly target: string;
  readonly bus: 'virtio' | 'scsi' | 'sata' | 'ide' | 'usb' | 'fdc';
  readonly readonly: boolean;
  readonly shareable: boolean;
  readonly serial: string | null;
  /** Of a virtio disk. */
  readonly model: VirtioModel;
  readonly virtio: VirtioOptions;
  readonly hardware: DiskHardware;
  /** By which the guest's firmware names a virtio disk; null: none. */
  readonly acpiIndex: number | null;
  /** null: as fast as the host. */
  readonly throttle: DiskThrottle | null;
  readonly driver: DiskDriver;
  /** Place in the boot order, from 1; null: by `<os><boot/>`. */
  readonly bootOrder: number | null;
  readonly address: Address | null;
}

/** null: libvirt's or QEMU's default. */
export interface DiskDriver {
  readonly cache: 'none' | 'writeback' | 'writethrough' | 'directsync' | 'unsafe' | null;
  readonly io: 'native' | 'threads' | 'io_uring' | null;
  readonly discard: 'unmap' | 'ignore' | null;
  readonly detectZeroes: 'off' | 'on' | 'unmap' | null;
  readonly errorPolicy: 'stop' | 'report' | 'ignore' | 'enospace' | null;
  readonly readErrorPolicy: 'stop' | 'report' | 'ignore' | null;
  readonly queues: number | null;
  /** Id of one of the domain's; null: QEMU's own thread. */
  readonly iothread: number | null;
  readonly queueSize: number | null;
  readonly ioeventfd: boolean | null;
  readonly eventIdx: boolean | null;
  /** What is read from a backing image is kept. */
  readonly copyOnRead: boolean | null;
  /** Clusters that are discarded keep their place in the image. */
  readonly discardNoUnref: boolean | null;
}

export interface Interface {
  readonly type: CardType;
  /** Bridge of the host; null for the other types. */
  readonly bridge: string | null;
  /** Tap's name on the host, made by the manager when null; null for types that have none. */
  readonly tap: string | null;
  /** False: the tap exists already and is the operator's: it is opened, never made or removed. */
  readonly tapManaged: boolean;
  /** Ports of the host that lead into the guest; `user` only. */
  readonly portForwards: readonly PortForward[];
  /** Lower-case, colon-separated; made at define when the XML gives none. */
  readonly mac: string;
  /** Of the types that are a socket. */
  readonly socket: CardSocket | null;
  /** Of type vhostuser: the socket on which the other program listens. */
  readonly vhostUserSocket: string | null;
  readonly model: CardModel;
  readonly virtio: VirtioOptions;
  readonly driver: CardDriver;
  /** null: QEMU's own. */
  /** By which the guest's firmware names the card, e.g. eno1; null: none. */
  readonly acpiIndex: number | null;
  readonly queues: number | null;
  /** vhost-net in the kernel (`vhost`), QEMU's own (`qemu`), null: vhost where the host has it. */
  readonly backend: 'vhost' | 'qemu' | null;
  readonly mtu: number | null;
  readonly linkUp: boolean;
  /** null: the card's own. */
  readonly rom: Rom | null;
  readonly bootOrder: number | null;
  readonly address: Address | null;
}

export interface PortForward {
  readonly protocol: 'tcp' | 'udp';
  /** Address of the host to listen on; null: all. */
  readonly address: string | null;
  readonly hostPort: number;
  readonly guestPort: number;
}

/** What a character device is on the host. */
export type Backend =
  /** `spicevmc`: the viewer's own end of agent, USB or card; `vc`: a text screen of the display; `stdio`: the log. */
  | { readonly type: 'pty' | 'null' | 'stdio' | 'vc' | 'spicevmc' }
  /** `dev`: a serial or parallel port of the host; `pipe`: the FIFOs `path.in` and `path.out`. */
  | { readonly type: 'dev' | 'pipe'; readonly path: string }
  /** A channel of the spice viewer, or of the screen on D-Bus, by name. */
  | { readonly type: 'spiceport' | 'dbus'; readonly channel: string }
  /** QEMU's own agent for the clipboard of VNC; null: its default. */
  | { readonly type: 'qemu-vdagent'; readonly copyPaste: boolean | null; readonly mouse: 'server' | 'client' | null }
  /** What is said goes to `host`:`port`; what comes to `bindHost`:`bindPort` is heard. */
  | {
      readonly type: 'udp';
      readonly host: string | null;
      readonly port: number;
      readonly bindHost: string | null;
      readonly bindPort: number | null;
    }
  | { readonly type: 'file'; readonly path: string; readonly append: boolean | null }
  /** `bind`: QEMU listens. path null: a socket in the incarnation's runtime directory. */
  | ({ readonly type: 'unix'; readonly mode: 'bind' | 'connect'; readonly path: string | null } & Reconnecting)
  | ({
      readonly type: 'tcp';
      readonly mode: 'bind' | 'connect';
      readonly host: string;
      readonly port: number;
      readonly telnet: boolean;
    } & Reconnecting);

interface Reconnecting {
  /** Of mode `connect`: when to try again, in seconds; null: never. */
  readonly reconnectSeconds: number | null;
}

/** Everything the device says is also written there. */
export interface BackendLog {
  readonly path: string;
  readonly append: boolean | null;
}

export interface Serial {
  readonly model: 'isa-serial' | 'isa-debugcon' | 'usb-serial' | 'pci-serial';
  readonly backend: Backend;
  readonly log: BackendLog | null;
  readonly port: number;
  readonly address: Address | null;
}

/** An ISA parallel port. */
export interface Parallel {
  readonly backend: Backend;
  readonly log: BackendLog | null;
  readonly port: number;
  readonly address: Address | null;
}

/** `serial` doubles the serial of the same port and makes no device; `virtio` is a virtconsole. */
export interface Console {
  readonly kind: 'serial' | 'virtio';
  readonly backend: Backend;
  readonly log: BackendLog | null;
  readonly port: number;
  readonly address: Address | null;
}

/** A virtio-serial port, by its name if it has one, e.g. `org.qemu.guest_agent.0`. */
export interface Channel {
  readonly backend: Backend;
  readonly log: BackendLog | null;
  readonly name: string | null;
  /** Where in QEMU's own network the guest reaches it; null: it is a virtio-serial port. */
  readonly forward: { readonly address: string; readonly port: number } | null;
  readonly address: Address | null;
}

export type Controller = { readonly index: number; readonly address: Address | null } & (
  | {
      readonly type: 'usb';
      readonly model: UsbModel | null;
      readonly ports: number | null;
      readonly startPort: number | null;
    }
  | ScsiController
  /** `ccid`: a reader of smart cards, on USB. */
  | { readonly type: 'sata' | 'ide' | 'fdc' | 'ccid' }
  | {
      readonly type: 'virtio-serial';
      readonly model: VirtioModel;
      readonly virtio: VirtioOptions;
      /** How many it has room for; null: QEMU's default. */
      readonly ports: number | null;
      readonly vectors: number | null;
    }
  | {
      readonly type: 'pci';
      readonly model: PciModel;
      readonly modelName: string | null;
      readonly chassis: number | null;
      readonly port: number | null;
      /** Whether the guest may be given a card there while it runs; null: QEMU's default. */
      readonly hotplug: boolean | null;
      /** Number the guest sees of the first bus behind an expander; null: the highest that is free. */
      readonly busNumber: number | null;
      /** Room for large cards above 4 GiB, bytes; of the root bus only. */
      readonly hole64Bytes: number | null;
    }
);

/** null: libvirt's default; limits are those of virtio-scsi. */
export interface ScsiController {
  readonly type: 'scsi';
  readonly model: ScsiModel | null;
  readonly virtio: VirtioOptions;
  readonly queues: number | null;
  readonly commandsPerLun: number | null;
  readonly maxSectors: number | null;
  readonly ioeventfd: boolean | null;
  /** Id of one of the domain's; null: QEMU's own thread. */
  readonly iothread: number | null;
}

export type ScsiModel =
  | 'virtio-scsi'
  | 'virtio-transitional'
  | 'virtio-non-transitional'
  | 'lsilogic'
  | 'lsisas1068'
  | 'lsisas1078'
  | 'vmpvscsi'
  | 'am53c974'
  | 'dc390';

export type UsbModel =
  | 'none'
  | 'piix3-uhci'
  | 'qemu-xhci'
  | 'nec-xhci'
  | 'ich9-ehci1'
  | 'ich9-uhci1'
  | 'ich9-uhci2'
  | 'ich9-uhci3'
  | 'piix4-uhci'
  | 'ehci'
  | 'vt82c686b-uhci'
  | 'pci-ohci';

export type PciModel =
  | 'pci-root'
  | 'pcie-root'
  | 'pci-bridge'
  | 'pcie-root-port'
  | 'pcie-to-pci-bridge'
  | 'dmi-to-pci-bridge'
  | 'pcie-switch-upstream-port'
  | 'pcie-switch-downstream-port'
  | 'pci-expander-bus'
  | 'pcie-expander-bus';

export interface Video {
  readonly model: 'vga' | 'cirrus' | 'virtio' | 'bochs' | 'qxl' | 'ramfb' | 'none';
  readonly vramBytes: number | null;
  /** Memories that only qxl has; null: libvirt's 64 MiB, none and 16 MiB. */
  readonly ramBytes: number | null;
  readonly vram64Bytes: number | null;
  readonly vgamemBytes: number | null;
  readonly heads: number | null;
  readonly primary: boolean;
  /** Preferred size of the screen in pixels; null: the firmware's. */
  readonly resolution: { readonly x: number; readonly y: number } | null;
  /** Of virtio: 3D by the host's GPU, resources in shared memory. */
  readonly accel3d: boolean | null;
  readonly blob: boolean | null;
  readonly virtio: VirtioOptions;
  /** Number by which firmware tells the guest of it; null: none. */
  readonly acpiIndex: number | null;
  readonly address: Address | null;
}

/** `passthrough` is a device of the host as virtio's, `evdev` one for keyboard and mouse, with no bus of its own. */
export interface Input {
  readonly type: 'tablet' | 'mouse' | 'keyboard' | 'passthrough' | 'evdev';
  readonly bus: 'usb' | 'ps2' | 'virtio' | null;
  /** Of the host, for the last two; null for the others. */
  readonly source: EvdevSource | null;
  readonly virtio: VirtioOptions;
  readonly address: Address | null;
}

/** An event device of the host. What is after `path` is for the type `evdev`; null: QEMU's default. */
export interface EvdevSource {
  readonly path: string;
  readonly grabAll: boolean;
  readonly repeat: boolean | null;
  readonly grabToggle: GrabToggle | null;
}

/** Keys that give the device back to the host. */
type GrabToggle = 'ctrl-ctrl' | 'alt-alt' | 'shift-shift' | 'meta-meta' | 'scrolllock' | 'ctrl-scrolllock';

export interface Rng {
  readonly model: VirtioModel;
  readonly virtio: VirtioOptions;
  readonly backend: { readonly type: 'random'; readonly path: string } | { readonly type: 'builtin' };
  readonly rate: { readonly bytes: number; readonly periodMs: number | null } | null;
  readonly address: Address | null;
}

export interface Watchdog {
  readonly model: 'i6300esb' | 'itco' | 'ib700';
  readonly action: WatchdogAction;
  readonly address: Address | null;
}

export type WatchdogAction = 'reset' | 'shutdown' | 'poweroff' | 'pause' | 'none' | 'inject-nmi';

/** How the guest tells that its kernel panicked. */
export interface Panic {
  readonly model: 'isa' | 'pvpanic';
}

export interface Memballoon {
  readonly model: VirtioModel | 'none';
  readonly autodeflate: boolean;
  /** Whether the guest gives free pages back by itself; null: QEMU's default. */
  readonly freePageReporting: boolean | null;
  /** How often the guest tells of its memory; null: never. */
  readonly statsPeriodSeconds: number | null;
  readonly virtio: VirtioOptions;
  readonly address: Address | null;
}

/**
 * A TPM. `emulator`: swtpm runs beside the hypervisor, in its cgroup; `passthrough`: a device of the host; `external`: an
 * emulator that somebody else runs, behind its control socket.
 */
export type Tpm = { readonly model: 'tpm-crb' | 'tpm-tis' } & (
  | { readonly backend: 'emulator'; readonly version: '1.2' | '2.0' }
  | { readonly backend: 'passthrough'; readonly path: string }
  | { readonly backend: 'external'; readonly socket: string }
);

/** A directory of the host seen by the guest. */
export interface Filesystem {
  readonly source: string;
  /** Tag under which the guest mounts it. */
  readonly target: string;
  readonly readonly: boolean;
  /** null: served by virtiofsd, which runs beside the hypervisor, in its cgroup; else by the hypervisor itself. */
  readonly plan9: Plan9 | null;
  /** Of virtiofsd. */
  readonly server: FileServer;
  /** Path of virtiofsd; null: found on the host. */
  readonly binary: string | null;
  readonly queueSize: number | null;
  readonly model: VirtioModel;
  readonly virtio: VirtioOptions;
  /** Of virtiofsd's, from which firmware can read a kernel. */
  readonly bootOrder: number | null;
  readonly address: Address | null;
}
