/**
 * Claims on non-interchangeable resources: host-wide, taken before a launch, kept until the resource is proven free.
 * Files are known by device and inode, block devices by number, so two names of one resource are one claim.
 */

/** A regular file: a disk image, the guest's UEFI variables, or (`store`) one that is memory of the guest. */
export interface FileClaim {
  readonly kind: 'image' | 'nvram' | 'store';
  readonly path: string;
  readonly device: number;
  readonly inode: number;
  /** shared: read-only, `<shareable/>`, or a backing file. */
  readonly mode: 'exclusive' | 'shared';
}

export interface BlockClaim {
  readonly kind: 'block';
  readonly path: string;
  /** The number of the device itself (st_rdev), not of the file system its node is in. */
  readonly device: number;
  readonly mode: 'exclusive' | 'shared';
}

export interface TapClaim {
  readonly kind: 'tap';
  readonly name: string;
  /** Made at start and gone with its hypervisor; false: the operator's, who keeps it. */
  readonly managed: boolean;
  readonly mode: 'exclusive';
}

export interface PortClaim {
  readonly kind: 'port';
  readonly protocol: 'tcp' | 'udp';
  /** Of the host; null: all. */
  readonly address: string | null;
  readonly port: number;
  readonly mode: 'exclusive';
}

/** A device of the host that its node is opened for: of USB, of VFIO (a whole IOMMU group), a TPM. */
export interface CharacterClaim {
  readonly kind: 'character';
  /** Path of the node. */
  readonly node: string;
  /** The number of the device itself (st_rdev). */
  readonly device: number;
  /** What it is: `PCI device 0000:06:12.5`. */
  readonly use: string;
  readonly mode: 'exclusive';
}

/** The number under which a guest is reached by vsock. */
export interface CidClaim {
  readonly kind: 'cid';
  readonly cid: number;
  readonly mode: 'exclusive';
}

export type Claim = FileClaim | BlockClaim | TapClaim | PortClaim | CharacterClaim | CidClaim;

export interface ClaimHolder {
  readonly domain: string;
  readonly incarnation: number;
  readonly claims: readonly Claim[];
}

export interface ClaimConflict {
  readonly wanted: Claim;
  readonly held: Claim;
  readonly holder: ClaimHolder;
}

/** The first of `wanted` that `holders` do not allow, or null: exclusive goes with nothing, shared goes with shared. */
export function findConflict(wanted: readonly Claim[], holders: readonly ClaimHolder[]): ClaimConflict | null {
  for (const claim of wanted) {
    for (const holder of holders) {
      const held = holder.claims.find((other) => isSameResource(claim, other) && !mayShare(claim, other));
      if (held) return { wanted: claim, held, holder };
    }
  }
  return null;
}

/** As a sentence names it, and as a key among the claims of one incarnation: `/images/a.raw`, `tap vnet0`, `tcp port 5900`. */
export function describeClaim(claim: Claim): string {
  switch (claim.kind) {
    case 'image':
    case 'nvram':
    case 'store':
    case 'block':
      return claim.path;
    case 'character':
      return claim.use;
    case 'cid':
      return `vsock CID ${claim.cid}`;
    case 'tap':
      return `tap ${claim.name}`;
    case 'port':
      return `${claim.protocol} port ${claim.address === null ? '' : `${bracketed(claim.address)}:`}${claim.port}`;
  }
}

/** What may be changed in two domains so that both can have what they want. */
export function conflictRemedy({ kind }: Claim): string {
  switch (kind) {
    case 'image':
    case 'block':
      return 'mark the disk <readonly/> or <shareable/> in both';
    case 'nvram':
      return 'give each its own <nvram> file';
    case 'tap':
      return "give one of them another <target dev='...'/>";
    case 'port':
      return 'give one of them another port';
    case 'store':
      return 'give each its own file';
    case 'character':
      return 'remove it from one of the two definitions';
    case 'cid':
      return "write <cid auto='yes'/> in one of them";
  }
}

export function isFileClaim(claim: Claim): claim is FileClaim {
  return claim.kind === 'image' || claim.kind === 'nvram' || claim.kind === 'store';
}

function isSameResource(a: Claim, b: Claim): boolean {
  if (isFileClaim(a)) return isFileClaim(b) && a.device === b.device && a.inode === b.inode;
  switch (a.kind) {
    case 'block':
      return b.kind === 'block' && a.device === b.device;
    case 'tap':
      return b.kind === 'tap' && a.name === b.name;
    case 'port':
      return b.kind === 'port' && isSamePort(a, b);
    case 'character':
      return b.kind === 'character' && a.device === b.device;
    case 'cid':
      return b.kind === 'cid' && a.cid === b.cid;
  }
}

function isSamePort(a: PortClaim, b: PortClaim): boolean {
  const overlap = isEveryAddress(a.address) || isEveryAddress(b.address) || a.address === b.address;
  return a.protocol === b.protocol && a.port === b.port && overlap;
}

/** `::` takes IPv4 too, unless told otherwise. */
function isEveryAddress(address: string | null): boolean {
  return address === null || address === '0.0.0.0' || address === '::';
}

function bracketed(address: string): string {
  return address.includes(':') ? `[${address}]` : address;
}

function mayShare(a: Claim, b: Claim): boolean {
  return a.mode === 'shared' && b.mode === 'shared';
}
