/**
 * THE table of what domctl knows of libvirt's domain XML: path -> how it is read.
 * Owns: what is known. An element or attribute without a line here is unknown, and refused (`check.ts`). `parse.ts` reads by
 * the same paths, and their types follow from here.
 */
import {
  amount,
  diskName,
  domainName,
  flag,
  line,
  mac,
  machine,
  oneOf,
  path,
  supported,
  text,
  unit,
  uuid,
  wholeNumber,
  type Reader,
} from './values.ts';

export interface Property<T> {
  /** null: an element that holds only other elements, or whose presence says all. */
  readonly reader: Reader<T> | null;
  /** May stand more than once in its parent. */
  readonly several: boolean;
  readonly required: boolean;
  /** Everything in it is kept and none of it looked at. */
  readonly opaque: boolean;
  /**
   * What a refused value means. `invalid`: an error, always. `element`, `attribute`: libvirt knows more values than domctl;
   * --allow-unsupported sets the element (of a device: the whole device) or the attribute aside.
   */
  readonly refusal: 'invalid' | 'element' | 'attribute';
}

const plain = { several: false, required: false, opaque: false, refusal: 'invalid' } as const;
const holder: Property<never> = { ...plain, reader: null };
const value = <T>(reader: Reader<T>): Property<T> => ({ ...plain, reader });
const required = <T>(property: Property<T>): Property<T> => ({ ...property, required: true });
const several = <T>(property: Property<T>): Property<T> => ({ ...property, several: true });
/** Words libvirt has more of. */
const only = <const T extends string>(...words: readonly T[]): Property<T> => ({
  ...value(supported(...words)),
  refusal: 'element',
});

const port = wholeNumber(0, 30);
// QEMU has four ISA serial ports.
const isaPort = wholeNumber(0, 3);
const count = wholeNumber(1, 65535);

export const properties = {
  '/domain': holder,
  '/domain/@type': required(value(supported('qemu', 'kvm'))),
  '/domain/name': required(value(domainName)),
  '/domain/uuid': value(uuid),
  '/domain/title': value(line),
  '/domain/description': value(text),
  '/domain/metadata': { ...holder, opaque: true },
  '/domain/memory': required(value(amount)),
  '/domain/memory/@unit': value(unit),
  '/domain/currentMemory': value(amount),
  '/domain/currentMemory/@unit': value(unit),
  '/domain/memoryBacking': holder,
  '/domain/memoryBacking/source': holder,
  '/domain/memoryBacking/source/@type': only('anonymous', 'memfd'),
  '/domain/memoryBacking/access': holder,
  '/domain/memoryBacking/access/@mode': value(oneOf('private', 'shared')),
  '/domain/memoryBacking/allocation': holder,
  '/domain/memoryBacking/allocation/@mode': value(oneOf('ondemand', 'immediate')),
  '/domain/memoryBacking/allocation/@threads': value(count),
  '/domain/vcpu': value(count),
  '/domain/vcpu/@placement': { ...value(supported('static')), refusal: 'attribute' },
  '/domain/os': required(holder),
  '/domain/os/type': required(value(supported('hvm'))),
  '/domain/os/type/@arch': value(supported('x86_64')),
  '/domain/os/type/@machine': value(machine),
  '/domain/os/boot': several(holder),
  '/domain/os/boot/@dev': required(value(oneOf('fd', 'hd', 'cdrom', 'network'))),
  '/domain/os/kernel': value(path('/boot/vmlinuz')),
  '/domain/os/initrd': value(path('/boot/initrd.img')),
  '/domain/os/cmdline': value(text),
  '/domain/features': holder,
  '/domain/features/acpi': holder,
  '/domain/features/apic': holder,
  '/domain/features/pae': holder,
  '/domain/features/async-teardown': holder,
  '/domain/features/async-teardown/@enabled': required(value(flag('yes', 'no'))),
  '/domain/on_poweroff': only('destroy'),
  '/domain/on_reboot': only('restart'),
  '/domain/on_crash': only('destroy'),
  '/domain/devices': holder,
  '/domain/devices/emulator': value(path('/usr/bin/qemu-system-x86_64')),
  '/domain/devices/disk': several(holder),
  '/domain/devices/disk/@type': only('file'),
  '/domain/devices/disk/@device': only('disk'),
  '/domain/devices/disk/driver': holder,
  '/domain/devices/disk/driver/@name': only('qemu'),
  '/domain/devices/disk/driver/@type': only('raw', 'qcow2'),
  '/domain/devices/disk/source': required(holder),
  '/domain/devices/disk/source/@file': required(value(path('/var/lib/images/disk.qcow2'))),
  '/domain/devices/disk/target': required(holder),
  '/domain/devices/disk/target/@dev': required({ ...value(diskName), refusal: 'element' }),
  '/domain/devices/disk/target/@bus': only('virtio'),
  '/domain/devices/disk/readonly': holder,
  '/domain/devices/disk/shareable': holder,
  '/domain/devices/interface': several(holder),
  '/domain/devices/interface/@type': required(only('user')),
  '/domain/devices/interface/mac': holder,
  '/domain/devices/interface/mac/@address': required(value(mac)),
  '/domain/devices/interface/model': holder,
  '/domain/devices/interface/model/@type': required(only('virtio', 'e1000', 'e1000e', 'rtl8139')),
  '/domain/devices/serial': several(holder),
  '/domain/devices/serial/@type': required(only('file')),
  '/domain/devices/serial/source': required(holder),
  '/domain/devices/serial/source/@path': required(value(path('/var/log/serial.log'))),
  '/domain/devices/serial/source/@append': value(flag('on', 'off')),
  '/domain/devices/serial/target': holder,
  '/domain/devices/serial/target/@type': only('isa-serial'),
  '/domain/devices/serial/target/@port': value(isaPort),
  '/domain/devices/serial/target/model': holder,
  '/domain/devices/serial/target/model/@name': only('isa-serial'),
  '/domain/devices/console': several(holder),
  '/domain/devices/console/@type': required(only('file')),
  '/domain/devices/console/source': required(holder),
  '/domain/devices/console/source/@path': required(value(path('/var/log/console.log'))),
  '/domain/devices/console/source/@append': value(flag('on', 'off')),
  '/domain/devices/console/target': holder,
  '/domain/devices/console/target/@type': only('serial', 'virtio'),
  '/domain/devices/console/target/@port': value(port),
  '/domain/devices/memballoon': holder,
  '/domain/devices/memballoon/@model': required(only('virtio', 'none')),
} as const satisfies Record<string, Property<unknown>>;

export type PropertyPath = keyof typeof properties;

/** What reading the text or attribute at `P` gives. */
export type ValueAt<P extends PropertyPath> = (typeof properties)[P] extends Property<infer T> ? T : never;

const table: Readonly<Record<string, Property<unknown>>> = properties;

/** The line of the table for `key`; null: domctl does not know it. */
export function propertyAt(key: string): Property<unknown> | null {
  return Object.hasOwn(table, key) ? (table[key] ?? null) : null;
}

const requirements = Object.keys(table).filter((key) => table[key]?.required === true);

/** Keys of what the element at `key` must have. */
export function requirementsOf(key: string): readonly string[] {
  return requirements.filter((required) => required.slice(0, required.lastIndexOf('/')) === key);
}
