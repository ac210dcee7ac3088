/**
 * The bricks of QEMU's command line. Pure. Owns quoting, and what a device is before its PCI address is settled.
 *
 * Two quoting rules keep values from becoming options: whatever QEMU accepts as JSON is given as JSON, and in options
 * that exist only as `key=value` text (-name, -chardev, -vnc) commas are doubled.
 */
import type { Address } from '../domain/devices.ts';
import { DomctlError } from '../errors.ts';

/** A device whose place on a PCI bus is not settled yet. */
export interface PciDevice {
  /** Of -device, without bus and addr. */
  readonly properties: DeviceProperties;
  /** As the definition has it; null: the next place that is free, in order of `turn`. */
  readonly address: Address | null;
  readonly turn: Turn;
  /** Number of the bus behind it, when it is a PCI Express port; null otherwise. */
  readonly port: number | null;
}

interface DeviceProperties {
  readonly driver: string;
  readonly id?: string;
  readonly [name: string]: unknown;
}

/**
 * When a device without an address gets its place: libvirt's order, so that a guest finds its cards where libvirt would
 * have put them.
 */
export type Turn = keyof typeof turns;

export const turns = {
  primaryVideo: 0,
  bridge: 1,
  filesystem: 2,
  interface: 3,
  sound: 3.5,
  controller: 4,
  disk: 5,
  hostdev: 5.5,
  balloon: 6,
  rng: 7,
  watchdog: 8,
  video: 9,
  shmem: 9.5,
  input: 10,
  panic: 11,
  serial: 12,
  iommu: 13,
  vsock: 13.5,
  crypto: 14,
  pstore: 15,
  memory: 16,
} as const;

/** A finished argument, or a device that waits for its address. */
export type Part = string | PciDevice;

/** A value inside QEMU's `key=value,key=value` text: a comma would end it, two commas are one. */
export function text(value: string): string {
  return value.replaceAll(',', ',,');
}

/** `-option {"json":..}`; a bigint is a number with all its digits. */
export function json(option: string, value: object): string[] {
  const marked = JSON.stringify(value, (_key, each: unknown) => (typeof each === 'bigint' ? `\0${each}` : each));
  // No value of a definition has a NUL in it.
  return [option, marked.replaceAll(/"\\u0000(\d+)"/g, '$1')];
}

/** A device that is on no PCI bus. */
export function device(properties: object): string[] {
  return json('-device', properties);
}

export function pciDevice(turn: Turn, address: Address | null, properties: DeviceProperties): PciDevice {
  return { properties, address, turn, port: null };
}

/** `on` or `off`, as QEMU's text options say it. */
export function onOff(value: boolean): 'on' | 'off' {
  return value ? 'on' : 'off';
}

/** `{[key]: value}`, or nothing for null. */
export function given(key: string, value: unknown): object {
  return value === null ? {} : { [key]: value };
}

/** What a definition asks for and no hypervisor can give; `hint` is the remedy. */
export function impossible(message: string, hint: string): DomctlError {
  return new DomctlError('INVALID_XML', message, { hint });
}
