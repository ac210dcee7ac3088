/** SCSI controllers as QEMU's arguments. Pure. */
import type { Controller, ScsiModel } from '../domain/devices.ts';
import { iothreadName } from './argv-iothreads.ts';
import { virtioProperties } from './argv-virtio.ts';
import { type PciDevice, given, pciDevice } from './arguments.ts';
import type { Drive } from './drive-address.ts';

const drivers: Readonly<Record<ScsiModel, string>> = {
  'virtio-scsi': 'virtio-scsi-pci',
  'virtio-transitional': 'virtio-scsi-pci-transitional',
  'virtio-non-transitional': 'virtio-scsi-pci-non-transitional',
  lsilogic: 'lsi',
  lsisas1068: 'mptsas1068',
  lsisas1078: 'megasas',
  vmpvscsi: 'pvscsi',
  am53c974: 'am53c974',
  dc390: 'dc390',
};

/** What libvirt takes on x86 where no model is named. */
export const usualScsiModel: ScsiModel = 'lsilogic';

/** Where a device sits behind one, as properties. The old LSI chip knows targets without luns. */
export function scsiPlace(model: ScsiModel, { controller, bus: channel, target, unit }: Drive): object {
  const bus = `scsi${controller}.0`;
  return model === 'lsilogic' ? { bus, 'scsi-id': unit } : { bus, channel, 'scsi-id': target, lun: unit };
}

/** The controller; what only virtio-scsi has is null for the others. */
export function scsiController(controller: Extract<Controller, { type: 'scsi' }>): PciDevice {
  const { index, address, model, queues, commandsPerLun, maxSectors, ioeventfd, iothread, virtio } = controller;
  return pciDevice('controller', address, {
    driver: drivers[model ?? usualScsiModel],
    ...virtioProperties(virtio),
    ...given('iothread', iothread && iothreadName(iothread)),
    ...given('num_queues', queues),
    ...given('cmd_per_lun', commandsPerLun),
    ...given('max_sectors', maxSectors),
    ...given('ioeventfd', ioeventfd),
    id: `scsi${index}`,
  });
}
