/** XML -> memory that guests share. */
import type { Shmem } from '../domain/shmem.ts';
import { readPlace } from './addresses.ts';
import { devicesAt, need, valueAt, type Known } from './known.ts';
import { memoryBytes } from './units.ts';

const key = '/domain/devices/shmem';

/** libvirt's, where a definition says nothing. */
const usualBytes = 4 * 2 ** 20;

/** All of them. */
export function readShmems(domain: Known): Shmem[] {
  return devicesAt(domain, key).map(readShmem);
}

function readShmem(shmem: Known): Shmem {
  const model = need(shmem, `${key}/model/@type`);
  const all = {
    name: need(shmem, `${key}/@name`),
    role: valueAt(shmem, `${key}/@role`) ?? null,
    address: readPlace(shmem),
  };
  if (model === 'ivshmem-plain') return { ...all, model, sizeBytes: sharedSize(shmem) ?? 0 };
  return {
    ...all,
    model,
    server: valueAt(shmem, `${key}/server/@path`) ?? null,
    vectors: valueAt(shmem, `${key}/msi/@vectors`) ?? null,
    ioeventfd: valueAt(shmem, `${key}/msi/@ioeventfd`) ?? true,
  };
}

/** Bytes of a file, a number without a unit being bytes as well; null when no safe integer holds them. */
export function sharedSize(shmem: Known): number | null {
  const size = valueAt(shmem, `${key}/size`);
  return size === undefined ? usualBytes : memoryBytes(size, valueAt(shmem, `${key}/size/@unit`) ?? 1n);
}
