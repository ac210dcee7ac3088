/** Devices of the host that a guest has to itself. Pure data. */
import type { Address } from './devices.ts';
import type { NetworkSource } from './disk-source.ts';
import type { Rom } from './rom.ts';

/** Place of a device on the host's PCI buses. */
export interface HostPci {
  readonly domain: number;
  readonly bus: number;
  readonly slot: number;
  readonly function: number;
}

/** Place of a device on the host's USB buses, until it is plugged in again. */
export interface HostUsb {
  readonly bus: number;
  readonly device: number;
}

/** What a USB device is, wherever it is plugged in. */
export interface UsbKind {
  readonly vendor: number;
  readonly product: number;
}

/** Place of a device behind a SCSI adapter of the host. */
export interface HostScsi {
  readonly type: 'adapter';
  /** Of the adapter, as in `scsi_host2`. */
  readonly host: number;
  readonly bus: number;
  readonly target: number;
  readonly unit: number;
}

/** `pci` and `mdev` through VFIO, which holds all of the guest's memory; `usb` and `scsi` through the host's own drivers. */
export type Hostdev = PciHostdev | UsbHostdev | MdevHostdev | ScsiHostdev;

interface Passed {
  /** As the definition has it. domctl takes no device from its driver, and gives none back. */
  readonly managed: boolean;
  /** Place in the boot order, from 1; null: none. */
  readonly bootOrder: number | null;
  readonly address: Address | null;
}

export interface PciHostdev extends Passed {
  readonly type: 'pci';
  readonly source: HostPci;
  readonly rom: Rom | null;
}

export interface UsbHostdev extends Passed {
  readonly type: 'usb';
  /** One of the two is there; with both, the device at `place` must be of this kind. */
  readonly kind: UsbKind | null;
  readonly place: HostUsb | null;
  /** Whether the guest may reset it; `uninitialized`: as long as it has no address. null: QEMU's default. */
  readonly guestReset: 'off' | 'uninitialized' | 'on' | null;
}

/** A part of a device of the host that its driver makes. */
export interface MdevHostdev extends Passed {
  readonly type: 'mdev';
  readonly uuid: string;
  /** Whether it has a screen, that of the domain's graphics. */
  readonly display: boolean;
  /** Whether the firmware sees that screen. */
  readonly ramfb: boolean | null;
}

/** A device that gets the guest's own commands. */
export interface ScsiHostdev extends Passed {
  readonly type: 'scsi';
  /** Of this host, or of an iSCSI server. */
  readonly source: HostScsi | NetworkSource;
  readonly readonly: boolean;
}

/** Whether something of the domain works in its memory at all times, which is therefore held from the start. */
export function holdsMemory(hostdevs: readonly Hostdev[]): boolean {
  return hostdevs.some(({ type }) => type === 'pci' || type === 'mdev');
}

/** As sysfs names it: `0000:06:12.5`. */
export function pciName({ domain, bus, slot, function: number }: HostPci): string {
  const hex = (value: number, digits: number): string => value.toString(16).padStart(digits, '0');
  return `${hex(domain, 4)}:${hex(bus, 2)}:${hex(slot, 2)}.${number}`;
}

/** As sysfs names it: `2:0:4:8`. */
export function scsiName({ host, bus, target, unit }: HostScsi): string {
  return [host, bus, target, unit].join(':');
}

/** As it is named below /dev/bus/usb: `014/006`. */
export function usbName({ bus, device }: HostUsb): string {
  return [bus, device].map((number) => String(number).padStart(3, '0')).join('/');
}
