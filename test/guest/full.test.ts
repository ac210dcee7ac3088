/** The full guest boots from its own disk, and is what tests of domctl take it for. */
import path from 'node:path';
import { expect, test } from 'vitest';
import { systemPowerdown } from '../../lib/qemu/commands.ts';
import { temporaryDirectory } from '../qemu/machine.ts';
import { askAgent } from './agent.ts';
import { agentIsUp, anyEmulator, boot, fetchFromGuest, told } from './boot.ts';
import { longPatienceMs } from './console.ts';
import { fullGuest } from './full.ts';

const full = await fullGuest();
const emulator = await anyEmulator();

test('a whole Debian boots from its disk, is logged in to, reached and shut down', {
  timeout: 600_000,
}, async (context) => {
  if (!full.found) return context.skip(full.skipReason);
  if (emulator === null) return context.skip('no QEMU');
  const { overlay, user, password } = full.found;
  const image = path.join(await temporaryDirectory(), 'overlay');
  await overlay(image);
  const disk = ['-drive', `if=none,id=root,file=${image}`, '-device', 'virtio-blk-pci,drive=root,bootindex=1'];
  const guest = await boot(emulator, ['-M', 'q35', '-cpu', 'qemu64', '-m', '512', ...disk]);
  await guest.serial.logIn(user, password, longPatienceMs);
  guest.serial.send('systemctl is-active qemu-guest-agent hello\n');
  await guest.serial.waitFor(/^active\r?\nactive\r?$/);
  expect(await fetchFromGuest(guest.qmp)).toBe('hello\n');
  await agentIsUp(guest);
  expect(await askAgent(guest.agent, 'guest-ping')).toEqual({});
  await systemPowerdown(guest.qmp);
  expect(await guest.machine.exited).toBe(0);
  expect(await told(guest, 'SHUTDOWN')).toEqual({ guest: true, reason: 'guest-shutdown' });
});
