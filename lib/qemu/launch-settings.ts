/** What a launch knows beside the definition: descriptors, ports, sockets and firmware of this host. Pure data. */
import type { Firmware } from '../domain/firmware.ts';
import type { VsockEnd } from './argv-hostdevs.ts';
import type { Tap } from './argv-network.ts';
import type { TpmFds } from './argv-services.ts';
import type { Capabilities } from './capabilities.ts';

/** What a launch adds to the definition. */
export interface LaunchSettings {
  /** Of the emulator the arguments are for. */
  readonly capabilities: Capabilities;
  /** Where QEMU shall listen for the control connection; a fresh path for each start. */
  readonly qmpSocket: string;
  /** Whether memory is torn down by a helper after exit; refused when the emulator cannot. */
  readonly asyncTeardown: boolean;
  /** Directory of this incarnation's sockets (runtime directory); chardevs of type unix without a path listen in it. */
  readonly socketDir: string;
  /** Wall clock, milliseconds since the epoch, from which a clock of offset `variable` counts. */
  readonly nowMs: number;
  /** By index in `domain.interfaces`: descriptors as numbered in the child. */
  readonly taps: ReadonlyMap<number, Tap>;
  /** By index in `domain.graphics`: the port chosen at start (5900 and up). */
  readonly vncPorts: ReadonlyMap<number, number>;
  /** What `<loader>` or `firmware='efi'` came to on this host; null: the machine's own BIOS. */
  readonly firmware: Firmware | null;
  /** Sockets of companions, made before QEMU is: swtpm's control socket; virtiofsd's by index in `domain.filesystems`. */
  readonly tpmSocket: string | null;
  readonly filesystemSockets: ReadonlyMap<number, string>;
  /** A TPM of the host, as numbered in the child; null: none is passed through. */
  readonly tpmFds: TpmFds | null;
  /** By index in `domain.hostdevs`: the node of a USB or SCSI device of the host. */
  readonly deviceNodes: ReadonlyMap<number, string>;
  /** The guest's number, and /dev/vhost-vsock as numbered in the child; null: it has no vsock. */
  readonly vsock: VsockEnd | null;
}
