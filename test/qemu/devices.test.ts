/** Devices as people write them, started by real QEMUs and ended at once: each line is refused or understood whole. */
import { execFile } from 'node:child_process';
import path from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';
import { buildArgv } from '../../lib/qemu/argv.ts';
import { probeCapabilities } from '../../lib/qemu/capabilities.ts';
import { quit, ready } from '../../lib/qemu/commands.ts';
import { parseDomain } from '../../lib/xml/parse.ts';
import { plainLaunch } from '../fixtures/qmp/domains.ts';
import { findQemus } from '../setup/qemus.ts';
import { startMachine, temporaryDirectory } from './machine.ts';

const qemus = await findQemus();

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

/** Spice and its cards are modules of QEMU's, packaged apart from it. */
async function hasSpice(emulator: string): Promise<boolean> {
  const { stdout } = await promisify(execFile)(emulator, ['-spice', 'help']).catch(() => ({ stdout: '' }));
  return stdout.includes('disable-ticketing');
}

const all: readonly (readonly [string, string])[] = [
  ['screens', screens],
  ['a screen that nobody reaches', "<graphics type='vnc'><listen type='none'/></graphics><graphics type='spice'/>"],
  ['cards', cards],
  ['a simple framebuffer', "<video><model type='ramfb'/></video>"],
  ['sound', sound],
];

describe.for(qemus)('QEMU $label', { timeout: 30_000 }, (qemu) => {
  test.skipIf(qemu.skipReason).for(all)('starts with %s, without a warning', async ([, devices], { skip }) => {
    if (/spice|qxl/.test(devices) && !(await hasSpice(qemu.emulator!))) skip('this QEMU has no spice');
    for (const board of ['q35', 'pc']) {
      const directory = await temporaryDirectory();
      const xml = definition(devices.replaceAll('DIR', directory), board);
      const { domain } = parseDomain(xml, { file: 'vm.xml', allowUnsupported: false, generate });
      const capabilities = await probeCapabilities(qemu.emulator!, path.join(directory, 'cache'));
      const qmpSocket = path.join(directory, 'qmp');
      const argv = buildArgv(domain, { ...plainLaunch, capabilities, qmpSocket, socketDir: directory });
      const machine = startMachine(capabilities.emulator, argv, qmpSocket);
      const client = await machine.connect().catch((error: unknown) => {
        throw new Error(machine.stderr(), { cause: error });
      });
      await ready(client);
      await quit(client);
      expect(await machine.exited).toBe(0);
      expect(machine.stderr()).toBe('');
    }
  });
});
