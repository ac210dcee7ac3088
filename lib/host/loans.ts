/**
 * Images of others for an unprivileged hypervisor: a file is made its user's before the launch, and given back when it is
 * proven free. Only what one incarnation alone may write is lent; what several may read (read-only images, backing files,
 * kernels) never changes hands. Owns: whose a file is. Must not know: launches. docs/decisions/0025
 */
import { constants, type Stats } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import type { Claim } from '../domain/claims.ts';
import type { Loan } from '../domain/incarnation.ts';
import { DomctlError, isErrno, messageOf } from '../errors.ts';
import { type Account, findLooseEnd, findWall, findWay, may, type Way } from './ways.ts';

/** What a hypervisor needs of the host's files. */
export interface Need {
  readonly claims: readonly Claim[];
  /** What it reads beside them. */
  readonly read: readonly string[];
  readonly account: Account;
  /** Directories whose files are ours, and nobody's to have. */
  readonly ours: readonly string[];
}

/**
 * What must be lent so that the account can use every file among the claims, and those it reads; changes nothing. Throws
 * HOST_LACKS by the file, or by the directory that is in the way.
 */
export async function planLoans({ claims, read, ...who }: Need): Promise<Loan[]> {
  const wanted = [...claims.flatMap(fileOf), ...read.map((path) => ({ path, isLent: false }))];
  const loans = await Promise.all(wanted.map(async (file) => planLoan(file, who)));
  const lent = loans.filter((loan) => loan !== null);
  // By two names, or for two disks: lent once.
  return lent.filter(({ path }, index) => lent.findIndex((other) => other.path === path) === index);
}

interface Wanted {
  readonly path: string;
  readonly isLent: boolean;
}

function fileOf(claim: Claim): Wanted[] {
  return 'path' in claim ? [{ path: claim.path, isLent: claim.mode === 'exclusive' }] : [];
}

type Who = Pick<Need, 'account' | 'ours'>;

async function planLoan({ path, isLent }: Wanted, { account, ours }: Who): Promise<Loan | null> {
  const way = await findWay(path);
  const wall = await findWall(way, account);
  if (wall !== null) throw keptOut(path, wall, account);
  const { stats } = way;
  const isReadable = await may('r', way.path, stats, account);
  if (!isLent && !isReadable) throw unreadable(path, account);
  if (!isLent || (isReadable && (await may('w', way.path, stats, account)))) return null;
  requireLendable(path, way, { account, ours });
  return { path: way.path, inode: stats.ino, owner: stats.uid, borrower: account.uid };
}

/** Where no image lies. */
const ofTheHost = /^\/(?:bin|boot|etc|lib(?:32|64|x32)?|proc|sbin|sys|usr)\//;

/** Who could make the way lead to a file of root's would have it made theirs to write by us. */
function requireLendable(path: string, way: Way, { account: { name }, ours }: Who): void {
  if (ofTheHost.test(way.path) || ours.some((directory) => way.path.startsWith(`${directory}/`)))
    throw new DomctlError(
      'HOST_LACKS',
      `${path} is not lent to user '${name}': it is no image, but a file of the host's`,
      {
        hint: `name an image of the guest's own, or chown ${name} the file if it is one`,
        details: { path },
      },
    );
  const loose = findLooseEnd(way, way.stats.uid);
  if (loose !== null)
    throw new DomctlError('HOST_LACKS', `${path} is not lent to user '${name}': others may exchange ${loose}`, {
      hint: `chown ${name} ${path}; or let only root and the image's owner write the directories that lead to it`,
      details: { path, loose },
    });
  if ((way.stats.mode & 0o600) !== 0o600)
    throw new DomctlError('HOST_LACKS', `${path} may be written by nobody, its owner neither`, {
      hint: `chmod u+rw ${path}; or make the disk <readonly/>`,
      details: { path },
    });
}

/** Makes it the borrower's. Throws HOST_LACKS where it is another file by now, or its file system forbids it. */
export async function lend({ path, inode, owner, borrower }: Loan): Promise<void> {
  try {
    await using file = await openOwn(path);
    if (!isSame(await file.stat(), inode, owner)) throw new Error('it was exchanged meanwhile');
    await file.chown(borrower, keepGroup);
  } catch (error) {
    throw new DomctlError('HOST_LACKS', `${path} cannot be lent to the hypervisor's user: ${messageOf(error)}`, {
      hint: `make it that user's: chown ${borrower} ${path}`,
      details: { path },
      cause: error,
    });
  }
}

/** Makes it its owner's again, if it is not so yet. False: it is not there any more, or was made somebody else's meanwhile. */
export async function giveBack({ path, inode, owner, borrower }: Loan): Promise<boolean> {
  try {
    await using file = await openOwn(path);
    const stats = await file.stat();
    if (isSame(stats, inode, owner)) return true;
    if (!isSame(stats, inode, borrower)) return false;
    await file.chown(owner, keepGroup);
    return true;
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR', 'ELOOP')) return false;
    throw error;
  }
}

const keepGroup = -1;

/** Never a link's target, never waiting for whoever is at the other end of a FIFO. */
async function openOwn(path: string): Promise<FileHandle> {
  return open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK | constants.O_NOCTTY);
}

function isSame(stats: Stats, inode: number, uid: number): boolean {
  return (stats.isFile() || stats.isBlockDevice()) && stats.ino === inode && stats.uid === uid;
}

function keptOut(path: string, wall: string, { name }: Account): DomctlError {
  return new DomctlError('HOST_LACKS', `user '${name}' cannot reach ${path}: ${wall} keeps it out`, {
    hint: `setfacl -m u:${name}:x ${wall}, or chmod o+x ${wall}, or move the file; 'domctl doctor' shows the usual ways`,
    details: { path, wall },
  });
}

function unreadable(path: string, { name }: Account): DomctlError {
  return new DomctlError('HOST_LACKS', `user '${name}' cannot read ${path}`, {
    hint: `setfacl -m u:${name}:r ${path}, or chmod o+r ${path}: what several may read is lent to nobody`,
    details: { path },
  });
}
