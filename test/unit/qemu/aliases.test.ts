import { describe, expect, test } from 'vitest';
import type { Alias } from '../../../lib/domain/aliases.ts';
import type { Domain } from '../../../lib/domain/definition.ts';
import { deviceId } from '../../../lib/qemu/aliases.ts';
import { diskId } from '../../../lib/qemu/argv-disks.ts';
import { consoleTarget } from '../../../lib/qemu/chardev.ts';
import { parseDomain } from '../../../lib/xml/parse.ts';
import { bareDomain, plainLaunch } from '../../fixtures/qmp/domains.ts';
import { argvOf, deviceOf, objectsOf } from './argv-of.ts';

const generate = { uuid: () => '11111111-2222-4333-8444-555555555555', mac: () => '52:54:00:00:00:01' };

/** Every device without a name gets one: `ua-1`, `ua-2` and so on. */
function namedAll(devices: string): Domain {
  let count = 0;
  const all = devices.replaceAll('NAMED', () => `<alias name='ua-${++count}'/>`);
  const xml = `<domain type='qemu'><name>vm</name><memory unit='MiB'>128</memory><maxMemory slots='2' unit='GiB'>1</maxMemory>
    <os><type arch='x86_64' machine='q35'>hvm</type></os><features><acpi/></features>
    <memoryBacking><source type='memfd'/><access mode='shared'/></memoryBacking>
    <cpu><numa><cell id='0' cpus='0' memory='64' unit='MiB'/></numa></cpu><devices>${all}</devices></domain>`;
  return parseDomain(xml, { file: 'vm.xml', allowUnsupported: false, generate }).domain;
}

const devices = `
  <disk type='file' device='disk'><source file='/a'/><target dev='vda' bus='virtio'/>NAMED</disk>
  <disk type='file' device='disk'><source file='/b'/><target dev='sda' bus='scsi'/>NAMED</disk>
  <disk type='file' device='disk'><source file='/c'/><target dev='sdg' bus='sata'/>NAMED</disk>
  <disk type='file' device='disk'><source file='/d'/><target dev='sdh' bus='usb'/>NAMED</disk>
  <disk type='file' device='floppy'><source file='/e'/><target dev='fda' bus='fdc'/>NAMED</disk>
  <controller type='usb' index='0' model='ich9-ehci1'>NAMED</controller>
  <controller type='usb' index='0' model='ich9-uhci1'><alias name='ua-companion'/><master startport='0'/></controller>
  <controller type='usb' index='1' model='qemu-xhci'>NAMED</controller>
  <controller type='scsi' index='0' model='virtio-scsi'>NAMED</controller>
  <controller type='sata' index='1'>NAMED</controller>
  <controller type='fdc' index='0'>NAMED</controller>
  <controller type='ccid' index='0'>NAMED</controller>
  <controller type='virtio-serial' index='0'>NAMED</controller>
  <controller type='pci' index='0' model='pcie-root'><alias name='ua-root'/></controller>
  <controller type='pci' index='1' model='pcie-root-port'>NAMED</controller>
  <filesystem type='mount'><source dir='/s'/><target dir='t'/>NAMED</filesystem>
  <interface type='user'><model type='virtio'/>NAMED<address type='pci' bus='1' slot='0'/></interface>
  <smartcard mode='passthrough' type='null'>NAMED</smartcard>
  <serial type='pty'><target port='0'/>NAMED</serial>
  <serial type='null'><target type='usb-serial' port='1'/>NAMED</serial>
  <parallel type='null'><target port='0'/>NAMED</parallel>
  <console type='pty'><target type='serial' port='0'/><alias name='ua-doubled'/></console>
  <console type='null'><target type='virtio' port='1'/>NAMED</console>
  <channel type='null'><target type='virtio' name='c'/>NAMED</channel>
  <input type='tablet' bus='usb'>NAMED<address type='usb' bus='1' port='4'/></input>
  <input type='mouse' bus='ps2'><alias name='ua-mouse'/></input>
  <input type='evdev'><source dev='/dev/input/event0'/>NAMED</input>
  <tpm model='tpm-crb'><backend type='emulator' version='2.0'/>NAMED</tpm>
  <sound model='ich9'><codec type='duplex'/>NAMED</sound>
  <video><model type='virtio'/>NAMED</video>
  <hostdev mode='subsystem' type='pci'><source><address domain='0' bus='3' slot='0' function='0'/></source>NAMED</hostdev>
  <hub type='usb'>NAMED<address type='usb' bus='1' port='1'/></hub>
  <redirdev bus='usb' type='null'>NAMED</redirdev>
  <watchdog model='i6300esb'>NAMED</watchdog>
  <memballoon model='virtio'>NAMED</memballoon>
  <rng model='virtio'><backend model='builtin'/>NAMED</rng>
  <panic model='isa'>NAMED</panic>
  <shmem name='s'><model type='ivshmem-plain'/>NAMED</shmem>
  <memory model='dimm'><target><size unit='MiB'>64</size><node>0</node></target>NAMED</memory>
  <iommu model='virtio'>NAMED</iommu>
  <vsock model='virtio'><cid auto='no' address='7'/>NAMED</vsock>
  <crypto model='virtio' type='qemu'><backend model='builtin'/>NAMED</crypto>
  <pstore backend='acpi-erst'><path>/p</path><size unit='KiB'>64</size>NAMED</pstore>`;

