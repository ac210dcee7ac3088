/** Lines of the table: devices of the host, sockets to the host, the store of errors. */
import { firstGuestCid, lastGuestCid } from '../domain/links.ts';
import { address, amount, integer, unit } from './numbers.ts';
import { driverLines } from './properties-driver.ts';
import { boot, onPci, onPciOrUsb, romLines } from './properties-shapes.ts';
import { virtioModel } from './properties-virtio.ts';
import {
  by,
  first,
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
  words,
} from './property.ts';
import { flag, path, supported, supportedBut, uuid } from './values.ts';

const asDisk = "write a <disk type='block'> that names the device";
const types = supportedBut({ scsi: asDisk, scsi_host: asDisk }, 'usb', 'pci', 'mdev');
const onOff = value(flag('on', 'off'));
const isThere = 'remove it; a device that is not there is refused at start';

export const hostdevs = {
  ...under('/domain/devices/hostdev', {
    '': several(by('type', null, holder)),
    '/@mode': required(only('subsystem')),
    '/@type': required(part(types)),
    '/@managed': value(flag('yes', 'no')),
    '[pci]/driver': holder,
    '[pci]/driver/@name': ignored(only('vfio')),
    '[pci]/driver/@model': missing("remove it; the driver is the host's to choose: driverctl set-override"),
    '[pci]/source': required(holder),
    '[pci]/source/@writeFiltering': missing(),
    '[pci]/source/address': required(holder),
    '[pci]/source/address/@type': ignored(value(supported('pci'))),
    '[pci]/source/address/@domain': value(address(0xffff)),
    '[pci]/source/address/@bus': required(value(address(0xff))),
    '[pci]/source/address/@slot': required(value(address(0x1f))),
    '[pci]/source/address/@function': required(value(address(7))),
    ...under('[pci]', romLines),
    '[usb]/source': required(holder),
    '[usb]/source/@startupPolicy': part(supportedBut({ optional: isThere, requisite: isThere }, 'mandatory')),
    '[usb]/source/@guestReset': words('off', 'uninitialized', 'on'),
    '[usb]/source/vendor': holder,
    '[usb]/source/vendor/@id': required(value(address(0xffff))),
    '[usb]/source/product': holder,
    '[usb]/source/product/@id': required(value(address(0xffff))),
    '[usb]/source/address': holder,
    '[usb]/source/address/@bus': required(value(address(999))),
    '[usb]/source/address/@device': required(value(address(999))),
    '[mdev]/@model': required(only('vfio-pci')),
    '[mdev]/@display': onOff,
    '[mdev]/@ramfb': onOff,
    '[mdev]/source': required(holder),
    '[mdev]/source/address': required(holder),
    '[mdev]/source/address/@uuid': required(value(uuid)),
    '/teaming': missing(),
    ...boot,
    ...onPciOrUsb,
  }),
  ...under('/domain/devices/vsock', {
    '': first(holder),
    '/@model': virtioModel,
    '/cid': holder,
    '/cid/@auto': value(flag('yes', 'no')),
    '/cid/@address': value(integer(firstGuestCid, lastGuestCid)),
    ...driverLines,
    ...onPci,
  }),
  ...under('/domain/devices/pstore', {
    '': first(holder),
    '/@backend': required(only('acpi-erst')),
    '/path': told(value(path('/var/lib/libvirt/qemu/nvram/web1_PSTORE.raw'))),
    '/size': told(value(amount)),
    '/size/@unit': value(unit),
    ...onPci,
  }),
} as const;
