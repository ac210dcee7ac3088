/** Disk images on the host: which files a domain claims, its backing chains, and whether QEMU's locks on them are free. */
import { constants, type Stats } from 'node:fs';
import { open, stat } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { probeLockedBytes, qemuLockBytes } from '../../native/index.ts';
import type { BlockClaim, FileClaim } from '../domain/claims.ts';
import type { Disk } from '../domain/devices.ts';
import { type DiskSource, pathOf } from '../domain/disk-source.ts';
import { DomctlError, isErrno, messageOf } from '../errors.ts';

/** A longer chain is a loop or an accident. */
const longestChain = 64;

/**
 * Claims of a domain's disks: the image or block device itself, and shared claims on the images behind it. Throws
 * HOST_LACKS for what is missing or of the other kind.
 */
export async function claimImages(disks: readonly Disk[]): Promise<(FileClaim | BlockClaim)[]> {
  const claims = await Promise.all(disks.map(claimDisk));
  return claims.flat();
}

async function claimDisk(disk: Disk): Promise<(FileClaim | BlockClaim)[]> {
  const mode = disk.readonly || disk.shareable ? 'shared' : 'exclusive';
  if (disk.source === null) return [];
  const own = await claimSource(disk.source, mode, `disk '${disk.target}'`);
  const use = `backing file of disk '${disk.target}'`;
  const told = await Promise.all((disk.backing?.images ?? []).map(({ source }) => claimSource(source, 'shared', use)));
  const behind = await Promise.all(
    (await untoldChain(disk)).map((path) => claimFile({ kind: 'image', path, mode: 'shared' }, use)),
  );
  return [...own, ...told.flat(), ...behind];
}

/** Of a server there is nothing to claim on this host; a directory may be read by many. */
async function claimSource(
  source: DiskSource,
  mode: FileClaim['mode'],
  use: string,
): Promise<(FileClaim | BlockClaim)[]> {
  if (source.type === 'block') return [await claimBlock(source.path, mode, use)];
  if (source.type === 'file') return [await claimFile({ kind: 'image', path: source.path, mode }, use)];
  if (source.type === 'dir') await requireDirectory(source.path, use);
  return [];
}

async function requireDirectory(path: string, use: string): Promise<void> {
  if (!(await statOrSay(path, use)).isDirectory()) throw missing(path, use, 'is not a directory');
}

/** What lies behind the last image that the definition names, by that image's own word. */
async function untoldChain({ source, format, backing }: Disk): Promise<string[]> {
  if (backing?.ends === true) return [];
  const last = backing?.images.at(-1) ?? { source, format };
  const path = pathOf(last.source);
  return path === null || last.format !== 'qcow2' ? [] : backingChain(path);
}

/** A claim on a regular file that is there; `use` is what an error calls it. Throws HOST_LACKS. */
export async function claimFile(wanted: Pick<FileClaim, 'kind' | 'path' | 'mode'>, use: string): Promise<FileClaim> {
  const stats = await statOrSay(wanted.path, use);
  if (!stats.isFile()) throw missing(wanted.path, use, 'is not a regular file');
  return { ...wanted, device: stats.dev, inode: stats.ino };
}

async function claimBlock(path: string, mode: BlockClaim['mode'], use: string): Promise<BlockClaim> {
  const stats = await statOrSay(path, use);
  if (!stats.isBlockDevice()) throw missing(path, use, 'is not a block device');
  return { kind: 'block', path, device: stats.rdev, mode };
}

async function statOrSay(path: string, use: string): Promise<Stats> {
  return stat(path).catch((error: unknown) => {
    const why = isErrno(error, 'ENOENT') ? 'does not exist' : `cannot be read: ${messageOf(error)}`;
    throw missing(path, use, why);
  });
}

function missing(path: string, use: string, why: string): DomctlError {
  return new DomctlError('HOST_LACKS', `${path} (${use}) ${why}`, {
    hint: `put the file there, or correct its path: 'domctl dumpxml' shows the definition`,
    details: { path },
  });
}

/** Files behind a qcow2 image, nearest first. Chains that leave the file system (json:, nbd:) end here: QEMU locks them itself. */
async function backingChain(path: string): Promise<string[]> {
  const chain: string[] = [];
  let next = await backingFile(path);
  while (next !== null) {
    if (chain.includes(next) || chain.length >= longestChain) {
      throw new DomctlError('HOST_LACKS', `${path}: its chain of backing files has a loop at ${next}`, {
        hint: 'repair it with qemu-img rebase',
      });
    }
    chain.push(next);
    next = await backingFile(next);
  }
  return chain;
}

/** The backing file a qcow2 header names (docs/interop/qcow2.txt: offset at byte 8, length at 16), or null. */
async function backingFile(path: string): Promise<string | null> {
  // Whoever wrote an image may have named anything: a FIFO would keep us waiting, a terminal or watchdog may act.
  const stats = await statOrSay(path, 'backing file');
  if (!stats.isFile() && !stats.isBlockDevice()) return null;
  await using file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK).catch((error: unknown) => {
    throw missing(path, 'backing file', messageOf(error));
  });
  const header = Buffer.alloc(20);
  const { bytesRead } = await file.read(header, 0, header.length, 0);
  if (bytesRead < header.length || header.toString('latin1', 0, 4) !== 'QFI\xfb') return null;
  const [offset, length] = [Number(header.readBigUInt64BE(8)), header.readUInt32BE(16)];
  if (offset === 0 || length === 0 || length > 1023) return null;
  const name = Buffer.alloc(length);
  await file.read(name, 0, length, offset);
  const text = name.toString('utf8').replace(/^file:/, '');
  return /^[a-z][a-z0-9+.-]+:/i.test(text) ? null : resolve(dirname(path), text);
}

/** Bytes of QEMU's locks held on the image by anyone; empty: free. The file not being there is not an answer: it throws. */
export async function lockedBytes(path: string): Promise<number[]> {
  await using file = await open(path, 'r');
  return probeLockedBytes(file.fd, qemuLockBytes);
}

/** 101: others write; 200 and 201: others forbid reading or writing (RAW_LOCK_PERM_BASE and RAW_LOCK_SHARED_BASE in QEMU's block/file-posix.c). */
const bytesAgainstWriting: ReadonlySet<number> = new Set([101, 200, 201]);

/** Whether QEMU would refuse to open the image for writing because of somebody's locks. */
export async function isWriteLocked(path: string): Promise<boolean> {
  return (await lockedBytes(path)).some((byte) => bytesAgainstWriting.has(byte));
}