const settings = {
  ...{ tpmSocket: '/run/tpm', vsock: { cid: 7, fd: 3 }, filesystemSockets: new Map([[0, '/run/fs']]) },
  socketDir: plainLaunch.socketDir,
};

describe('a device that the definition has a name for', () => {
  const domain = namedAll(devices);
  const argv = argvOf(domain, settings);
  const ids = objectsOf('-device', argv).flatMap((each) => ('id' in each ? [String(each.id)] : []));

  test('is called so, whatever it is', () => {
    const own = domain.aliases.map(({ name }) => name).filter((name) => /^ua-\d+$/.test(name));
    const inObjects = objectsOf('-object', argv).flatMap((each) => ('id' in each ? [String(each.id)] : []));
    expect(own.filter((name) => !ids.includes(name) && !inObjects.includes(name))).toEqual([]);
    expect(own).toHaveLength(39);
  });

  test('is found by what sits on it, and no bus is named that nothing makes', () => {
    const known = new Set([...ids, 'pcie', 'pcie.0', 'ide']);
    const buses = objectsOf('-device', argv).flatMap((each) => {
      const { bus, masterbus } = each as { bus?: string; masterbus?: string };
      return [bus, masterbus].filter((name) => name !== undefined);
    });
    expect(buses.filter((bus) => !known.has(bus) && !known.has(bus.replace(/\.\d+$/, '')))).toEqual([]);
    expect(buses.filter((bus) => bus.startsWith('ua-')).length).toBeGreaterThan(8);
    expect(argv.join(' ')).not.toMatch(/ua-(?:companion|root|mouse)/);
  });

  test('tells a guest of SCSI that name, as with libvirt', () => {
    expect(deviceOf('ua-2', argv)).toMatchObject({ driver: 'scsi-hd', device_id: 'drive-ua-2' });
  });
});

const balloon: Alias = { device: 'memballoon', index: 0, name: 'ua-balloon' };

test('whoever asks QEMU for a device asks by its name', () => {
  const domain = namedAll("<disk type='file'><source file='/a'/><target dev='vda' bus='virtio'/>NAMED</disk>");
  expect(domain.disks.map((disk) => diskId(disk, domain))).toEqual(['ua-1']);
  const named = { ...bareDomain, aliases: [balloon] };
  expect([deviceId(named, 'memballoon', 0), deviceId(named, 'interface', 2)]).toEqual(['ua-balloon', 'net2']);
});

test('a console is reached by its name, and by libvirt’s', () => {
  const lines = "<serial type='pty'><target port='0'/>NAMED</serial><console type='pty'>NAMED</console>";
  for (const name of ['ua-1', 'ua-2', 'serial0', 'console0'])
    expect(consoleTarget(namedAll(lines), '/run/d', name)).toEqual({ kind: 'pty', chardev: 'charserial0' });
  expect(consoleTarget(namedAll(lines), '/run/d', 'ua-3')).toBeNull();
});

test('a serial port that only a console asks for is called as the console is', () => {
  expect(deviceOf('ua-1', argvOf(namedAll("<console type='pty'>NAMED</console>")))).toMatchObject({
    driver: 'isa-serial',
  });
});

test('text that looks like a device’s name is left as it is', () => {
  const shmems = [
    { name: '"id":"balloon0"', model: 'ivshmem-plain', role: null, sizeBytes: 1, address: null },
  ] as const;
  const memballoon = { ...bareDomain.memballoon, model: 'virtio' } as const;
  const argv = argvOf({ shmems, memballoon, aliases: [balloon] });
  expect(objectsOf('-object', argv)).toContainEqual(
    expect.objectContaining({ 'mem-path': '/dev/shm/"id":"balloon0"' }) as object,
  );
  expect(deviceOf('ua-balloon', argv)).toMatchObject({ driver: 'virtio-balloon-pci' });
});
