/** libasyncteardown.so in the program it was made for, in its sandbox. */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { probeLockedBytes, qemuLockBytes } from '../../native/index.ts';
import { helperOf, isGone, killUnlessGone, MiB, preloading, residentBytes, statusOf } from './preloading.ts';
import { afterwards, opened, scratch, until } from './support.ts';

const sandbox = 'on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny';

it("QEMU's image is free while its helper still holds the guest's memory", async () => {
  const image = join(scratch(), 'disk.raw');
  writeFileSync(image, '');
  truncateSync(image, MiB);
  const emulator = execFileSync('sh', ['-c', 'command -v qemu-system-x86_64'], { encoding: 'utf8' }).trim();
  const slowly = { ASYNC_TEARDOWN_MODE: 'gentle', ASYNC_TEARDOWN_RATE: '16M' };
  const argv = ['-S', '-nodefaults', '-display', 'none', '-accel', 'tcg', '-sandbox', sandbox, '-m', '256'];
  const memory = ['-object', 'memory-backend-ram,id=ram,size=256M,prealloc=on', '-machine', 'memory-backend=ram'];
  const disk = ['-drive', `file=${image},format=raw,if=virtio,file.locking=on`];
  const env = { PATH: process.env['PATH'], ...preloading(slowly, emulator) };
  const qemu = spawn(emulator, [...argv, ...memory, ...disk], { stdio: 'ignore', env });
  afterwards(() => qemu.kill('SIGKILL'));
  await once(qemu, 'spawn');
  const pid = qemu.pid ?? 0;
  const descriptor = opened(image);
  await until(() => probeLockedBytes(descriptor, qemuLockBytes).length > 0 && statusOf(pid, 'Seccomp') === '2');
  await until(() => (residentBytes(pid) ?? 0) > 256 * MiB);
  const helper = helperOf(pid) ?? 0;
  expect([statusOf(helper, 'Seccomp'), statusOf(helper, 'NoNewPrivs')]).toEqual(['2', '1']);
  qemu.kill('SIGKILL');
  await once(qemu, 'exit');
  await until(() => probeLockedBytes(descriptor, qemuLockBytes).length === 0);
  expect(residentBytes(helper)).toBeGreaterThan(128 * MiB);
  killUnlessGone(helper);
  await until(() => isGone(helper));
});
