/** Rules on network cards. */
import type { Interface } from '../domain/devices.ts';
import { devicesAt, valueAt, type Known } from './known.ts';
import { maxForwards } from './parse-interfaces.ts';
import { quote, type Problem } from './problems.ts';
import { each, repeats, when, type Ruled, type Told } from './rule.ts';

const key = '/domain/devices/interface';

/** What is wrong with network cards. */
export function brokenInterfaces(known: Known, { interfaces }: Ruled): Problem[] {
  const isRepeated = repeats(interfaces.map(({ tap }) => tap));
  const forwards = interfaces.flatMap(({ portForwards }) => portForwards).slice(0, maxForwards);
  const isTaken = repeats(forwards.map((one) => `${one.protocol} ${one.address} ${one.hostPort}`));
  return [
    ...each(known, key, interfaces, (card, index) => [
      isRepeated(index) ? [`another card has the tap ${quote(card.tap ?? '')}`, 'give each a tap of its own'] : null,
      brokenTap(card),
      brokenDriver(card),
      brokenForwards(card),
    ]),
    ...devicesAt(known, key).flatMap(brokenRanges),
    ...when(
      forwards.some((_, index) => isTaken(index)),
      known,
      key,
      'a port of the host is forwarded twice',
      'keep one of the ranges',
    ),
  ];
}

function brokenTap({ tap, tapManaged }: Interface): Told | null {
  return tap === null && !tapManaged
    ? ["managed='no' is about a tap that is there already, and none is named", "add dev='tap0' with its name"]
    : null;
}

function brokenDriver({ model, queues, backend, type }: Interface): Told | null {
  if (queues !== null && model !== 'virtio')
    return [`a card of model ${model} has no queues`, "remove the attribute queues, or write <model type='virtio'/>"];
  const isVhost = backend === 'vhost';
  if (isVhost && model !== 'virtio')
    return ['vhost is for virtio cards only', "remove the driver's name, or write <model type='virtio'/>"];
  return isVhost && type === 'user'
    ? ["vhost needs a tap; QEMU's own network has none", "remove name='vhost', or write type='bridge'"]
    : null;
}

function brokenForwards({ portForwards }: Interface): Told | null {
  if (portForwards.length > maxForwards) return [`more than ${maxForwards} ports are forwarded`, 'forward fewer'];
  const isBeyond = portForwards.some(({ hostPort, guestPort }) => Math.max(hostPort, guestPort) > 65535);
  return isBeyond ? ['a range of ports goes beyond 65535', 'make it shorter'] : null;
}

function brokenRanges(card: Known): Problem[] {
  const ranges = card.children
    .filter((child) => child.key === `${key}/portForward`)
    .flatMap(({ children }) => children);
  return ranges.flatMap((range) => {
    const start = valueAt(range, `${key}/portForward/range/@start`) ?? 0;
    const end = valueAt(range, `${key}/portForward/range/@end`) ?? start;
    return when(end < start, range, `${key}/portForward/range`, 'the range ends before it starts', 'turn it around');
  });
}
