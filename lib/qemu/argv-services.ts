/** Devices that serve the guest rather than its user, as QEMU's arguments: entropy, balloon, TPM. Pure. */
import type { Domain } from '../domain/definition.ts';
import { virtioDriver, virtioProperties } from './argv-virtio.ts';
import { type Part, device, given, impossible, json, pciDevice, text } from './arguments.ts';
import { machineFamily } from './machine-family.ts';

/** A device of the host, as numbered in the hypervisor. */
export interface TpmFds {
  readonly device: number;
  readonly cancel: number;
}

/** The TPM, behind the control socket of its emulator or as descriptors of the host's. */
export function tpmArguments(domain: Domain, socket: string | null, fds: TpmFds | null): string[] {
  const { tpm } = domain;
  if (tpm === null) return [];
  const backend =
    tpm.backend === 'passthrough' ? passedTpm(fds) : socketTpm(tpm.backend === 'external' ? tpm.socket : socket);
  return [...backend, ...device({ driver: tpm.model, tpmdev: 'tpm-tpm0', id: 'tpm0' })];
}

function socketTpm(socket: string | null): string[] {
  if (socket === null) throw new Error('the TPM has no socket');
  return [
    ...['-chardev', `socket,id=chrtpm,path=${text(socket)}`],
    ...['-tpmdev', 'emulator,id=tpm-tpm0,chardev=chrtpm'],
  ];
}

function passedTpm(fds: TpmFds | null): string[] {
  if (fds === null) throw new Error('the TPM was not opened');
  return [
    ...['-add-fd', `set=0,fd=${fds.device},opaque=tpm0-tpm`, '-add-fd', `set=1,fd=${fds.cancel},opaque=tpm0-cancel`],
    ...['-tpmdev', 'passthrough,id=tpm-tpm0,path=/dev/fdset/0,cancel-path=/dev/fdset/1'],
  ];
}

/** Sources of entropy, each a back end and a device. */
export function rngParts({ rngs }: Domain): Part[] {
  return rngs.flatMap(({ model, virtio, backend, rate, address }, index): Part[] => {
    const rng = `objrng${index}`;
    const driver = virtioDriver('virtio-rng-pci', model);
    const source = backend.type === 'random' ? { filename: backend.path } : {};
    const limit = rate === null ? {} : { 'max-bytes': rate.bytes, period: rate.periodMs ?? usualPeriodMs };
    return [
      ...json('-object', { 'qom-type': `rng-${backend.type}`, id: rng, ...source }),
      pciDevice('rng', address, { driver, ...virtioProperties(virtio), rng, id: `rng${index}`, ...limit }),
    ];
  });
}

/** What libvirt takes for a rate without a period. */
const usualPeriodMs = 1000;

export function balloonParts({ memballoon }: Domain): Part[] {
  const { model, autodeflate, freePageReporting, virtio, address } = memballoon;
  if (model === 'none') return [];
  const deflate = autodeflate ? { 'deflate-on-oom': true } : {};
  const reporting = given('free-page-reporting', freePageReporting);
  const names = { driver: virtioDriver('virtio-balloon-pci', model), ...virtioProperties(virtio), id: 'balloon0' };
  return [pciDevice('balloon', address, { ...names, ...deflate, ...reporting })];
}

/**
 * What becomes of a guest whose watchdog barks is an `-action` of the machine. q35 has one by itself, which older machine
 * types leave without its reset; libvirt switches it on beside any other.
 */
export function watchdogParts(domain: Domain): Part[] {
  const isThere = machineFamily(domain.os.machine) === 'q35' && domain.watchdog?.model !== 'itco';
  return [...(isThere ? boardsWatchdog : []), ...definedWatchdog(domain)];
}

const boardsWatchdog = ['-global', 'ICH9-LPC.noreboot=off'];

function definedWatchdog({ watchdog, os }: Domain): Part[] {
  switch (watchdog?.model) {
    case undefined:
      return [];
    case 'i6300esb':
      return [pciDevice('watchdog', watchdog.address, { driver: 'i6300esb', id: 'watchdog0' })];
    case 'ib700':
      return device({ driver: 'ib700', id: 'watchdog0' });
    case 'itco':
      if (machineFamily(os.machine) === 'q35') return boardsWatchdog;
      throw impossible(`machine type ${os.machine} has no itco watchdog`, "use <watchdog model='i6300esb'/>");
  }
}

/** How a panicking kernel says so: an I/O port that ACPI names, or a card. */
export function panicParts({ panic }: Domain): Part[] {
  switch (panic?.model) {
    case undefined:
      return [];
    case 'isa':
      return device({ driver: 'pvpanic', id: 'panic0' });
    case 'pvpanic':
      return [pciDevice('panic', null, { driver: 'pvpanic-pci', id: 'panic0' })];
  }
}
