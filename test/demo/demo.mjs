/**
 * The main job, shown: a real QEMU killed, its exclusive resources proven free while its memory is still held, `start`
 * refused, a second incarnation started on top by an explicit decision, and `shut off` said only when it is true.
 * Drives nothing but the `domctl` program and one more real process, the holder. No sleeps; what it claims it checks.
 */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { Host, say, title } from './host.mjs';

const gib = 1024 ** 3;
const host = new Host();

try {
  host.requireMemory(4 * gib);
  host.prepare();
  await partOne();
  await partTwo();
  await goodbye();
} catch (error) {
  await host.cleanUp();
  if (error.labHelps && process.env.DOMCTL_LAB === undefined) process.exit(runInLab());
  if (error.exit !== undefined) process.exit(error.exit);
  console.error(`\nThe demo failed: ${error.stack ?? error}`);
  process.exit(1);
}

async function partOne() {
  title('1. A virtual machine: 1 GiB of shared memory, all of it touched, one disk image');
  host.domctl(['define', host.domainFile('db1', { disk: true })]);
  host.domctl(['start', 'db1']);
  host.domctl(['domstate', 'db1', '--reason'], { expect: /^running \(booted\)$/m });
  const first = host.json(['dominfo', 'db1']);
  host.check(
    first.heldBytes >= gib,
    `the kernel charges ${host.size(first.heldBytes)} to cgroup ${first.cgroup} (pid ${first.pid})`,
  );

  title('2. A second process opens the guest memory, as a vhost-user backend would (it stands for one)');
  const held = await host.startHolder(first.pid);
  host.check(
    held === gib,
    `holder (pid ${host.holderPid}), outside every incarnation's cgroup, has ${host.size(held)} open through /proc/${first.pid}/fd`,
  );

  title('3. Destroyed: exclusive resources are proven free, the memory is still held');
  host.domctl(['destroy', 'db1']);
  const draining = host.json(['dominfo', 'db1']);
  for (const { resource, probe } of draining.incarnations[0].freed) say(`  freed: ${resource}: ${probe}`);
  host.check(
    draining.incarnations[0].freed.some(({ resource }) => resource.startsWith('image ')),
    'the disk image was among them',
  );
  host.check(
    draining.state === 'draining' && draining.drainingBytes >= gib,
    `state 'draining', ${host.size(draining.drainingBytes)} held: not 'shut off'`,
  );
  host.check(!host.isAlive(first.pid), `the hypervisor (pid ${first.pid}) is gone`);

  title('4. start wants all of it back and is refused (exit 5); the operator decides with the arithmetic in view');
  host.domctl(['start', 'db1'], { exit: 5 });
  host.domctl(['force-start', 'db1', '--dry-run']);
  host.domctl(['force-start', 'db1']);
  host.domctl(['domstate', 'db1', '--reason'], {
    expect: /^running \(booted\), predecessor 1 draining, 1\.\d GiB held$/m,
  });
  host.domctl(['resources']);
  const both = host.json(['resources']).incarnations;
  host.check(
    both.length === 2 && both[0].state === 'draining' && both[1].state === 'running',
    'both incarnations are accounted for',
  );

  title(
    '5. The daemon is killed (SIGKILL) while one incarnation runs and another drains; the next one tells the same truth',
  );
  const before = host.json(['dominfo', 'db1']);
  await host.killDaemon();
  host.check(host.isAlive(before.pid), `hypervisor (pid ${before.pid}) runs on without it`);
  host.domctl(['domstate', 'db1', '--reason'], {
    expect: /^running \(booted\), predecessor 1 draining, 1\.\d GiB held$/m,
  });
  const after = host.json(['dominfo', 'db1']);
  host.check(
    after.pid === before.pid && after.id === before.id && after.incarnations.length === 2,
    'same process, same incarnations, none doubled or lost',
  );

  title('6. The holder lets go: the memory comes back, and only now the first incarnation is released');
  const drain = await host.watchDrain('db1');
  host.check(drain.first.includes(`(pid ${host.holderPid})`), 'it names who holds the memory');
  await host.releaseHolder();
  host.check(/released: 1\.\d GiB/.test(await drain.all), "'domctl drain' saw it released");
  host.check(host.json(['dominfo', 'db1']).incarnations.length === 1, 'one incarnation is left, the running one');

  title('7. Destroyed, and waited for: all of it is back');
  host.domctl(['destroy', 'db1', '--wait']);
  host.domctl(['domstate', 'db1', '--reason'], { expect: /^shut off \(destroyed\)$/m });
}

async function partTwo() {
  title('8. The same with nobody holding on: the true figures of this machine');
  host.domctl(['start', 'db1']);
  const { freedAfterMs, releasedAfterMs } = host.json(['destroy', 'db1', '--wait']);
  say(`  exclusive resources free after ${freedAfterMs} ms, 1 GiB of memory back after ${releasedAfterMs} ms`);
  host.domctl(['domstate', 'db1'], { expect: /^shut off$/m });
}

async function goodbye() {
  title('9. Nothing is left');
  host.domctl(['undefine', 'db1']);
  host.domctl(['daemon', 'stop']);
  host.checkNothingLeft();
  await host.cleanUp();
  say('\nThe demo is done: every line above was checked.');
}

/** The same demo on a kernel of its own, of which it may have everything. */
function runInLab() {
  say('\nThis host, as it is, cannot run the demo (see above): it runs in the lab, a virtual machine (npm run lab).');
  const at = (path) => fileURLToPath(new URL(path, import.meta.url));
  const argv = ['--import', at('../setup/typescript.mjs'), at('../lab/main.ts'), process.execPath, at('demo.mjs')];
  const { status } = spawnSync(process.execPath, argv, {
    stdio: 'inherit',
    env: { ...process.env, DOMCTL_LAB_MEMORY: '5120' },
  });
  return status ?? 1;
}
