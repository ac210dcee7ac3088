/** Rules on network cards. */
import type { Interface } from '../domain/devices.ts';
import { hasTap, isUsbCard, isVirtio } from '../domain/network.ts';
import { isPlainVirtio } from '../domain/virtio.ts';
import { devicesAt, valueAt, type Known } from './known.ts';
import { maxForwards } from './parse-interfaces.ts';
import { quote, type Problem } from './problems.ts';
import { each, repeats, when, type Ruled, type Told } from './rule.ts';
import { sharesMemory } from './shared-memory.ts';

const key = '/domain/devices/interface';

/** What is wrong with network cards. */
export function brokenInterfaces(known: Known, domain: Ruled): Problem[] {
  const { interfaces } = domain;
  const isShared = sharesMemory(domain);
  const isRepeated = repeats(interfaces.map(({ tap }) => tap));
  const forwards = interfaces.flatMap(({ portForwards }) => portForwards).slice(0, maxForwards);
  const isTaken = repeats(forwards.map((one) => `${one.protocol} ${one.address} ${one.hostPort}`));
  return [
    ...each(known, key, interfaces, (card, index) => [
      isRepeated(index) ? [`another card has the tap ${quote(card.tap ?? '')}`, 'give each a tap of its own'] : null,
      brokenTap(card),
      brokenVirtio(card),
      brokenPlace(card),
      brokenSocket(card),
      brokenVhostUser(card, isShared),
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
  if (queues !== null && !isVirtio(model))
    return [`a card of model ${model} has no queues`, "remove the attribute queues, or write <model type='virtio'/>"];
  const isVhost = backend === 'vhost';
  if (isVhost && !isVirtio(model))
    return ['vhost is for virtio cards only', "remove the driver's name, or write <model type='virtio'/>"];
  return isVhost && !hasTap({ type })
    ? [`vhost needs a tap; a card of type ${type} has none`, "remove name='vhost', or write type='bridge'"]
    : null;
}

function brokenVirtio({ model, driver, virtio }: Interface): Told | null {
  const { host, guest, ...settings } = driver;
  const isTold = Object.values(settings).some((each) => each !== null) || Object.keys({ ...host, ...guest }).length > 0;
  if (!isVirtio(model) && (isTold || !isPlainVirtio(virtio)))
    return [
      `a card of model ${model} is no virtio device`,
      "remove what <driver> says, or write <model type='virtio'/>",
    ];
  const sizes = [driver.rxQueueSize, driver.txQueueSize];
  return sizes.some((size) => size !== null && (size < 256 || (size & (size - 1)) !== 0))
    ? ['the size of a queue is a power of two from 256 to 1024', 'write for example 512']
    : null;
}

function brokenPlace({ model, address, rom, acpiIndex }: Interface): Told | null {
  const expected = isUsbCard(model) ? 'usb' : 'pci';
  if (address !== null && address.type !== expected)
    return [`a card of model ${model} has no ${address.type} address`, `write <address type='${expected}' .../>`];
  return isUsbCard(model) && (rom !== null || acpiIndex !== null)
    ? ['a card on a USB port has no code for the firmware, and no index', 'remove <rom> and <acpi>']
    : null;
}

function brokenSocket({ socket }: Interface): Told | null {
  const isIpv6 = [socket?.address, socket?.local?.address].some((address) => address?.includes(':') === true);
  return isIpv6 ? ['sockets of network cards are IPv4 only', 'write an IPv4 address, or a name'] : null;
}

function brokenVhostUser({ type, model }: Interface, isShared: boolean): Told | null {
  if (type !== 'vhostuser') return null;
  if (!isVirtio(model)) return ['a card of type vhostuser is a virtio device', "write <model type='virtio'/>"];
  const share = "add <memoryBacking><source type='memfd'/><access mode='shared'/></memoryBacking>";
  return isShared ? null : ["vhostuser needs the guest's memory shared", share];
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
