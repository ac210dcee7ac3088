/**
 * Differences from libvirt's command line that leave the guest the machine its definition says: one table, each with its reason.
 * What is not covered here is wrong.
 */
import type { Domain } from '../../lib/domain/definition.ts';
import type { Difference } from './compare.ts';

/** What a difference is judged by beside the two machines. */
export interface Definition {
  readonly xml: string;
  readonly domain: Domain;
}

export interface Legitimate {
  readonly title: string;
  readonly reason: string;
  covers(difference: Difference, definition: Definition): boolean;
}

export const legitimate: readonly Legitimate[] = [
  {
    title: "QEMU's own default",
    reason: 'one side says what the other leaves to QEMU, and it is the same',
    covers: ({ kind, name, key, libvirt, domctl }) =>
      (libvirt === null || domctl === null) && isDefault(`${kind} ${name}`, key, libvirt ?? domctl ?? ''),
  },
  {
    title: 'locks are asked for',
    reason:
      "`locking=on`: QEMU's `auto` goes without locks where a file system refuses them, and then two machines write one image",
    covers: ({ key, domctl }) => /(^|\.)locking$/.test(key) && domctl === 'on',
  },
  {
    title: 'memory in memfd',
    reason:
      'memory that is shared or in huge pages is a memfd here, a file below /var/lib/libvirt or hugetlbfs there: the guest sees the same, and no file is left behind',
    covers: ({ kind, key, libvirt, domctl }) =>
      /^(machine|numa|object|device)$/.test(kind) && isOfMemfd(key.split('.').at(-1) ?? '', libvirt, domctl),
  },
  {
    title: 'an audio backend that nothing plays on',
    reason: 'libvirt gives every guest `-audiodev none`; without a sound card nothing refers to it but the display',
    covers: ({ kind, name, key, libvirt, domctl }) =>
      domctl === null &&
      ((kind === 'audiodev' && name === 'none' && libvirt === 'driver=none') ||
        (key.endsWith('audiodev.driver') && libvirt === 'none' && kind !== 'device')),
  },
  {
    title: 'what follows an end of the guest',
    reason: '`<on_poweroff>`, `<on_reboot>` and `<on_crash>` are actions of QEMU here; libvirt acts on its events',
    covers: ({ kind, libvirt, domctl }) =>
      kind === 'action' && (libvirt === null || libvirt === 'watchdog=reset') && !/watchdog/.test(domctl ?? ''),
  },
  {
    title: 'sockets by path',
    reason:
      "libvirt opens a listening socket and hands its descriptor over; here QEMU makes it at the path that the definition has, or in the incarnation's directory",
    covers: ({ key, libvirt, domctl }, { xml }) =>
      ((key === 'chardev.fds' || key === 'fds') && libvirt === '1' && domctl === null) ||
      (key === 'vnc' && bothOwn(libvirt ?? '', domctl ?? '')) ||
      ((key === 'chardev.path' || key === 'path') &&
        (libvirt === null || libvirt.startsWith(libvirtsOwn)) &&
        domctl !== null &&
        isOurs(domctl, xml)),
  },
  {
    title: 'output files by path',
    reason: "libvirt's virtlogd writes the file and hands a descriptor over; here QEMU opens the path",
    covers: ({ kind, key, libvirt, domctl }) =>
      (key === 'chardev.path' && /^\/dev\/fdset\//.test(libvirt ?? '') && domctl !== null) ||
      (key === 'chardev.append' && domctl === null) ||
      (kind === 'add-fd' && domctl === null),
  },
  {
    title: "the host's processor is not expanded",
    reason:
      "`host-model`: libvirt writes out what it found on its host; here it is QEMU's `host`, or `max` without KVM ([0012](decisions/0012-the-hosts-processor-is-not-expanded.md))",
    covers: ({ kind, key, domctl }, { domain }) =>
      kind === 'cpu' &&
      domain.cpu?.mode === 'host-model' &&
      (key === 'model' ? domctl === 'host' || domctl === 'max' : domctl === null && !isNamed(domain, key)),
  },
  {
    title: 'optional features',
    reason: "`policy='optional'`: libvirt asks its host whether to switch it on; here the model decides",
    covers: ({ kind, key, domctl }, { domain }) =>
      kind === 'cpu' && domctl === null && isNamed(domain, key, 'optional'),
  },
  {
    title: "QEMU's model, not libvirt's of that name",
    reason: "libvirt switches off what a named model has in QEMU and not in libvirt's own list",
    covers: ({ kind, key, libvirt, domctl }, { domain }) =>
      kind === 'cpu' && domain.cpu?.mode === 'custom' && libvirt === 'off' && domctl === null && !isNamed(domain, key),
  },
  {
    title: 'ports of USB',
    reason:
      'without an `<address>` QEMU gives the device the first free port, and adds hubs by itself where ports run out',
    covers: ({ kind, name, key, domctl }, { xml }) =>
      (kind === 'device' && name.startsWith('usb-') && key === 'port' && domctl === null) ||
      (name === 'usb-hub' && key === '' && domctl === null && !xml.includes('<hub')),
  },
  {
    title: 'PCI bridges for what has no address',
    reason:
      'each side adds the ports and bridges it puts devices behind, libvirt one more to plug into; those of the definition are compared',
    covers: ({ kind, name, key, part }, { xml }) =>
      kind === 'device' && bridges.has(name) && key === '' && !isDefined(xml, part.properties.get('index') ?? ''),
  },
  {
    title: 'the timer chip of KVM',
    reason: 'without KVM there is none: libvirt 11 sets its policy all the same, and QEMU says that nothing took it',
    covers: ({ kind, key, libvirt, domctl }, { domain }) =>
      kind === 'global' &&
      domain.type === 'qemu' &&
      domctl === null &&
      (key === 'kvm-pit.lost_tick_policy' || (key === '' && /^kvm-pit[^,]*$/.test(libvirt ?? ''))),
  },
  {
    title: 'a CD drive of the host',
    reason:
      "libvirt looks at the block device and passes a drive's tray on (`host_cdrom`); here it is a block device with the same medium",
    covers: ({ key, libvirt, domctl }) =>
      /(^|\.)driver$/.test(key) && libvirt === 'host_cdrom' && domctl === 'host_device',
  },
  {
    title: 'spice without a password',
    reason:
      'the host these command lines were made for has a password for spice and a socket for each screen; domctl has no secrets',
    covers: ({ kind, key, libvirt }) =>
      kind === 'spice' && (key === 'disable-ticketing' || /\/spice\.sock$/.test(libvirt ?? '') || key === 'unix'),
  },
  {
    title: 'the GPU of the host',
    reason: 'without `<gl rendernode>` libvirt names the first one it finds, and QEMU takes the first one it can open',
    covers: ({ kind, key, domctl }, { xml }) =>
      /^(display|spice)$/.test(kind) && key === 'rendernode' && domctl === null && !xml.includes('rendernode='),
  },
  {
    title: 'numbers of vsocks',
    reason: 'the definition leaves the CID open: each manager chooses a free one at start',
    covers: ({ name, key }, { domain }) =>
      name.startsWith('vhost-vsock-') && key === 'guest-cid' && domain.vsock?.cid === null,
  },
  {
    title: 'memory of old machine types',
    reason:
      'libvirt gives nodes of machine types before 4.0 plain memory (`mem=`), which QEMU has given up; the guest sees the same nodes',
    covers: ({ kind, name, key, libvirt, domctl }) =>
      (kind === 'mem-prealloc' && domctl === null) ||
      ((kind === 'numa' || name.startsWith('node')) &&
        ((key === 'mem' && domctl === null) || (key.startsWith('memdev.') && libvirt === null))),
  },
  {
    title: 'clock of this moment',
    reason: "`offset='variable'` counts from the time of the start",
    covers: ({ kind, key }, { domain }) => kind === 'rtc' && key === 'base' && domain.clock.offset === 'variable',
  },
  {
    title: 'ids that are made',
    reason: 'the definition has none: each manager makes its own',
    covers: ({ kind, key }, { xml }) =>
      (kind === 'uuid' && !xml.includes('<uuid')) ||
      (key === 'mac' && !xml.includes('<mac ')) ||
      (key === 'guid' && xml.includes('<genid/>')),
  },
  {
    title: 'what holds taps and vhost',
    reason: 'whether packets go through vhost depends on the host; queues are as many',
    covers: ({ key, libvirt, domctl }, { domain }) =>
      /(^|\.)vhost(fds)?$/.test(key) &&
      libvirt === null &&
      domctl !== null &&
      domain.interfaces.every(({ backend }) => backend === null),
  },
  {
    title: 'ports of displays',
    reason: 'the definition leaves the port open: each manager chooses a free one at start',
    covers: ({ kind, key }, { xml }) =>
      /^(vnc|spice)$/.test(kind) &&
      /^(address|port)$/.test(key) &&
      /<graphics[^>]*(autoport='yes'|port='-1')/.test(xml),
  },
];

/** What QEMU takes when nothing is said: which parts, which property, which value. */
const defaults: readonly (readonly [part: RegExp, key: RegExp, value: string])[] = [
  [/^(machine|numa|object|device virtio-mem)/, /(^|\.)share$/, 'off'],
  [/./, /(^|\.)read-only$/, 'off'],
  [/^smp/, /^(dies|clusters)$/, '1'],
  [/^device usb-storage/, /^removable$/, 'off'],
  [/^device qxl/, /^(ram_size|vram_size)$/, '67108864'],
  [/^device qxl/, /^vram64_size_mb$/, '0'],
  [/^device qxl/, /^vgamem_mb$/, '16'],
  [/^device (qxl|virtio)/, /^max_outputs$/, '1'],
  [/^device VGA/, /^vgamem_mb$/, '16'],
  [/^cpu/, /^migratable$/, 'on'],
  [/^action/, /^watchdog$/, 'reset'],
];

function isDefault(part: string, key: string, value: string): boolean {
  return defaults.some(([parts, keys, usual]) => parts.test(part) && keys.test(key) && usual === value);
}

/** Where libvirt makes what is of one start. */
const libvirtsOwn = '/var/lib/libvirt/qemu/domain-';

/** A socket of VNC for which each has a directory of its own. */
function bothOwn(libvirt: string, domctl: string): boolean {
  return libvirt.startsWith(`unix:${libvirtsOwn}`) && /^unix:\/run\/domctl\/incarnations\/\d+\/vnc\.sock$/.test(domctl);
}

/** A path that the definition has, or one in the incarnation's directory. */
function isOurs(path: string, xml: string): boolean {
  return path.startsWith('/run/domctl/incarnations/') || xml.includes(`'${path}'`);
}

function isOfMemfd(key: string, libvirt: string | null, domctl: string | null): boolean {
  switch (key) {
    case 'qom-type':
      return /-file$/.test(libvirt ?? '') && /-memfd$/.test(domctl ?? '');
    case 'mem-path':
      return /^(\/var\/lib\/libvirt\/qemu\/ram\/|\/dev\/hugepages)/.test(libvirt ?? '') && domctl === null;
    case 'x-use-canonical-path-for-ramblock-id':
      return domctl === null;
    case 'hugetlb':
    case 'hugetlbsize':
      return libvirt === null;
    default:
      return false;
  }
}

const bridges = new Set(['pcie-root-port', 'pci-bridge', 'pcie-pci-bridge', 'i82801b11-bridge']);

/** Whether the definition has the PCI controller with that id, `pci.3`. */
function isDefined(xml: string, id: string): boolean {
  const controllers = xml.match(/<controller\s[^>]*>/g) ?? [];
  return controllers.some((tag) => tag.includes("type='pci'") && tag.includes(`index='${id.slice('pci.'.length)}'`));
}

function isNamed({ cpu }: Domain, feature: string, policy?: string): boolean {
  return (cpu?.features ?? []).some(
    (each) => each.name.replaceAll('_', '-') === feature && (policy === undefined || each.policy === policy),
  );
}
