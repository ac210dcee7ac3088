/** Lines of the table: devices of the host, sockets to the host, the store of errors. */
import { firstGuestCid, lastGuestCid } from '../domain/links.ts';
import { address, amount, integer, unit, wholeNumber } from './numbers.ts';
import { driverLines } from './properties-driver.ts';
import { boot, onAnyBus, onPci, romLines } from './properties-shapes.ts';
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
import { noSecrets } from './properties-disk-sources.ts';
import { flag, hostName, path, scsiAdapter, supported, supportedBut, uuid } from './values.ts';
import { exportName, iscsiName } from './values-disks.ts';

const asDisk = "write a <disk type='block'> that names the device";
const types = supportedBut({ scsi_host: asDisk }, 'usb', 'pci', 'mdev', 'scsi');
const onOff = value(flag('on', 'off'));
const isThere = 'remove it; a device that is not there is refused at start';

/** A device behind an adapter, or of a server: which of the two is the rules' to see. */
const scsi = {
  '[scsi]/@sgio': ignored(only('filtered')),
  '[scsi]/@rawio': ignored(only('no')),
  '[scsi]/source': required(by('protocol', null, holder)),
  '[scsi]/source/@protocol': only('iscsi'),
  '[scsi]/source/adapter': holder,
  '[scsi]/source/adapter/@name': required(value(scsiAdapter)),
  '[scsi]/source/address': holder,
  '[scsi]/source/address/@type': ignored(value(supported('scsi'))),
  '[scsi]/source/address/@bus': required(value(address(0xff))),
  '[scsi]/source/address/@target': required(value(address(0xffff))),
  '[scsi]/source/address/@unit': required(value(address(0xffff))),
  '[scsi]/source[iscsi]/@name': required(value(exportName)),
  '[scsi]/source[iscsi]/host': required(holder),
  '[scsi]/source[iscsi]/host/@name': required(value(hostName)),
  '[scsi]/source[iscsi]/host/@port': value(wholeNumber(1, 65_535)),
  '[scsi]/source[iscsi]/initiator': holder,
  '[scsi]/source[iscsi]/initiator/iqn': required(holder),
  '[scsi]/source[iscsi]/initiator/iqn/@name': required(value(iscsiName)),
  '[scsi]/source[iscsi]/auth': missing(noSecrets),
  '[scsi]/readonly': holder,
  '[scsi]/shareable': missing('remove it; what gets the commands of two guests is that of neither'),
} as const;

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
    ...scsi,
    '/teaming': missing(),
    ...boot,
    ...onAnyBus,
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
