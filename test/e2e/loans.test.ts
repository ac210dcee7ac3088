/** Images of others for a hypervisor that is nobody in particular: lent while it has them, given back whatever ends it. */
import { chmodSync, chownSync, mkdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { eventually, isAlive } from './facts.ts';
import { createHost, describeEndToEnd, type Host, nobody } from './harness.ts';

/** An image as somebody leaves it who knows nothing of hypervisors: root's, and nobody else's. */
function rootsImage(host: Host, name = 'a.img', mode = 0o600): string {
  const path = host.image(name);
  chownSync(path, 0, 0);
  chmodSync(path, mode);
  return path;
}

const ownerOf = (path: string): number => statSync(path).uid;

async function refusal(host: Host, domain: string): Promise<{ exit: number | null; error: string; hint: string }> {
  const { exit, stderr } = await host.domctl(['start', domain]);
  const [error = '', hint = ''] = stderr.split('\n');
  return { exit, error, hint };
}

describeEndToEnd('an image of another user', () => {
  test("is the hypervisor's while it runs, and its owner's again when it is proven free", async () => {
    await using host = await createHost();
    const image = rootsImage(host);
    chownSync(image, 1234, 4321);
    await host.run({ name: 'db1', disks: [image] });
    expect(statSync(image)).toMatchObject({ uid: nobody, gid: 4321 });
    expect(statSync(image).mode & 0o777).toBe(0o600);
    await host.ok('destroy', 'db1');
    expect(statSync(image)).toMatchObject({ uid: 1234, gid: 4321 });
    await host.becomes('db1', 'shut off');
    await host.ok('start', 'db1');
    expect(ownerOf(image)).toBe(nobody);
  });

  test('is lent anew over a draining predecessor, whose end takes it from nobody', async () => {
    await using host = await createHost();
    const image = rootsImage(host);
    const { pid } = await host.run({ name: 'db1', memoryMiB: 128, shared: true, disks: [image] });
    const holder = await host.holdMemory(pid!);
    await host.ok('destroy', 'db1');
    expect(await host.state('db1')).toBe('draining');
    expect(ownerOf(image)).toBe(0);
    await host.ok('force-start', 'db1');
    expect(ownerOf(image)).toBe(nobody);
    await holder.letGo();
    await eventually('the predecessor is gone', async () => (await host.info('db1')).incarnations.length === 1);
    expect(ownerOf(image)).toBe(nobody);
    await host.ok('destroy', 'db1', '--wait');
    expect(ownerOf(image)).toBe(0);
  });

  test('is given back by the next daemon when the last one died with the hypervisor', async () => {
    await using host = await createHost();
    const image = rootsImage(host);
    const { pid } = await host.run({ name: 'db1', disks: [image] });
    await host.killDaemon();
    process.kill(pid!, 'SIGKILL');
    await eventually('the hypervisor is dead', () => !isAlive(pid!));
    expect(ownerOf(image)).toBe(nobody);
    await host.nextDaemon();
    await host.becomes('db1', 'shut off');
    expect(ownerOf(image)).toBe(0);
  });

  test('is given back after a reboot of the host', async () => {
    await using host = await createHost({ mayLeave: true });
    const image = rootsImage(host);
    const { pid } = await host.run({ name: 'db1', disks: [image] });
    await host.killDaemon();
    process.kill(pid!, 'SIGKILL');
    await eventually('the hypervisor is dead', () => !isAlive(pid!));
    const bootId = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
    const other = '00000000-0000-4000-8000-000000000000';
    writeFileSync(host.journalFile, readFileSync(host.journalFile, 'utf8').replaceAll(bootId, other));
    await host.nextDaemon();
    expect(await host.ok('domstate', 'db1', '--reason')).toBe('shut off (host-reboot)\n');
    expect(ownerOf(image)).toBe(0);
  });

  test('is given back when the launch fails', async () => {
    await using host = await createHost();
    const image = rootsImage(host);
    await host.define({ name: 'db1', emulator: host.oddQemu('dies-at-once'), disks: [image] });
    expect((await host.domctl(['start', 'db1'])).exit).toBe(1);
    await host.becomes('db1', 'shut off');
    expect(ownerOf(image)).toBe(0);
  });

  test('that was given to somebody else meanwhile is left to them', async () => {
    await using host = await createHost();
    const image = rootsImage(host);
    await host.run({ name: 'db1', disks: [image] });
    chownSync(image, 4242, 4242);
    await host.ok('destroy', 'db1', '--wait');
    expect(ownerOf(image)).toBe(4242);
    expect(host.log).toContain('by now somebody else has it');
  });
});

describeEndToEnd('an image that several read', () => {
  test('is lent to none of them', async () => {
    await using host = await createHost();
    const image = rootsImage(host, 'base.img', 0o644);
    for (const name of ['db1', 'db2']) await host.run({ name, disks: [{ path: image, readonly: true }] });
    expect(ownerOf(image)).toBe(0);
    await host.ok('destroy', 'db1', '--wait');
    expect(await host.state('db2')).toBe('running');
    expect(ownerOf(image)).toBe(0);
  });

  test('and that they cannot read is told by name, and by the user who cannot (8)', async () => {
    await using host = await createHost();
    const image = rootsImage(host, 'base.img');
    await host.define({ name: 'db1', disks: [{ path: image, readonly: true }] });
    const { exit, error, hint } = await refusal(host, 'db1');
    expect({ exit, error }).toEqual({ exit: 8, error: `error: user 'nobody' cannot read ${image}` });
    expect(hint).toContain(`setfacl -m u:nobody:r ${image}`);
    chmodSync(image, 0o644);
    await host.ok('start', 'db1');
  });
});

describeEndToEnd('a file that is not lent', () => {
  test('lies behind a directory that keeps the hypervisor out: it is named (8)', async () => {
    await using host = await createHost();
    mkdirSync(host.at('private/deep'), { recursive: true });
    const image = rootsImage(host, 'private/deep/a.img');
    chmodSync(host.at('private'), 0o700);
    await host.define({ name: 'db1', disks: [image] });
    const { exit, error, hint } = await refusal(host, 'db1');
    expect({ exit, error }).toEqual({
      exit: 8,
      error: `error: user 'nobody' cannot reach ${image}: ${host.at('private')} keeps it out`,
    });
    expect(hint).toContain(`chmod o+x ${host.at('private')}`);
    expect(ownerOf(image)).toBe(0);
  });

  test('lies where others could exchange it, by a link too (8)', async () => {
    await using host = await createHost();
    mkdirSync(host.at('open'));
    chmodSync(host.at('open'), 0o777);
    const image = rootsImage(host);
    symlinkSync(image, host.at('open/link.img'));
    await host.define({ name: 'db1', disks: [host.at('open/link.img')] });
    const { exit, error } = await refusal(host, 'db1');
    expect(exit).toBe(8);
    expect(error).toContain(`others may exchange ${host.at('open')}`);
    expect(ownerOf(image)).toBe(0);
    chmodSync(host.at('open'), 0o755);
    await host.ok('start', 'db1');
    expect(ownerOf(image)).toBe(nobody);
  });

  test("is one of the host's, or of domctl's own (8)", async () => {
    await using host = await createHost();
    for (const [index, path] of ['/etc/hostname', host.at('etc/host.yaml'), host.at('state/domctld.lock')].entries()) {
      const before = statSync(path, { throwIfNoEntry: false })?.uid ?? 0;
      await host.define({ name: `db${index}`, disks: [path] });
      const { exit, error } = await refusal(host, `db${index}`);
      expect.soft({ exit, error }).toMatchObject({ exit: 8, error: expect.stringContaining("a file of the host's") });
      expect.soft(ownerOf(path), path).toBe(before);
    }
  });

  test('is one that nobody may write (8)', async () => {
    await using host = await createHost();
    const image = rootsImage(host, 'a.img', 0o400);
    await host.define({ name: 'db1', disks: [image] });
    const { exit, error, hint } = await refusal(host, 'db1');
    expect({ exit, error }).toEqual({ exit: 8, error: `error: ${image} may be written by nobody, its owner neither` });
    expect(hint).toContain(`chmod u+rw ${image}`);
  });
});
