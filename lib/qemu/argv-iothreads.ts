/** Threads that serve disks, as QEMU's arguments. Pure. Owns their names. */
import type { Domain } from '../domain/definition.ts';
import type { IoThread } from '../domain/iothreads.ts';
import { given, json } from './arguments.ts';

/** Name of the thread in QEMU, e.g. for disks and query-iothreads. */
export function iothreadName(id: number): string {
  return `iothread${id}`;
}

/** The threads themselves. */
export function iothreadArguments({ iothreads }: Domain): string[] {
  return iothreads.flatMap((thread) => json('-object', iothread(thread)));
}

function iothread({ id, poolMin, poolMax, poll }: IoThread): object {
  return {
    'qom-type': 'iothread',
    id: iothreadName(id),
    ...given('thread-pool-min', poolMin),
    ...given('thread-pool-max', poolMax),
    ...given('poll-max-ns', poll?.maxNs ?? null),
    ...given('poll-grow', poll?.grow ?? null),
    ...given('poll-shrink', poll?.shrink ?? null),
  };
}
