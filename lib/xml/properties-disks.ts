/** Lines of the table: what a machine keeps its data on, disks and directories of the host. */
import { wholeNumber } from './numbers.ts';
import { diskSources } from './properties-disk-sources.ts';
import { diskHardware, diskThrottle } from './properties-disk-hardware.ts';
import { acpiIndex, boot, onAnyBus, onPci } from './properties-shapes.ts';
import { by, holder, ignored, missing, only, part, required, several, told, under, value, words } from './property.ts';
import { virtioDriver, virtioModel } from './properties-virtio.ts';
import { diskName, flag, mountTag, octalMode, orDefault, path, serialNumber, supported } from './values.ts';

const queues = value(wholeNumber(1, 1024));

export const disks = {
  ...under('/domain/devices/disk', {
    '': several(by('type', 'file', holder)),
    '/@type': only('file', 'block', 'dir', 'network'),
    '/@device': only('disk', 'cdrom', 'floppy'),
    '/@snapshot': ignored(words('no', 'internal', 'external', 'manual')),
    '/@model': virtioModel,
    '/driver': holder,
    '/driver/@name': only('qemu'),
    '/driver/@type': only('raw', 'qcow2', 'fat'),
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
    ...diskSources,
    // A job of libvirt's on a running machine; libvirt passes over it in what is defined, too.
    '/mirror': ignored({ ...holder, opaque: true }),
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
    ...boot,
    ...acpiIndex,
    ...onAnyBus,
  }),
  ...under('/domain/devices/filesystem', {
    '': several(holder),
    '/@type': only('mount'),
    '/@accessmode': only('passthrough', 'mapped', 'squash'),
    '/@model': virtioModel,
    '/@multidevs': part(orDefault('default', supported('remap', 'forbid', 'warn'))),
    '/@fmode': value(octalMode),
    '/@dmode': value(octalMode),
    '/driver': holder,
    '/driver/@type': only('path', 'virtiofs'),
    '/driver/@wrpolicy': only('immediate'),
    ...under('/driver', virtioDriver),
    '/driver/@queue': value(wholeNumber(1, 1024)),
    '/binary': holder,
    '/binary/@path': value(path('/usr/libexec/virtiofsd')),
    '/binary/@xattr': value(flag('on', 'off')),
    '/binary/cache': holder,
    '/binary/cache/@mode': only('none', 'always'),
    '/binary/sandbox': holder,
    '/binary/sandbox/@mode': only('namespace', 'chroot'),
    '/binary/thread_pool': holder,
    '/binary/thread_pool/@size': value(wholeNumber(0, 1024)),
    '/binary/lock': holder,
    '/binary/lock/@posix': ignored(value(supported('off'))),
    '/binary/lock/@flock': ignored(value(supported('off'))),
    '/source': required(holder),
    '/source/@dir': told(value(path('/srv/shared'))),
    '/source/@socket': missing(),
    '/target': required(holder),
    '/target/@dir': required(part(mountTag)),
    '/readonly': holder,
    ...boot,
    ...onPci,
  }),
} as const;
