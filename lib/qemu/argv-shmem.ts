/** Memory that guests share as QEMU's arguments. Pure. */
import type { Domain } from '../domain/definition.ts';
import { serverSocket, sharedPath, type Shmem } from '../domain/shmem.ts';
import { type Part, given, json, onOff, pciDevice, text } from './arguments.ts';

/** A back end or a line to the server, and a card, `shmemN`. */
export function shmemParts({ shmems }: Domain): Part[] {
  return shmems.flatMap((one, index): Part[] => shmemPart(one, `shmem${index}`));
}

function shmemPart(one: Shmem, id: string): Part[] {
  if (one.model === 'ivshmem-plain') {
    const { role, sizeBytes: size, address, model: driver } = one;
    const memdev = `shmmem-${id}`;
    const file = { 'qom-type': 'memory-backend-file', id: memdev, 'mem-path': sharedPath(one), size, share: true };
    const master = given('master', role === null ? null : onOff(role === 'master'));
    return [...json('-object', file), pciDevice('shmem', address, { driver, id, memdev, ...master })];
  }
  const { vectors, ioeventfd, address, model: driver } = one;
  const chardev = `char${id}`;
  return [
    ...['-chardev', `socket,id=${chardev},path=${text(serverSocket(one))}`],
    pciDevice('shmem', address, { driver, id, chardev, ...given('vectors', vectors), ioeventfd }),
  ];
}
