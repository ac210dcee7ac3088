/** Where the data of a disk is, and what is behind it. Pure data. */

export type DiskSource = LocalSource | NetworkSource;

/** `file` is a regular file, `block` a block device node, `dir` a directory shown as a FAT file system. */
export interface LocalSource {
  readonly type: 'file' | 'block' | 'dir';
  readonly path: string;
}

/** What a server has. */
export interface NetworkSource {
  readonly type: 'network';
  readonly protocol: NetworkProtocol;
  /** Export, target and lun, pool and image, or path, as the protocol has it; null: the server's default export. */
  readonly name: string | null;
  /** Of http: what follows the question mark. */
  readonly query: string | null;
  readonly hosts: readonly NetworkHost[];
  /** Of iscsi: who we are. */
  readonly initiator: string | null;
  /** Of rbd. */
  readonly snapshot: string | null;
  readonly config: string | null;
  /** Of nfs: who asks, by number. */
  readonly user: number | null;
  readonly group: number | null;
  /** Of https and ftps: whether its certificate is looked at; null: yes. */
  readonly verifiesServer: boolean | null;
  /** Of http and the like: bytes read ahead, and how long an answer may take. */
  readonly readaheadBytes: number | null;
  readonly timeoutSeconds: number | null;
}

export const networkProtocols = ['nbd', 'iscsi', 'rbd', 'http', 'https', 'ftp', 'ftps', 'nfs'] as const;

export type NetworkProtocol = (typeof networkProtocols)[number];

/** port null: the protocol's usual one. */
export type NetworkHost =
  | { readonly transport: 'tcp'; readonly name: string; readonly port: number | null }
  | { readonly transport: 'unix'; readonly socket: string };

/** An image behind another. */
export interface BackingImage {
  readonly source: DiskSource;
  readonly format: 'raw' | 'qcow2';
}

/** What the definition says is behind a disk's image. */
export interface BackingChain {
  /** Nearest first. */
  readonly images: readonly BackingImage[];
  /** Whether nothing is behind the last of them; else what that image itself says is. */
  readonly ends: boolean;
}

/** Servers from which nothing can be written. */
export function isReadOnlyProtocol(protocol: NetworkProtocol): boolean {
  return ['http', 'https', 'ftp', 'ftps'].includes(protocol);
}

/** What is served, in the definition's words: a path of this host, or what its server calls it. null: an empty drive, or the server's default. */
export function nameOf(source: DiskSource | null): string | null {
  return source?.type === 'network' ? source.name : pathOf(source);
}

/** Path on this host; null: the source is elsewhere. */
export function pathOf(source: DiskSource | null): string | null {
  return source === null || source.type === 'network' ? null : source.path;
}
