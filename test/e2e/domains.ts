/** Domain XML for tests: small machines, each with just what the test is about. */

export interface DiskSpec {
  readonly path: string;
  readonly readonly?: boolean;
  readonly shareable?: boolean;
}

export interface DomainSpec {
  readonly name: string;
  readonly memoryMiB?: number;
  readonly emulator?: string | null;
  /** Memory in a memfd that others can open, all of it touched at the start. */
  readonly shared?: boolean;
  /** A path alone is a writable image. */
  /** Anonymous memory, all of it touched at the start. */
  readonly touched?: boolean;
  readonly disks?: readonly (string | DiskSpec)[];
  readonly policy?: string;
  readonly uuid?: string;
  readonly type?: 'qemu' | 'kvm';
}

const sharedMemory =
  "<memoryBacking><source type='memfd'/><access mode='shared'/><allocation mode='immediate'/></memoryBacking>";

const touchedMemory = "<memoryBacking><allocation mode='immediate'/></memoryBacking>";

/** By DOMCTL_TEST_DOMAIN_TYPE: a lab has KVM also where the host has none. */
const usualType = process.env['DOMCTL_TEST_DOMAIN_TYPE'] === 'kvm' ? 'kvm' : 'qemu';

export function domainXml(spec: DomainSpec): string {
  const {
    name,
    memoryMiB = 64,
    emulator,
    shared = false,
    touched = false,
    disks = [],
    policy,
    uuid,
    type = usualType,
  } = spec;
  const emulatorXml = emulator ? `<emulator>${emulator}</emulator>` : '';
  return `<domain type='${type}'>
  <name>${name}</name>
  ${uuid === undefined ? '' : `<uuid>${uuid}</uuid>`}
  ${policy === undefined ? '' : `<metadata><policy xmlns='urn:domctl:policy:1' name='${policy}'/></metadata>`}
  <memory unit='MiB'>${memoryMiB}</memory>
  <vcpu>1</vcpu>
  ${shared ? sharedMemory : touched ? touchedMemory : ''}
  <os><type arch='x86_64' machine='q35'>hvm</type></os>
  <features><acpi/></features>
  <devices>${emulatorXml}${disks.map(diskXml).join('')}</devices>
</domain>
`;
}

function diskXml(disk: string | DiskSpec, index: number): string {
  const { path, readonly = false, shareable = false } = typeof disk === 'string' ? { path: disk } : disk;
  const target = `vd${'abcdefgh'.charAt(index)}`;
  const flags = `${readonly ? '<readonly/>' : ''}${shareable ? '<shareable/>' : ''}`;
  return `<disk type='file' device='disk'><driver name='qemu' type='raw'/><source file='${path}'/><target dev='${target}' bus='virtio'/>${flags}</disk>`;
}
