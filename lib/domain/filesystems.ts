/** How directories of the host reach a guest. Pure data. */
/** How the hypervisor serves a directory by 9p. */
export interface Plan9 {
  /** Owners and modes: the guest's are the host's, kept in attributes beside the file, or the hypervisor's for all. */
  readonly accessMode: 'passthrough' | 'mapped' | 'squash';
  /** Written to the host's disk at once. */
  readonly writesAtOnce: boolean;
  /** What becomes of files of several file systems below the directory; null: QEMU's default. */
  readonly severalDevices: 'remap' | 'forbid' | 'warn' | null;
  /** Octal modes of new files and directories, of access mode mapped; null: QEMU's. */
  readonly fileMode: string | null;
  readonly directoryMode: string | null;
}

/** What virtiofsd is told; null: its default. */
export interface FileServer {
  readonly xattr: boolean | null;
  readonly cache: 'none' | 'always' | null;
  readonly sandbox: 'namespace' | 'chroot' | null;
  readonly threads: number | null;
}

/** Nothing told. */
export const plainFileServer: FileServer = { xattr: null, cache: null, sandbox: null, threads: null };
