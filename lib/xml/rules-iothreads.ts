/** Rules on threads that serve disks. */
import { devicesAt, findAll, type Known } from './known.ts';
import { maxIoThreads } from './parse-iothreads.ts';
import type { Problem } from './problems.ts';
import { at, repeats, when, type Ruled } from './rule.ts';

/** What is wrong with `<iothreadids>`, and with whoever names one of them. */
export function brokenIoThreads(known: Known, domain: Ruled): Problem[] {
  if (domain.iothreads.length > maxIoThreads)
    return [at(known, '/domain/iothreadids', `there are more than ${maxIoThreads}`, 'make fewer')];
  const rules = [brokenIds, brokenPins, brokenDisks, brokenControllers];
  return rules.flatMap((rule) => rule(known, domain));
}

function brokenIds(known: Known, { iothreads }: Ruled): Problem[] {
  const isRepeated = repeats(iothreads.map(({ id }) => id));
  return findAll(known, '/domain/iothreadids', '/domain/iothreadids/iothread').flatMap((element, index) => {
    const { id, poolMin, poolMax } = iothreads[index] ?? {};
    const isTurned = (poolMin ?? 0) > (poolMax ?? Infinity);
    const key = '/domain/iothreadids/iothread';
    return [
      ...when(isRepeated(index), element, key, `I/O thread ${id} is given twice`, 'keep one of them'),
      ...when(isTurned, element, key, 'its pool has a minimum above its maximum', 'exchange them'),
    ];
  });
}

function brokenPins(known: Known, { iothreads, cputune }: Ruled): Problem[] {
  const there = new Set(iothreads.map(({ id }) => id));
  const isRepeated = repeats(cputune.iothreadPins.map(({ iothread }) => iothread));
  const elements = findAll(known, '/domain/cputune', '/domain/cputune/iothreadpin');
  return elements.slice(0, maxIoThreads + 1).flatMap((element, index) => {
    const { iothread = 0 } = cputune.iothreadPins[index] ?? {};
    const key = '/domain/cputune/iothreadpin';
    const none = `there is no I/O thread ${iothread}`;
    return [
      ...when(!there.has(iothread), element, key, none, 'remove the pin, or add it to <iothreadids>'),
      ...when(isRepeated(index), element, key, `I/O thread ${iothread} is pinned twice`, 'keep one pin'),
    ];
  });
}

function brokenDisks(known: Known, { iothreads, disks }: Ruled): Problem[] {
  const there = new Set(iothreads.map(({ id }) => id));
  const key = '/domain/devices/disk/driver';
  return devicesAt(known, '/domain/devices/disk').flatMap((element, index) => {
    const { bus, driver } = disks[index] ?? {};
    const iothread = driver?.iothread ?? null;
    if (iothread === null) return [];
    return [
      ...when(
        bus !== 'virtio',
        element,
        key,
        `a disk on a ${bus} bus has no I/O thread`,
        'remove the attribute iothread',
      ),
      ...when(!there.has(iothread), element, key, `there is no I/O thread ${iothread}`, 'add it to <iothreadids>'),
    ];
  });
}

function brokenControllers(known: Known, { iothreads, controllers }: Ruled): Problem[] {
  const there = new Set(iothreads.map(({ id }) => id));
  const key = '/domain/devices/controller';
  return devicesAt(known, key).flatMap((element, index) => {
    const one = controllers[index];
    if (one?.type !== 'scsi' || one.iothread === null) return [];
    const isOld = one.model?.startsWith('virtio') !== true;
    const none = `there is no I/O thread ${one.iothread}`;
    return [
      ...when(isOld, element, key, 'only virtio-scsi has I/O threads', "write model='virtio-scsi'"),
      ...when(!there.has(one.iothread), element, key, none, 'add it to <iothreadids>'),
    ];
  });
}
