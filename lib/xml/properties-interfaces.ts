/** Lines of the table: network cards. */
import { wholeNumber } from './numbers.ts';
import { boot, onPci, romLines } from './properties-shapes.ts';
import {
  by,
  holder,
  ignored,
  missing,
  only,
  part,
  required,
  several,
  told,
  under,
  value,
  whole,
  words,
} from './property.ts';
import { bridgeName, flag, ipAddress, mac, supported, supportedBut, tapName } from './values.ts';

const bridge = "write <interface type='bridge'><source bridge='br0'/>, naming the bridge of the host";
const types = supportedBut({ network: bridge, direct: bridge }, 'user', 'bridge', 'ethernet');
const port = wholeNumber(1, 65535);

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
  '/model/@type': required(only('virtio', 'e1000', 'e1000e', 'rtl8139')),
  '/driver': holder,
  '/driver/@name': only('vhost', 'qemu'),
  '/driver/@queues': value(wholeNumber(1, 256)),
  '/link': holder,
  '/link/@state': words('up', 'down'),
  '/mtu': holder,
  '/mtu/@size': required(value(wholeNumber(68, 65535))),
  '/virtualport': missing(),
  '/vlan': missing(),
  '/filterref': missing('remove it; filter on the bridge of the host'),
  '/bandwidth': missing('remove it; shape the traffic of the tap with tc'),
  ...romLines,
  ...boot,
  ...onPci,
} as const);
