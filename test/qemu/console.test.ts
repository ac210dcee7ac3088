/** Consoles of real QEMUs: the human monitor stands for a guest, for it answers what is typed. */
import { once } from 'node:events';
import path from 'node:path';
import { describe, expect, test, vi } from 'vitest';
import { openConsole } from '../../lib/client/console.ts';
import { openTarget } from '../../lib/daemon/console-target.ts';
import { quit } from '../../lib/qemu/commands.ts';
import { heard, serveConsoles } from '../fixtures/consoles.ts';
import { findQemus } from '../setup/qemus.ts';
import { startMachine, temporaryDirectory } from './machine.ts';

const patience = { timeout: 15_000, interval: 20 };

describe.for(await findQemus())('QEMU $label', { timeout: 30_000 }, (qemu) => {
  test.skipIf(qemu.skipReason).for(['pty', 'unix'] as const)(
    'is typed to and heard through a %s, again after a detach, and ends with the hypervisor',
    async (kind) => {
      const directory = await temporaryDirectory();
      const qmpSocket = path.join(directory, 'qmp');
      const line = path.join(directory, 'charserial0.sock');
      const chardev = kind === 'pty' ? 'pty,id=charserial0' : `socket,id=charserial0,path=${line},server=on,wait=off`;
      const control = `socket,id=control,path=${qmpSocket},server=on,wait=off`;
      const machine = startMachine(
        qemu.emulator!,
        [
          ...['-S', '-nodefaults', '-display', 'none', '-machine', 'q35', '-m', '16', '-chardev', control],
          ...['-mon', 'chardev=control,mode=control', '-chardev', chardev, '-mon', 'chardev=charserial0,mode=readline'],
        ],
        qmpSocket,
      );
      const qmp = await machine.connect();
      const target = kind === 'pty' ? ({ kind, chardev: 'charserial0' } as const) : ({ kind, path: line } as const);
      const { client } = await serveConsoles(async () => openTarget(target, { qmp, pid: machine.process.pid! }));

      for (const round of [1, 2]) {
        const { stream } = await vi.waitFor(async () => openConsole(client, 'db1', {}), patience);
        const said = heard(stream);
        // QEMU looks for who is at the other end of a pty once a second: what it says before is lost there.
        await vi.waitFor(() => {
          stream.write('\n');
          expect(said()).toContain('(qemu)');
        }, patience);
        stream.write('info status\n');
        await vi.waitFor(() => expect(said()).toContain('VM status: paused (prelaunch)'), patience);
        // Its end may come before the answer to `quit`.
        const ended = once(stream, 'end');
        if (round === 1) stream.end();
        else await quit(qmp);
        await ended;
        stream.end();
      }
      expect(await machine.exited).toBe(0);
    },
  );

  test.skipIf(qemu.skipReason)("does not open a pty that is another user's", async () => {
    const directory = await temporaryDirectory();
    const qmpSocket = path.join(directory, 'qmp');
    const control = `socket,id=control,path=${qmpSocket},server=on,wait=off`;
    const argv = ['-S', '-nodefaults', '-display', 'none', '-chardev', control, '-mon', 'chardev=control,mode=control'];
    const machine = startMachine(qemu.emulator!, [...argv, '-m', '16', '-chardev', 'pty,id=charserial0'], qmpSocket);
    const qmp = await machine.connect();
    // A process that is gone has no user.
    const gone = { qmp, pid: 2 ** 22 + 1 };
    await expect(openTarget({ kind: 'pty', chardev: 'charserial0' }, gone)).rejects.toThrow("is not the hypervisor's");
    await quit(qmp);
    expect(await machine.exited).toBe(0);
  });
});
