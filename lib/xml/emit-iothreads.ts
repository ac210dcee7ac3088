/** Threads that serve disks -> XML. */
import type { IoThread } from '../domain/iothreads.ts';
import { tag, type Tag } from './serialize.ts';

/** `<iothreads>` and `<iothreadids>`. */
export function iothreads(threads: readonly IoThread[]): (Tag | null)[] {
  if (threads.length === 0) return [];
  return [tag('iothreads', {}, threads.length), tag('iothreadids', {}, threads.map(iothread))];
}

function iothread({ id, poolMin, poolMax, poll }: IoThread): Tag {
  return tag('iothread', { id, thread_pool_min: poolMin, thread_pool_max: poolMax }, [
    poll === null ? null : tag('poll', { max: poll.maxNs, grow: poll.grow, shrink: poll.shrink }),
  ]);
}
