/** Lines of the table: memory that guests share. */
import { amount, unit, wholeNumber } from './numbers.ts';
import { onPci } from './properties-shapes.ts';
import { holder, part, required, several, told, under, value, words } from './property.ts';
import { flag, sharedName, socketPath, supportedBut } from './values.ts';

const gone =
  'QEMU has no device of that name any more; write ivshmem-plain, or ivshmem-doorbell where there is a server';

/** As many as MSI-X has. */
const mostVectors = 2048;

export const shmem = {
  ...under('/domain/devices/shmem', {
    '': several(holder),
    '/@name': required(value(sharedName)),
    '/@role': words('master', 'peer'),
    '/model': told(holder),
    '/model/@type': required(part(supportedBut({ ivshmem: gone }, 'ivshmem-plain', 'ivshmem-doorbell'))),
    '/size': value(amount),
    '/size/@unit': value(unit),
    '/server': holder,
    '/server/@path': value(socketPath),
    '/msi': holder,
    '/msi/@vectors': value(wholeNumber(1, mostVectors)),
    '/msi/@ioeventfd': value(flag('on', 'off')),
    ...onPci,
  }),
} as const;
