/** Devices that the definition has names for, in real QEMUs: each is known by its own, and found on its bus. */
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { deviceId } from '../../lib/qemu/aliases.ts';
import { buildArgv } from '../../lib/qemu/argv.ts';
import { diskBackend, diskId } from '../../lib/qemu/argv-disks.ts';
import { throttleArguments } from '../../lib/qemu/argv-disk-hardware.ts';
import { probeCapabilities } from '../../lib/qemu/capabilities.ts';
import { pollBalloon, queryBlockStats, quit, ready, setLink, setThrottle } from '../../lib/qemu/commands.ts';
import { parseDomain } from '../../lib/xml/parse.ts';
import { plainLaunch } from '../fixtures/qmp/domains.ts';
import { findQemus } from '../setup/qemus.ts';
import { startMachine, temporaryDirectory, writeRaw } from './machine.ts';

const generate = { uuid: () => '11111111-2222-4333-8444-555555555555', mac: () => '52:54:00:00:00:01' };

function disk(target: string, bus: string): string {
  return `<disk type='file' device='disk'><source file='DIR/${target}.raw'/><target dev='${target}' bus='${bus}'/>
    <iotune><total_bytes_sec>1048576</total_bytes_sec><group_name>one, two</group_name></iotune>NAMED</disk>`;
}

const targets = [
  ['vda', 'virtio'],
  ['sda', 'scsi'],
  ['sdg', 'sata'],
  ['sdh', 'usb'],
] as const;

const devices = `${targets.map(([target, bus]) => disk(target, bus)).join('')}
  <controller type='usb' index='0' model='ich9-ehci1'>NAMED</controller>
  <controller type='usb' index='0' model='ich9-uhci1'><master startport='0'/></controller>
  <controller type='usb' index='1' model='qemu-xhci'>NAMED</controller>
  <controller type='scsi' index='0' model='virtio-scsi'>NAMED</controller>
  <controller type='sata' index='1'>NAMED</controller>
  <controller type='virtio-serial' index='0'>NAMED</controller>
  <controller type='pci' index='1' model='pcie-root-port'>NAMED</controller>
  <interface type='user'><model type='virtio'/>NAMED<address type='pci' bus='1' slot='0'/></interface>
  <serial type='pty'><target port='0'/>NAMED</serial>
  <console type='null'><target type='virtio' port='1'/>NAMED</console>
  <channel type='null'><target type='virtio' name='c'/>NAMED</channel>
  <input type='tablet' bus='usb'>NAMED<address type='usb' bus='1' port='4'/></input>
  <sound model='ich9'><codec type='duplex'/>NAMED</sound>
  <video><model type='vga'/>NAMED</video>
  <watchdog model='i6300esb'>NAMED</watchdog>
  <memballoon model='virtio'><stats period='5'/>NAMED</memballoon>
  <rng model='virtio'><backend model='builtin'/>NAMED</rng>
  <crypto model='virtio' type='qemu'><backend model='builtin'/>NAMED</crypto>`;

function definition(directory: string): string {
  let count = 0;
  const all = devices.replaceAll('DIR', directory).replaceAll('NAMED', () => `<alias name='ua-${++count}'/>`);
  return `<domain type='qemu'><name>vm</name><memory unit='MiB'>64</memory>
    <os><type arch='x86_64' machine='q35'>hvm</type></os><features><acpi/></features><devices>${all}</devices></domain>`;
}

describe.for(await findQemus())('QEMU $label', { timeout: 30_000 }, (qemu) => {
  test.skipIf(qemu.skipReason)('knows devices by the names of the definition', async () => {
    const directory = await temporaryDirectory();
    for (const [target] of targets) await writeRaw(path.join(directory, `${target}.raw`));
    const { domain } = parseDomain(definition(directory), { file: 'vm.xml', allowUnsupported: false, generate });
    const capabilities = await probeCapabilities(qemu.emulator!, path.join(directory, 'cache'));
    const launch = { ...plainLaunch, capabilities, qmpSocket: path.join(directory, 'qmp'), socketDir: directory };
    const machine = startMachine(qemu.emulator!, buildArgv(domain, launch), launch.qmpSocket);
    const client = await machine.connect();
    await ready(client);
    const known = (await client.execute('qom-list', { path: '/machine/peripheral' })) as { name: string }[];
    const names = domain.aliases.map(({ name }) => name);
    expect(known.map(({ name }) => name)).toEqual(expect.arrayContaining(names));
    await setLink(client, deviceId(domain, 'interface', 0), false);
    await pollBalloon(client, 5, deviceId(domain, 'memballoon', 0));
    for (const each of domain.disks)
      await setThrottle(client, throttleArguments(diskBackend(each, domain), each.throttle!));
    const told = (await queryBlockStats(client)).map(({ device }) => device);
    expect(told.toSorted()).toEqual(domain.disks.map((each) => diskId(each, domain)).toSorted());
    await quit(client);
    expect(await machine.exited).toBe(0);
    expect(machine.stderr()).toBe('');
  });
});
