/** The small guest does what tests of domctl rely on, in a QEMU that nobody manages. */
import { open } from 'node:fs/promises';
import { describe, expect, test, type TestContext } from 'vitest';
import { queryStatus, systemPowerdown } from '../../lib/qemu/commands.ts';
import { askAgent } from './agent.ts';
import { agentIsUp, anyEmulator, boot, type Booted, fetchFromGuest, told } from './boot.ts';
import { Console } from './console.ts';
import { smallGuest } from './small.ts';

const small = await smallGuest();
const emulator = await anyEmulator();

interface Setting {
  readonly wishes?: string;
  readonly cpu?: string;
  readonly machine?: string;
  readonly argv?: readonly string[];
}

async function start(context: TestContext, setting: Setting = {}): Promise<Booted> {
  const { wishes = '', cpu = 'qemu64', machine = 'q35', argv = [] } = setting;
  if (!small.found) return context.skip(small.skipReason);
  if (emulator === null) return context.skip('no QEMU');
  const { kernel, initrd, cmdline } = small.found;
  const direct = ['-kernel', kernel, '-initrd', initrd, '-append', `${cmdline} ${wishes}`];
  return boot(emulator, ['-M', machine, '-cpu', cpu, '-m', '256', ...direct, ...argv]);
}

describe('the small guest', () => {
  test('says ready, answers at every terminal, over the network and by its agent, and obeys the power button', async (context) => {
    const guest = await start(context);
    const { serial, qmp } = guest;
    await serial.waitFor(/domctl-guest: ready/);
    await serial.logIn('root');
    serial.send('echo $((6 * 7)) of $(nproc)\n');
    await serial.waitFor(/^42 of 1\r?$/);

    const hvc = Console.open(guest.hvc);
    hvc.send('\n');
    await hvc.logIn('root');
    hvc.close();
    expect(await fetchFromGuest(qmp)).toBe('hello\n');
    await agentIsUp(guest);
    expect(await askAgent(guest.agent, 'guest-ping')).toEqual({});

    await systemPowerdown(qmp);
    await serial.waitFor(/domctl-guest: power button/);
    expect(await guest.machine.exited).toBe(0);
    expect(await told(guest, 'SHUTDOWN')).toEqual({ guest: true, reason: 'guest-shutdown' });
  });

  test('is rebooted and powered off by its agent', async (context) => {
    const guest = await start(context, { cpu: 'max' });
    await guest.serial.waitFor(/domctl-guest: ready/);
    await agentIsUp(guest);
    await askAgent(guest.agent, 'guest-shutdown', { arguments: { mode: 'reboot' }, answered: false });
    await guest.serial.waitFor(/domctl-guest: ready/);
    expect(await told(guest, 'RESET')).toEqual({ guest: true, reason: 'guest-reset' });
    await agentIsUp(guest);
    await askAgent(guest.agent, 'guest-shutdown', { arguments: { mode: 'powerdown' }, answered: false });
    expect(await guest.machine.exited).toBe(0);
  });

  test('ignores button and agent when told to, having dirtied memory and written to its disk', async (context) => {
    const wishes = 'domctl.shutdown=ignore domctl.dirty=32 domctl.write=4';
    const guest = await start(context, { wishes });
    const { serial, qmp } = guest;
    await serial.waitFor(/domctl-guest: dirtied 32 MiB/);
    await serial.waitFor(/domctl-guest: wrote 4 MiB/);
    await serial.waitFor(/domctl-guest: ready/);
    await using disk = await open(guest.disk);
    const { buffer } = await disk.read(Buffer.alloc(4), 0, 4, 4 * 2 ** 20 - 2);
    expect(buffer.toString('latin1')).toBe('dd\0\0');

    await systemPowerdown(qmp);
    await serial.waitFor(/domctl-guest: power button ignored/);
    await agentIsUp(guest);
    await askAgent(guest.agent, 'guest-shutdown', { answered: false });
    await serial.waitFor(/domctl-guest: poweroff ignored/);
    expect(await queryStatus(qmp)).toEqual({ status: 'running', running: true });
  });

  test('panics when told to, and says so by pvpanic', async (context) => {
    const guest = await start(context, { wishes: 'domctl.panic=0', argv: ['-action', 'panic=pause'] });
    expect(await told(guest, 'GUEST_PANICKED')).toMatchObject({ action: 'pause' });
    expect(await queryStatus(guest.qmp)).toEqual({ status: 'guest-panicked', running: false });
  });

  test('lets the watchdog fire when told to', async (context) => {
    const guest = await start(context, { wishes: 'domctl.watchdog=starve', argv: ['-action', 'watchdog=pause'] });
    expect(await told(guest, 'WATCHDOG')).toEqual({ action: 'pause' });
    expect(await queryStatus(guest.qmp)).toEqual({ status: 'watchdog', running: false });
  });

  test('reboots by itself when told to', async (context) => {
    const guest = await start(context, { wishes: 'domctl.reboot=0', argv: ['-action', 'reboot=shutdown'] });
    expect(await guest.machine.exited).toBe(0);
    expect(await told(guest, 'SHUTDOWN')).toEqual({ guest: true, reason: 'guest-reset' });
  });

  test('sees on pc the disks of every bus', async (context) => {
    const drives = [
      ...['-drive', 'if=none,id=a,driver=null-co,size=1M', '-device', 'virtio-scsi-pci', '-device', 'scsi-hd,drive=a'],
      ...['-drive', 'if=none,id=b,driver=null-co,size=1M', '-device', 'ide-hd,drive=b', '-device', 'ide-cd'],
      ...['-drive', 'if=none,id=c,driver=null-co,size=1M', '-device', 'ahci,id=ahci'],
      ...['-device', 'ide-hd,drive=c,bus=ahci.0'],
    ];
    const guest = await start(context, { machine: 'pc', argv: drives });
    await guest.serial.waitFor(/domctl-guest: ready/);
    await guest.serial.logIn('root');
    guest.serial.send('echo $(ls /sys/block)\n');
    await guest.serial.waitFor(/^sda sdb sdc sr0 vda\r?$/);
  });
});
