/** Lines of the table: threads that serve disks. */
import { cpuSet, integer, limit, wholeNumber } from './numbers.ts';
import { holder, missing, required, several, under, value, whole } from './property.ts';

const id = value(wholeNumber(1, 65535));
const pool = value(wholeNumber(0, 65535));
const most = Number.MAX_SAFE_INTEGER;
const nanoseconds = value(integer(0, most));

export const iothreads = {
  '/domain/iothreads': value(wholeNumber(0, 1024)),
  ...under('/domain/iothreadids', {
    '': whole(holder),
    '/iothread': several(holder),
    '/iothread/@id': required(id),
    '/iothread/@thread_pool_min': pool,
    '/iothread/@thread_pool_max': pool,
    '/iothread/poll': holder,
    '/iothread/poll/@max': nanoseconds,
    '/iothread/poll/@grow': nanoseconds,
    '/iothread/poll/@shrink': nanoseconds,
  }),
  '/domain/defaultiothread': missing(),
  ...under('/domain/cputune', {
    '/iothread_period': value(integer(1000, 1_000_000)),
    '/iothread_quota': value(limit(1000, 17_592_186_044_415)),
    '/iothreadpin': several(holder),
    '/iothreadpin/@iothread': required(id),
    '/iothreadpin/@cpuset': required(value(cpuSet)),
  }),
  '/domain/devices/disk/driver/@iothread': id,
  '/domain/devices/controller[scsi]/driver/@iothread': id,
} as const;
