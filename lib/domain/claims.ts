/**
 * Claims on non-interchangeable resources: host-wide, taken before a launch, kept until the resource is proven free.
 * Images are known by device and inode, so two names of one file are one claim.
 */

export interface Claim {
  readonly kind: 'image';
  readonly path: string;
  readonly device: number;
  readonly inode: number;
  /** shared: read-only, `<shareable/>`, or a backing file. */
  readonly mode: 'exclusive' | 'shared';
}

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

function isSameResource(a: Claim, b: Claim): boolean {
  return a.device === b.device && a.inode === b.inode;
}

function mayShare(a: Claim, b: Claim): boolean {
  return a.mode === 'shared' && b.mode === 'shared';
}
