/** Lines of the table: what a machine keeps its data on, disks and directories of the host. */
import { wholeNumber } from './numbers.ts';
import { diskHardware, diskThrottle } from './properties-disk-hardware.ts';
import { boot, onAnyBus, onPci } from './properties-shapes.ts';
import { by, holder, ignored, missing, only, part, required, several, told, under, value } from './property.ts';
import { virtioDriver, virtioModel } from './properties-virtio.ts';
import { diskName, flag, mountTag, orDefault, path, serialNumber, supported } from './values.ts';

const queues = value(wholeNumber(1, 1024));

export const disks = {
  ...under('/domain/devices/disk', {
    '': several(by('type', 'file', holder)),
    '/@type': only('file', 'block'),
    '/@device': only('disk', 'cdrom', 'floppy'),
    '/@snapshot': missing(),
    '/@model': virtioModel,
    '/driver': holder,
    '/driver/@name': only('qemu'),
    '/driver/@type': only('raw', 'qcow2'),
    '/driver/@cache': part(
      orDefault('default', supported('none', 'writeback', 'writethrough', 'directsync', 'unsafe')),
    ),
    '/driver/@io': only('native', 'threads', 'io_uring'),
    '/driver/@discard': only('unmap', 'ignore'),
    '/driver/@detect_zeroes': only('off', 'on', 'unmap'),
    '/driver/@error_policy': only('stop', 'report', 'ignore', 'enospace'),
    '/driver/@rerror_policy': only('stop', 'report', 'ignore'),
    '/driver/@queues': queues,
    '/driver/@queue_size': queues,
    '/driver/@ioeventfd': value(flag('on', 'off')),
    '/driver/@event_idx': value(flag('on', 'off')),
    '/driver/@copy_on_read': value(flag('on', 'off')),
    '/driver/@discard_no_unref': value(flag('on', 'off')),
    ...under('/driver', virtioDriver),
    '[file]/source': holder,
    '[file]/source/@file': required(value(path('/var/lib/images/disk.qcow2'))),
    '[file]/source/@startupPolicy': missing('remove it; a file that is not there refuses the start'),
    '[block]/source': holder,
    '[block]/source/@dev': required(value(path('/dev/vg0/disk'))),
    '/source/@index': ignored(value(wholeNumber(0, 999_999_999))),
    '/backingStore': ignored(holder),
    '/mirror': missing(),
    '/target': required(holder),
    '/target/@dev': required(part(diskName)),
    '/target/@bus': only('virtio', 'scsi', 'sata', 'ide', 'usb', 'fdc'),
    '/target/@tray': ignored(value(supported('closed'))),
    ...diskThrottle,
    ...diskHardware,
    '/readonly': holder,
    '/shareable': holder,
    '/transient': missing('remove it; an overlay of your own in a qcow2 image can be thrown away'),
    '/serial': value(serialNumber),
    '/encryption': missing(),
    ...boot,
    ...onAnyBus,
  }),
  ...under('/domain/devices/filesystem', {
    '': several(holder),
    '/@type': only('mount'),
    '/@accessmode': only('passthrough'),
    '/driver': told(holder),
    '/driver/@type': told(only('virtiofs')),
    '/driver/@queue': value(wholeNumber(1, 1024)),
    '/binary': holder,
    '/binary/@path': value(path('/usr/libexec/virtiofsd')),
    '/source': required(holder),
    '/source/@dir': told(value(path('/srv/shared'))),
    '/source/@socket': missing(),
    '/target': required(holder),
    '/target/@dir': required(part(mountTag)),
    '/readonly': holder,
    ...onPci,
  }),
} as const;
