/**
 * The pages that show domctl at work, done: every command of theirs is run, and prints what the page says.
 *
 * `virsh` is a program of the test: it prints what `virsh dumpxml --inactive` of libvirt 9 printed for a stock
 * `virt-install` guest (fixtures/domain-xml/virt-install-server.xml), made fit for any host: another name, images, emulator
 * and bridge; emulated, with one processor of the usual model and 256 MiB; booted directly into the small guest, which is up
 * in seconds. `backend` stands for any program that shares a guest's memory. Of the host's own places, its directory is
 * shown as /srv/vm and its cgroup root as /domctl.
 */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { test } from 'vitest';
import { type SmallGuest, smallGuest } from '../guest/small.ts';
import { patient } from '../setup/slowness.ts';
import { anyQemu } from './emulators.ts';
import { eventually } from './facts.ts';
import { createHost, describeEndToEnd, type Host } from './harness.ts';
import { Reader } from './walk.ts';

const small = await smallGuest();
const fixture = fileURLToPath(new URL('../fixtures/domain-xml/virt-install-server.xml', import.meta.url));

/** The fixture for this host; a replacement that finds nothing to replace would leave somebody else's path in it. */
function stockXml(host: Host, { kernel, initrd, cmdline }: SmallGuest): string {
  const direct = `<kernel>${kernel}</kernel><initrd>${initrd}</initrd><cmdline>${cmdline}</cmdline>`;
  const changes: readonly (readonly [RegExp, string])[] = [
    [/<domain type='kvm'>/, "<domain type='qemu'>"],
    [/<name>.*<\/name>/, '<name>debian12</name>'],
    [/(<memory unit='KiB'>)\d+/, `$1${256 * 1024}`],
    [/(<currentMemory unit='KiB'>)\d+/, `$1${256 * 1024}`],
    [/(?<open><vcpu[^>]*>)\d+/, '$<open>1'],
    [/<boot dev='hd'\/>/, `${direct}\n    <boot dev='hd'/>`],
    [/ *<cpu [^]*?\/>\n/, ''],
    [/<emulator>.*<\/emulator>/, `<emulator>${anyQemu}</emulator>`],
    [/type='qcow2'/, "type='raw'"],
    [/[^']*\.qcow2/, host.image('debian12.img')],
    [/[^']*\.iso/, host.image('debian-12-netinst.iso')],
    [/bridge='br0'/, "bridge='br-office'"],
  ];
  return changes.reduce(
    (text, [from, to]) => {
      if (!from.test(text)) throw new Error(`${fixture}: nothing is like ${String(from)}`);
      return text.replace(from, to);
    },
    readFileSync(fixture, 'utf8'),
  );
}

/** `backend start PID` opens the memory of a hypervisor, and returns when it has it; it keeps it till `backend stop`. */
function backend(host: Host): string {
  const [pidFile, wish, has] = ['pid', 'wish', 'has'].map((name) => host.at(`backend.${name}`));
  return `#!/bin/bash
case $1 in
start)
  mkfifo ${wish} ${has}
  "$0" hold "$2" </dev/null >/dev/null 2>&1 & echo $! >${pidFile}
  read <${has} ;;
hold)
  for fd in /proc/$2/fd/*; do [[ $(readlink $fd) == /memfd:* ]] && exec 3<$fd; done
  echo it >${has}
  read <>${wish} ;;
stop)
  kill $(cat ${pidFile}) ;;
esac
`;
}

function readerOf(host: Host, guest: SmallGuest): Reader {
  const virsh = `#!/bin/sh\ncat <<'END'\n${stockXml(host, guest)}END\n`;
  return new Reader(host, { virsh, backend: backend(host) });
}

describeEndToEnd('a page that shows domctl at work', () => {
  test('docs/tutorial.md: every command prints what it says', { timeout: patient(300_000) }, async (context) => {
    if (!small.found) return context.skip(small.skipReason);
    await using host = await createHost();
    await readerOf(host, small.found).follow('tutorial.md');
  });

  test('docs/operating.md: every command prints what it says', async () => {
    await using host = await createHost();
    const reader = new Reader(host, { backend: backend(host) });
    await host.run({ name: 'web1', memoryMiB: 300, shared: true });
    const { pid } = await host.run({ name: 'db1', memoryMiB: 600, shared: true });
    await host.define({ name: 'build', memoryMiB: 200 });
    await reader.run(`backend start ${pid}`);
    await host.ok('destroy', 'db1');
    await eventually('it stalls', async () => (await host.ok('drain', 'db1', '--once')).includes('stalled'));
    await reader.follow('operating.md');
    await reader.run('backend stop');
  });
});
