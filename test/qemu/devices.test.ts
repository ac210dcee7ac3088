/** Devices as people write them, started by real QEMUs and ended at once: each line is refused or understood whole. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { buildArgv } from '../../lib/qemu/argv.ts';
import { probeCapabilities } from '../../lib/qemu/capabilities.ts';
import { pollBalloon, quit, ready } from '../../lib/qemu/commands.ts';
import type { QmpClient } from '../../lib/qemu/qmp.ts';
import { parseDomain } from '../../lib/xml/parse.ts';
import { plainLaunch } from '../fixtures/qmp/domains.ts';
import { findQemus } from '../setup/qemus.ts';
import { hasBus, hasSpice } from './abilities.ts';
import { startMachine, temporaryDirectory } from './machine.ts';

const qemus = await findQemus();

/** What an emulator can do is asked once. */
const cache = await mkdtemp(path.join(tmpdir(), 'domctl-qemu-cache-'));
afterAll(() => rm(cache, { recursive: true, force: true }));

function definition(devices: string, machine: string): string {
  return `<domain type='qemu'><name>vm</name><memory unit='MiB'>64</memory>
    <os><type arch='x86_64' machine='${machine}'>hvm</type></os><features><acpi/></features>
    <devices>${devices}</devices></domain>`;
}

const generate = { uuid: () => '11111111-2222-4333-8444-555555555555', mac: () => '52:54:00:00:00:01' };

const screens = `<graphics type='vnc'><listen type='socket'/></graphics>
  <graphics type='spice' keymap='de' defaultMode='insecure'>
    <listen type='socket'/><channel name='record' mode='insecure'/><image compression='auto_glz'/>
    <jpeg compression='auto'/><zlib compression='never'/><playback compression='on'/><streaming mode='filter'/>
    <clipboard copypaste='no'/><mouse mode='client'/><filetransfer enable='no'/><gl enable='no'/></graphics>`;

const cards = `<video><model type='qxl' vgamem='8192' heads='2' primary='yes'><resolution x='1280' y='720'/></model></video>
  <video><model type='virtio'><resolution x='800' y='600'/></model></video>`;

const sound = `<sound model='ich9'><codec type='micro'/><codec type='duplex'/></sound>
  <sound model='ich6'/><sound model='ac97'/><sound model='es1370'/><sound model='sb16'><audio id='2'/></sound><sound model='pcspk'/>
  <sound model='usb' multichannel='yes'><address type='usb' bus='0' port='2'/></sound>
  <audio id='1' type='none' timerPeriod='50'><input mixingEngine='yes' fixedSettings='yes' voices='1'>
    <settings frequency='44100' channels='2' format='s16'/></input></audio><audio id='2' type='file' path='/dev/null'/>`;

const lines = `<serial type='file'><source path='DIR/a.log'/><target type='isa-serial' port='0'/>
    <address type='isa' iobase='0x3f8' irq='0x4'/></serial>
  <serial type='udp'><source mode='connect' host='127.0.0.1' service='9'/><target port='1'/></serial>
  <serial type='null'><target type='usb-serial' port='2'/></serial><serial type='pty'><target type='pci-serial' port='3'/></serial>
  <serial type='null'><target type='isa-debug' port='4'><model name='isa-debugcon'/></target></serial>
  <parallel type='null'><target port='0'/></parallel>
  <channel type='unix'><target type='guestfwd' address='10.0.2.1' port='4600'/></channel>
  <channel type='unix'><target type='virtio'/></channel>
  <channel type='unix'><source mode='connect' path='DIR/charchannel0.sock'><reconnect enabled='yes' timeout='60'/></source>
    <target type='virtio' name='later'/></channel>
  <channel type='qemu-vdagent'><source><clipboard copypaste='yes'/><mouse mode='client'/></source><target type='virtio'/></channel>
  <graphics type='vnc'><listen type='none'/></graphics>`;

const spiceLines = `<graphics type='spice'/><channel type='spicevmc'><target type='virtio' name='com.redhat.spice.0'/></channel>
  <channel type='spiceport'><source channel='org.example'/><target type='virtio' name='org.example'/></channel>
  <smartcard mode='passthrough' type='spicevmc'/><redirdev bus='usb' type='spicevmc'/>`;

