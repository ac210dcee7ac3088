/**
 * A domain: what its XML says, after defaults. Pure data; `lib/xml` reads and writes it, `lib/qemu` turns it into argv.
 * Sizes are bytes (safe integers), paths absolute.
 */

export interface Domain {
  /** Accelerator: `qemu` is TCG, `kvm` needs /dev/kvm. */
  readonly type: 'qemu' | 'kvm';
  readonly name: string;
  readonly uuid: string;
  readonly title: string | null;
  readonly description: string | null;
  /** Policy named in `<metadata>`; null: the host's default. */
  readonly policy: string | null;
  /** `<metadata>` as it was given, emitted again unchanged; null when absent. */
  readonly metadataXml: string | null;
  readonly memoryBytes: number;
  readonly currentMemoryBytes: number;
  readonly vcpus: number;
  readonly memoryBacking: MemoryBacking;
  readonly os: OperatingSystem;
  readonly features: Features;
  readonly lifecycle: Lifecycle;
  /** Path of the hypervisor; null: found on the host. */
  readonly emulator: string | null;
  readonly disks: readonly Disk[];
  readonly interfaces: readonly Interface[];
  readonly serials: readonly Serial[];
  /** `<console>` elements; type serial doubles the serial of the same port and makes no device. */
  readonly consoles: readonly Serial[];
  readonly memballoon: 'virtio' | 'none';
  /** Elements and attributes let through by --allow-unsupported: emitted again inside the same parent, without effect. */
  readonly unsupported: readonly UnsupportedFragment[];
}

export interface MemoryBacking {
  readonly source: 'anonymous' | 'memfd';
  readonly access: 'private' | 'shared';
  readonly allocation: 'ondemand' | 'immediate';
  /** Threads that touch memory at start; null: the hypervisor's default. */
  readonly allocationThreads: number | null;
}

export interface OperatingSystem {
  readonly arch: 'x86_64';
  /** Machine type as QEMU names it, e.g. `q35` or `pc-q35-7.2`. */
  readonly machine: string;
  readonly boot: readonly BootDevice[];
  readonly kernel: string | null;
  readonly initrd: string | null;
  readonly cmdline: string | null;
}

export type BootDevice = 'fd' | 'hd' | 'cdrom' | 'network';

export interface Features {
  readonly acpi: boolean;
  readonly apic: boolean;
  readonly pae: boolean;
  /** null: element absent, the policy decides. */
  readonly asyncTeardown: boolean | null;
}

/** What the hypervisor does at each end of the guest; only libvirt's defaults are supported yet. */
export interface Lifecycle {
  readonly onPoweroff: 'destroy';
  readonly onReboot: 'restart';
  readonly onCrash: 'destroy';
}

export interface Disk {
  readonly path: string;
  readonly format: 'raw' | 'qcow2';
  /** Guest-side name, e.g. `vda`; unique in a domain. */
  readonly target: string;
  readonly bus: 'virtio';
  readonly readonly: boolean;
  readonly shareable: boolean;
}

/** User-mode networking: no host resource is taken. */
export interface Interface {
  readonly type: 'user';
  /** Lower-case, colon-separated; made at define when the XML gives none. */
  readonly mac: string;
  readonly model: 'virtio' | 'e1000' | 'e1000e' | 'rtl8139';
}

export interface Serial {
  /** `serial` doubles a serial port and is only valid for a console. */
  readonly kind: 'serial' | 'virtio';
  readonly path: string;
  readonly append: boolean | null;
  readonly port: number;
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
