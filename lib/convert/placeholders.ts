/**
 * What a launch finds on its host and makes at its start, as placeholders: descriptors of taps, ports, sockets, firmware, an
 * emulator's answers. Pure. Each comes with a sentence that says so: a line made with them is for reading, not for running.
 */
import { wantsPort } from '../domain/graphics.ts';
import type { Domain, Loader, Nvram } from '../domain/definition.ts';
import type { Firmware } from '../domain/firmware.ts';
import { type Hostdev, usbName } from '../domain/hostdev.ts';
import { firstGuestCid } from '../domain/links.ts';
import { hasTap, isVirtio } from '../domain/network.ts';
import type { LaunchSettings } from '../qemu/argv.ts';
import type { Capabilities } from '../qemu/capabilities.ts';

/** A value that stands for what only a host can tell; `notes`: one sentence each for people. */
export interface Assumed<Value> {
  readonly value: Value;
  readonly notes: readonly string[];
}

const assumedVersion = '10.0.0';

/** An emulator that has whatever the domain names, as QEMU 10.0 would. */
export function assumeCapabilities(domain: Domain, emulator: string): Assumed<Capabilities> {
  const named = domain.cpu?.model?.name;
  const value = {
    emulator,
    version: assumedVersion,
    asyncTeardown: 'run-with',
    machines: [{ name: domain.os.machine, alias: null }],
    kvm: true,
    processors: ['486', 'qemu64', 'host', 'max', ...(named === undefined ? [] : [named])],
    devices: null,
  } as const;
  return { value, notes: [`QEMU ${assumedVersion} with every machine type, processor and device is assumed`] };
}

/** Where Debian's ovmf package has it. */
const usualCode = '/usr/share/OVMF/OVMF_CODE_4M.fd';

const formats = { codeFormat: 'raw', varsFormat: 'raw' } as const;

/** The firmware a definition names, or the usual one for `firmware='efi'`; variables at `nvramPath`. null: the machine's BIOS. */
export function assumeFirmware({ os }: Domain, nvramPath: string): Assumed<Firmware | null> {
  const { loader, firmware, nvram } = os;
  if (loader) return assumeLoader(loader, nvram, nvramPath);
  if (firmware !== 'efi') return { value: null, notes: [] };
  const value = { ...flash(usualCode), secure: false, vars: nvram?.path ?? nvramPath };
  return { value, notes: [`${usualCode} stands for the firmware that is chosen at start`] };
}

function assumeLoader(loader: Loader, nvram: Nvram | null, nvramPath: string): Assumed<Firmware> {
  const { path: code, readonly, secure } = loader;
  if (loader.type === 'rom') return { value: { ...flash(code), type: 'rom', secure: false, vars: null }, notes: [] };
  const keepsVariables = nvram !== null || readonly;
  const vars = keepsVariables ? (nvram?.path ?? nvramPath) : null;
  const value = { ...flash(code), readonly, secure, vars };
  return { value, notes: [`${code} is taken to be raw, as are its variables`] };
}

function flash(code: string): Pick<Firmware, 'code' | 'type' | 'readonly' | keyof typeof formats> {
  return { ...formats, code, type: 'pflash', readonly: true };
}

/** What is the same for each conversion. */
export interface Surroundings {
  readonly capabilities: Capabilities;
  readonly firmware: Firmware | null;
  /** Stands for the runtime directory of the incarnation. */
  readonly directory: string;
  readonly nowMs: number;
}

/** A launch of `domain` in which everything that is made at start has a placeholder. */
export function placeholderLaunch(domain: Domain, around: Surroundings): Assumed<LaunchSettings> {
  const { directory, ...rest } = around;
  const ports = vncPorts(domain);
  const { taps, last } = numberTaps(domain);
  const value: LaunchSettings = {
    ...rest,
    qmpSocket: `${directory}/qmp.sock`,
    asyncTeardown: false,
    socketDir: directory,
    taps,
    vncPorts: ports,
    tpmSocket: domain.tpm?.backend === 'emulator' ? `${directory}/swtpm.sock` : null,
    tpmFds: domain.tpm?.backend === 'passthrough' ? { device: last + 2, cancel: last + 3 } : null,
    deviceNodes: deviceNodes(domain),
    vsock: domain.vsock && { cid: domain.vsock.cid ?? firstGuestCid, fd: last + 1 },
    filesystemSockets: new Map(domain.filesystems.map((_each, index) => [index, `${directory}/fs${index}.sock`])),
  };
  return {
    value,
    notes: [
      `sockets below ${directory} are made for each start`,
      ...(taps.size === 0 ? [] : [`descriptors ${firstFd} to ${last} stand for taps, which are opened at start`]),
      ...(ports.size === 0 ? [] : [`VNC from port ${firstPort} on: free ports are chosen at start`]),
      ...notesOnHost(domain, last + 1),
      ...(domain.disks.length === 0 ? [] : ['images were not looked at, nor what backs them']),
    ],
  };
}

/** What stands for devices of the host. */
function notesOnHost({ vsock, hostdevs, tpm }: Domain, vsockFd: number): string[] {
  return [
    ...(vsock === null ? [] : [`descriptor ${vsockFd} stands for /dev/vhost-vsock, which is opened at start`]),
    ...(vsock?.cid === null ? [`vsock CID ${firstGuestCid}: a free one is chosen at start`] : []),
    ...(tpm?.backend === 'passthrough' ? [`descriptors stand for ${tpm.path}, which is opened at start`] : []),
    ...(hostdevs.some(isOnAdapter) ? ['/dev/sg0 stands for a SCSI device that is found at start'] : []),
    ...(hostdevs.some(isSought) ? ['/dev/bus/usb/000/000 stands for a USB device that is found at start'] : []),
  ];
}

/** After stdin, stdout and stderr, as the launcher numbers them. */
const firstFd = 3;

function numberTaps({ interfaces }: Domain): { readonly taps: LaunchSettings['taps']; readonly last: number } {
  let next = firstFd;
  const take = (count: number): number[] => Array.from({ length: count }, () => next++);
  const taps = new Map(
    interfaces.flatMap((card, index) => {
      if (!hasTap(card)) return [];
      const fds = take(card.queues ?? 1);
      const vhost = isVirtio(card.model) && card.backend !== 'qemu';
      return [[index, { fds, vhostFds: vhost ? take(fds.length) : [] }] as const];
    }),
  );
  return { taps, last: next - 1 };
}

function deviceNodes({ hostdevs }: Domain): Map<number, string> {
  const nowhere = { bus: 0, device: 0 };
  const nodeOf = (each: Hostdev): string | null => {
    if (isOnAdapter(each)) return '/dev/sg0';
    return each.type === 'usb' ? `/dev/bus/usb/${usbName(each.place ?? nowhere)}` : null;
  };
  return new Map(
    hostdevs.flatMap((each, index) => {
      const node = nodeOf(each);
      return node === null ? [] : [[index, node] as const];
    }),
  );
}

function isOnAdapter(hostdev: Hostdev): boolean {
  return hostdev.type === 'scsi' && hostdev.source.type === 'adapter';
}

function isSought(hostdev: Hostdev): boolean {
  return hostdev.type === 'usb' && hostdev.place === null;
}

const firstPort = 5900;

function vncPorts({ graphics }: Domain): Map<number, number> {
  const open = graphics.flatMap((screen, index) => (wantsPort(screen) ? [index] : []));
  return new Map(open.map((index, place) => [index, firstPort + place]));
}