const redirected = `<controller type='usb' index='0' model='qemu-xhci'/><hub type='usb'><address type='usb' bus='0' port='1'/></hub>
  <redirdev bus='usb' type='unix'><source mode='bind'/><boot order='1'/><address type='usb' bus='0' port='2'/></redirdev>
  <redirdev bus='usb' type='unix'><source mode='bind'/></redirdev>
  <redirfilter><usbdev class='0x08' vendor='0x15E1' version='1.10' allow='yes'/><usbdev allow='no'/></redirfilter>
  <smartcard mode='passthrough' type='unix'><source mode='bind'/></smartcard>`;

const small = `<input type='keyboard' bus='virtio'><driver iommu='on' packed='on' page_per_vq='on'/></input>
  <memballoon model='virtio-non-transitional' autodeflate='on' freePageReporting='on'><stats period='7'/><driver ats='on'/></memballoon>
  <rng model='virtio-transitional'><backend model='builtin'/></rng>
  <crypto model='virtio' type='qemu'><backend model='builtin' queues='1'/></crypto>
  <video><model type='virtio'/><driver iommu='off'/></video>`;

const onBus = `<graphics type='dbus' p2p='yes'><gl enable='no'/><audio id='1'/></graphics><audio id='1' type='dbus'/>
  <serial type='dbus'><source channel='org.qemu.console.serial.0'/><target port='0'/></serial>`;

const kept = `<pstore backend='acpi-erst'><path>DIR/errors</path><size unit='KiB'>64</size></pstore>
  <interface type='user'><model type='virtio'/><rom enabled='no'/></interface>
  <interface type='user'><model type='e1000'/><rom bar='off'/></interface>`;

const all: readonly (readonly [string, string])[] = [
  ['screens', screens],
  ['a screen that nobody reaches', "<graphics type='vnc'><listen type='none'/></graphics><graphics type='spice'/>"],
  ['cards', cards],
  ['a simple framebuffer', "<video><model type='ramfb'/></video>"],
  ['sound', sound],
  ['lines', lines],
  ['lines of a spice viewer', spiceLines],
  ['what is redirected', redirected],
  ['small devices', small],
  ['a screen and a line on D-Bus', onBus],
  ['what a guest keeps for later, and ROMs', kept],
  ['an IOMMU of virtio’s', "<iommu model='virtio'/>"],
];

/** QEMU says so of every forwarded channel: its network is for that alone. */
const aloneOnItsNetwork = /.*warning: netdev channel0 has no peer\n/;

/** What the launch says to the balloon after the start. */
async function expectPolled(client: QmpClient, seconds: number | null): Promise<void> {
  if (seconds === null) return;
  await pollBalloon(client, seconds);
  const asked = { path: '/machine/peripheral/balloon0', property: 'guest-stats-polling-interval' };
  expect(await client.execute('qom-get', asked)).toBe(seconds);
}

describe.for(qemus)('QEMU $label', { timeout: 30_000 }, (qemu) => {
  test.skipIf(qemu.skipReason).for(all)('starts with %s, without a warning', async ([, devices], { skip }) => {
    if (/spice|qxl/.test(devices) && !(await hasSpice(qemu.emulator!))) skip('this QEMU has no spice');
    if (devices.includes('dbus') && !(await hasBus(qemu.emulator!))) skip('this QEMU has no display on D-Bus');
    for (const board of ['q35', 'pc']) {
      const directory = await temporaryDirectory();
      const xml = definition(devices.replaceAll('DIR', directory), board);
      const { domain } = parseDomain(xml, { file: 'vm.xml', allowUnsupported: false, generate });
      const capabilities = await probeCapabilities(qemu.emulator!, cache);
      const qmpSocket = path.join(directory, 'qmp');
      const argv = buildArgv(domain, { ...plainLaunch, capabilities, qmpSocket, socketDir: directory });
      const machine = startMachine(capabilities.emulator, argv, qmpSocket);
      const client = await machine.connect();
      await ready(client);
      await expectPolled(client, domain.memballoon.statsPeriodSeconds);
      await quit(client);
      expect(await machine.exited).toBe(0);
      expect(machine.stderr().replace(aloneOnItsNetwork, '')).toBe('');
    }
  });
});
