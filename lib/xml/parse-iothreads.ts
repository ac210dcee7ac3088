/** XML -> threads that serve disks. */
import type { Cputune } from '../domain/definition.ts';
import type { IoThread } from '../domain/iothreads.ts';
import { find, findAll, need, valueAt, type Known } from './known.ts';
import { listCpus } from './numbers.ts';

/** Most that are read. */
export const maxIoThreads = 1024;

/** Those with an id, then as many more as `<iothreads>` says, by the lowest numbers that are free: libvirt's order. */
export function readIoThreads(domain: Known): IoThread[] {
  const told = findAll(domain, '/domain/iothreadids', '/domain/iothreadids/iothread');
  const named = told.slice(0, maxIoThreads + 1).map(readIoThread);
  const missing = Math.max(0, (valueAt(domain, '/domain/iothreads') ?? 0) - named.length);
  const taken = new Set(named.map(({ id }) => id));
  const free = Array.from({ length: missing + named.length }, (_none, index) => index + 1);
  const others = free.filter((id) => !taken.has(id)).slice(0, missing);
  return [...named, ...others.map((id) => ({ id, poolMin: null, poolMax: null, poll: null }))];
}

function readIoThread(thread: Known): IoThread {
  const poll = find(thread, '/domain/iothreadids/iothread/poll');
  return {
    id: need(thread, '/domain/iothreadids/iothread/@id'),
    poolMin: valueAt(thread, '/domain/iothreadids/iothread/@thread_pool_min') ?? null,
    poolMax: valueAt(thread, '/domain/iothreadids/iothread/@thread_pool_max') ?? null,
    poll:
      poll === undefined
        ? null
        : {
            maxNs: valueAt(poll, '/domain/iothreadids/iothread/poll/@max') ?? null,
            grow: valueAt(poll, '/domain/iothreadids/iothread/poll/@grow') ?? null,
            shrink: valueAt(poll, '/domain/iothreadids/iothread/poll/@shrink') ?? null,
          },
  };
}

/** Where they run. */
export function readIoThreadPins(domain: Known): Cputune['iothreadPins'] {
  const pins = findAll(domain, '/domain/cputune', '/domain/cputune/iothreadpin').slice(0, maxIoThreads + 1);
  return pins.map((pin) => ({
    iothread: need(pin, '/domain/cputune/iothreadpin/@iothread'),
    cpus: listCpus(need(pin, '/domain/cputune/iothreadpin/@cpuset')),
  }));
}
