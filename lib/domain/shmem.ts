/** Memory that a guest shares with other guests and with programs of the host (ivshmem). Pure data. */
import type { Address } from './devices.ts';

export type Shmem = {
  /** Of the file, or of the server; no path. */
  readonly name: string;
  /** Whose the memory is when the guest migrates: what a `master` has goes with it; null: QEMU's default. */
  readonly role: 'master' | 'peer' | null;
  readonly address: Address | null;
} & (
  | {
      /** A file below /dev/shm, which stays when the guest is gone. */
      readonly model: 'ivshmem-plain';
      /** A power of two, 1 MiB at least. */
      readonly sizeBytes: number;
    }
  | {
      /** Memory and interrupts of a server, which another program is. */
      readonly model: 'ivshmem-doorbell';
      /** Its socket; null: libvirt's, by the name. */
      readonly server: string | null;
      /** Interrupts; null: QEMU's default. */
      readonly vectors: number | null;
      readonly ioeventfd: boolean;
    }
);

export type SharedFile = Extract<Shmem, { model: 'ivshmem-plain' }>;

export type SharedServer = Extract<Shmem, { model: 'ivshmem-doorbell' }>;

/** Files that these share. */
export function sharedFiles(shmems: readonly Shmem[]): SharedFile[] {
  return shmems.filter((one) => one.model === 'ivshmem-plain');
}

/** Where a file is: glibc's place for shared memory, as with libvirt. */
export function sharedPath({ name }: Pick<SharedFile, 'name'>): string {
  return `/dev/shm/${name}`;
}

/** Where a server listens. */
export function serverSocket({ server, name }: Pick<SharedServer, 'server' | 'name'>): string {
  return server ?? `/var/lib/libvirt/shmem-${name}-sock`;
}
