/** Lines of the table: controllers. */
import { address, wholeNumber } from './numbers.ts';
import { onPciOrUsb } from './properties-shapes.ts';
import { virtioDriver, virtioModel } from './properties-virtio.ts';
import { by, holder, missing, only, part, required, several, told, under, value } from './property.ts';
import { flag, orDefault, supported } from './values.ts';

const small = value(wholeNumber(0, 255));
const switched = value(flag('on', 'off'));

const usbModels = [
  'none',
  'piix3-uhci',
  'piix4-uhci',
  'ehci',
  'pci-ohci',
  'vt82c686b-uhci',
  'qemu-xhci',
  'nec-xhci',
  'ich9-ehci1',
  'ich9-uhci1',
  'ich9-uhci2',
  'ich9-uhci3',
] as const;

const scsiModels = [
  'virtio-scsi',
  'virtio-transitional',
  'virtio-non-transitional',
  'lsilogic',
  'lsisas1068',
  'lsisas1078',
  'vmpvscsi',
  'am53c974',
  'dc390',
] as const;

const pciModels = [
  'pci-root',
  'pcie-root',
  'pci-bridge',
  'pcie-root-port',
  'pcie-to-pci-bridge',
  'dmi-to-pci-bridge',
  'pcie-switch-upstream-port',
  'pcie-switch-downstream-port',
  'pci-expander-bus',
  'pcie-expander-bus',
] as const;

const pciDrivers = [
  'pci-bridge',
  'pcie-root-port',
  'ioh3420',
  'pcie-pci-bridge',
  'i82801b11-bridge',
  'x3130-upstream',
  'xio3130-downstream',
  'pxb',
  'pxb-pcie',
] as const;

export const controllers = under('/domain/devices/controller', {
  '': several(by('type', null, holder)),
  '/@type': required(only('usb', 'scsi', 'sata', 'ide', 'fdc', 'ccid', 'virtio-serial', 'pci')),
  '/@index': small,
  '[usb]/@model': only(...usbModels),
  '[usb]/@ports': value(wholeNumber(1, 15)),
  '[usb]/master': holder,
  '[usb]/master/@startport': required(value(wholeNumber(0, 15))),
  '[scsi]/@model': part(orDefault('auto', supported(...scsiModels))),
  '[scsi]/driver': holder,
  '[scsi]/driver/@queues': value(wholeNumber(1, 1024)),
  '[scsi]/driver/@cmd_per_lun': value(wholeNumber(1, 1024)),
  '[scsi]/driver/@max_sectors': value(wholeNumber(1, 1_048_576)),
  '[scsi]/driver/@ioeventfd': switched,
  ...under('[scsi]/driver', virtioDriver),
  '[virtio-serial]/@model': virtioModel,
  '[virtio-serial]/@ports': value(wholeNumber(1, 511)),
  '[virtio-serial]/@vectors': value(wholeNumber(0, 2048)),
  '[virtio-serial]/driver': holder,
  ...under('[virtio-serial]/driver', virtioDriver),
  '[pci]/@model': told(only(...pciModels)),
  '[pci]/model': holder,
  '[pci]/model/@name': only(...pciDrivers),
  '[pci]/target': holder,
  '[pci]/target/@chassis': small,
  '[pci]/target/@chassisNr': small,
  '[pci]/target/@port': value(address(0xff)),
  '[pci]/target/@hotplug': switched,
  '[pci]/target/@busNr': value(wholeNumber(1, 254)),
  '[pci]/target/node': missing(),
  '[pci]/pcihole64': value(wholeNumber(0, 999_999_999)),
  '[pci]/pcihole64/@unit': only('KiB'),
  ...onPciOrUsb,
} as const);
