/** Lines of the table: network cards. */
import { cardModels } from '../domain/network.ts';
import { wholeNumber } from './numbers.ts';
import { acpiIndex, boot, onPciOrUsb, romLines } from './properties-shapes.ts';
import { virtioDriver } from './properties-virtio.ts';
import {
  by,
  holder,
  ignored,
  missing,
  only,
  part,
  type Property,
  required,
  several,
  told,
  under,
  value,
  whole,
  words,
} from './property.ts';
import { bridgeName, flag, hostName, ipAddress, mac, path, supported, supportedBut, tapName } from './values.ts';

const bridge = "write <interface type='bridge'><source bridge='br0'/>, naming the bridge of the host";
const assigned = 'give the guest a card of a bridge; devices of the host are not assigned to networks';
const types = supportedBut(
  { network: bridge, direct: bridge, hostdev: assigned, vdpa: assigned },
  'user',
  'bridge',
  'ethernet',
  'server',
  'client',
  'mcast',
  'udp',
  'vhostuser',
);
const switched = value(flag('on', 'off'));
const queueSize = value(wholeNumber(1, 1024));
const port = wholeNumber(1, 65535);

const server = "write mode='client'; the other program listens, so that a start never waits for it";

/** Where a socket of that type listens, connects or sends to. */
function socketSource<const V extends string, const T>(variant: V, address: Property<T>) {
  return under(variant, {
    '/source': required(holder),
    '/source/@address': address,
    '/source/@port': required(value(port)),
  });
}

export const interfaces = under('/domain/devices/interface', {
  '': several(by('type', null, holder)),
  '/@type': required(part(types)),
  '/mac': holder,
  '/mac/@address': required(value(mac)),
  '[bridge]/source': required(holder),
  '[bridge]/source/@bridge': required(value(bridgeName)),
  '[user]/portForward': several(whole(holder)),
  '[user]/portForward/@proto': required(words('tcp', 'udp')),
  '[user]/portForward/@address': value(ipAddress),
  '[user]/portForward/range': told(several(whole(holder))),
  '[user]/portForward/range/@start': required(value(port)),
  '[user]/portForward/range/@end': value(port),
  '[user]/portForward/range/@to': value(port),
  '[user]/portForward/range/@exclude': ignored(part(supported('no'))),
  '[user]/backend': missing("remove it; ports are forwarded by QEMU's own network, passt is not used"),
  '[bridge]/target': holder,
  '[bridge]/target/@dev': value(tapName),
  '[ethernet]/target': holder,
  '[ethernet]/target/@dev': value(tapName),
  '[ethernet]/target/@managed': value(flag('yes', 'no')),
  '[ethernet]/script': missing('remove it; prepare the tap beforehand and write <target dev=... managed="no"/>'),
  '/model': holder,
  '/model/@type': required(only(...cardModels)),
  ...socketSource('[server]', value(hostName)),
  ...socketSource('[client]', required(value(hostName))),
  ...socketSource('[mcast]', required(value(ipAddress))),
  ...socketSource('[udp]', required(value(hostName))),
  '[udp]/source/local': required(holder),
  '[udp]/source/local/@address': required(value(hostName)),
  '[udp]/source/local/@port': required(value(port)),
  '[vhostuser]/source': required(holder),
  '[vhostuser]/source/@type': required(only('unix')),
  '[vhostuser]/source/@path': required(value(path('/run/openvswitch/vhost-user1'))),
  '[vhostuser]/source/@mode': required(part(supportedBut({ server }, 'client'))),
  '[vhostuser]/source/reconnect': missing(),
  '/driver': holder,
  '/driver/@name': only('vhost', 'qemu'),
  '/driver/@queues': value(wholeNumber(1, 256)),
  '/driver/@rx_queue_size': queueSize,
  '/driver/@tx_queue_size': queueSize,
  '/driver/@txmode': only('iothread', 'timer'),
  '/driver/@ioeventfd': switched,
  '/driver/@event_idx': switched,
  '/driver/@rss': switched,
  '/driver/@rss_hash_report': switched,
  ...under('/driver', virtioDriver),
  '/driver/host': holder,
  '/driver/host/@csum': switched,
  '/driver/host/@gso': switched,
  '/driver/host/@tso4': switched,
  '/driver/host/@tso6': switched,
  '/driver/host/@ecn': switched,
  '/driver/host/@ufo': switched,
  '/driver/host/@mrg_rxbuf': switched,
  '/driver/guest': holder,
  '/driver/guest/@csum': switched,
  '/driver/guest/@tso4': switched,
  '/driver/guest/@tso6': switched,
  '/driver/guest/@ecn': switched,
  '/driver/guest/@ufo': switched,
  ...romLines,
  '/link': holder,
  '/link/@state': words('up', 'down'),
  '/mtu': holder,
  '/mtu/@size': required(value(wholeNumber(68, 65535))),
  '/coalesce': missing('remove it; ethtool -C sets it on the tap'),
  '/teaming': missing(),
  '/tune': missing(),
  '/ip': several(missing('remove it; the guest is given its address inside')),
  '/route': several(missing()),
  '/port': missing(),
  '/virtualport': missing(),
  '/vlan': missing(),
  '/filterref': missing('remove it; filter on the bridge of the host'),
  '/bandwidth': missing('remove it; shape the traffic of the tap with tc'),
  ...boot,
  ...acpiIndex,
  ...onPciOrUsb,
} as const);
