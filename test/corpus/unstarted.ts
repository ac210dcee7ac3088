/**
 * Definitions whose command line no QEMU of the tests starts, each with the reason and QEMU's own words for it. Test data: the test
 * that starts all others is qemu/corpus.test.ts, and the report counts what is here.
 */

/** What some hosts, or some packages of QEMU, have and others have not. */
export type Ability = 'spice' | 'D-Bus' | 'huge pages' | 'four nodes' | 'udmabuf' | 'vhost-vsock' | 'virtiofsd';

export const generations = ['7.2', '10'] as const;
export type Generation = (typeof generations)[number];

export interface Unstarted {
  readonly reason: string;
  /** Where this is there, they start. null: no test can make what they name. */
  readonly without: Ability | null;
  /** Those that refuse; with an ability: where the report was counted, on Debian 12 with its own 7.2 and a 10 without modules. */
  readonly qemus: readonly Generation[];
  /** In what QEMU says then. */
  readonly says: RegExp;
  /** Names without `.xml`. One that lacks several things is in several rows. */
  readonly definitions: readonly string[];
}

export const unstarted: readonly Unstarted[] = [
  {
    reason: 'spice is a module of QEMU, packaged apart',
    without: 'spice',
    qemus: ['10'],
    says: /There is no option group 'spice'|-spice: (invalid option|spice support)|'qxl-vga' is not a valid device model/,
    definitions: [
      'controller-order',
      'graphics-spice-auto-socket',
      'graphics-spice-auto-socket-cfg',
      'graphics-spice-no-args',
      'hostdev-mdev-display-spice-egl-headless',
      'name-escape',
      'pcie-root-port',
      'pcie-switch-downstream-port',
      'q35',
      'q35-virt-manager-basic',
      'smartcard-passthrough-spicevmc',
      'usb-redir-boot',
      'usb-redir-filter-version',
      'video-qxl-device-vgamem',
      'video-qxl-resolution',
    ],
  },
  {
    reason: 'a screen on D-Bus is a module of QEMU, packaged apart',
    without: 'D-Bus',
    qemus: ['10'],
    says: /Display 'dbus' is not available/,
    definitions: ['graphics-dbus-address', 'graphics-dbus-chardev'],
  },
  {
    reason: 'a GPU of the host renders',
    without: null,
    qemus: generations,
    says: /no drm render node available|Display '(dbus|egl-headless)' is not available/,
    definitions: ['graphics-dbus-address', 'hostdev-mdev-display-vnc-egl-headless', 'name-escape'],
  },
  {
    reason: 'a window on a screen of the host',
    without: null,
    qemus: generations,
    says: /Display 'sdl' is not available|Could not initialize SDL/,
    definitions: ['video-virtio-gpu-sdl-gl'],
  },
  {
    reason: 'a sound card of the host, or a server of sound',
    without: null,
    qemus: generations,
    says: /Unknown audio driver `(jack|sdl)'|Could not init `(oss|jack|sdl)' audio|dev\/dsp0 not accessible/,
    definitions: ['audio-jack-minimal', 'audio-oss-best', 'audio-sdl-best'],
  },
  {
    reason: 'a USB device of the host',
    without: null,
    qemus: generations,
    says: /"usb-host".*([Ff]ailed to|Could not) open '?\S*\/bus\/usb\/014\/006/,
    definitions: [
      'controller-order',
      'hostdev-usb-address',
      'hostdev-usb-address-device',
      'hostdev-usb-address-device-boot',
    ],
  },
  {
    reason: 'a PCI device of the host, bound to vfio-pci',
    without: null,
    qemus: generations,
    says: /"vfio-pci".*vfio \S*0000:06:12\.5: no such host device/,
    definitions: ['pci-rom'],
  },
  {
    reason: 'a part of a PCI device of the host (mdev)',
    without: null,
    qemus: generations,
    says: /"vfio-pci".*vfio \S*53764d0e-85a0-42b4-af5c-2046b460b1dc: no such host device/,
    definitions: ['hostdev-mdev-display-spice-egl-headless', 'hostdev-mdev-display-vnc-egl-headless'],
  },
  {
    reason: 'an input device of the host',
    without: null,
    qemus: generations,
    says: /"virtio-input-host-pci".*Could not open '\S*\/dev\/input\/event1234'/,
    definitions: ['q35-pcie-autoadd'],
  },
  {
    reason: 'a parallel port of the host',
    without: null,
    qemus: generations,
    says: /not a parallel port/,
    definitions: ['parallel-parport-chardev'],
  },
  {
    reason: 'sockets to guests, a module of the kernel',
    without: 'vhost-vsock',
    qemus: generations,
    says: /"vhost-vsock-pci".*vhost_set_owner failed/,
    definitions: ['vhost-vsock-auto'],
  },
  {
    reason: 'shared buffers (/dev/udmabuf), a module of the kernel',
    without: 'udmabuf',
    qemus: generations,
    says: /without udmabuf|need rutabaga or udmabuf/,
    definitions: ['video-virtio-blob-on'],
  },
  {
    reason: 'huge pages that the host sets aside',
    without: 'huge pages',
    qemus: generations,
    says: /unable to map backing store for guest RAM: Cannot allocate memory/,
    definitions: ['hugepages-default', 'hugepages-numa-default', 'vhost-user-fs-hugepages'],
  },
  {
    reason: 'memory of the host’s nodes 1 to 3',
    without: 'four nodes',
    qemus: generations,
    says: /cannot bind memory to host NUMA nodes/,
    definitions: ['memory-hotplug-virtio-mem', 'numatune-memnode-no-memory'],
  },
  {
    reason: 'virtiofsd, a package of its own',
    without: 'virtiofsd',
    qemus: [],
    says: /Failed to connect to '\S*fs0\.sock'/,
    definitions: ['vhost-user-fs-hugepages', 'vhost-user-fs-readonly'],
  },
  {
    reason: 'KVM, for interrupts of 288 processors',
    without: null,
    qemus: generations,
    says: /requires? kernel irqchip and X2APIC|APIC ID 255 requires x2APIC/,
    definitions: ['intel-iommu-eim'],
  },
  {
    reason: 'KVM, for enlightenments of Hyper-V',
    without: null,
    qemus: ['7.2'],
    says: /kernel doesn't allow setting HyperV VP_INDEX/,
    definitions: ['hyperv'],
  },
  {
    reason: 'more memory than that QEMU’s emulated processor addresses',
    without: null,
    qemus: generations,
    says: /Address space limit 0xffffffffff < 0x401047fffffff phys-bits too low/,
    definitions: ['memory-hotplug'],
  },
  {
    reason: 'a machine type of QEMU 9',
    without: null,
    qemus: ['7.2'],
    says: /unsupported machine type/,
    definitions: ['pstore-acpi-erst'],
  },
  {
    reason: '`discard_no_unref`, of QEMU 8.1',
    without: null,
    qemus: ['7.2'],
    says: /Parameter 'discard-no-unref' is unexpected/,
    definitions: ['disk-discard_no_unref'],
  },
  {
    reason: 'NFS is a module of QEMU, packaged apart, and the server is nobody’s',
    without: null,
    qemus: generations,
    says: /Unknown driver 'nfs'|Failed to mount nfs share/,
    definitions: ['disk-network-nfs'],
  },
  {
    reason: 'arguments of `<qemu:commandline>` that stand for some and are none of QEMU’s',
    without: null,
    qemus: generations,
    says: /Could not open 'ARGUMENT'|-unknown: invalid option/,
    definitions: ['qemu-ns-domain-commandline-ns0', 'qemu-ns-domain-ns0', 'qemu-ns-no-env'],
  },
];
