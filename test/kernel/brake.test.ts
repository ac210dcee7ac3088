/** The brake on the real kernel: vCPU threads alone stand still, and what they and the draining hold stays within the bound. */
import { readdirSync, readFileSync } from 'node:fs';
import { expect, test, type TestContext } from 'vitest';
import type { Cgroup } from '../../cgroups/cgroup.ts';
import { Guard, type GuardStatus } from '../../native/guard.ts';
import {
  afterwards,
  born,
  eventually,
  freshRoot,
  memoryHolder,
  MiB,
  outside,
  type Program,
  python,
} from './support.ts';

/**
 * A machine of a main thread that answers and one that dirties memory as fast as it can, up to what it is given: in one call
 * of C, in which it does not hold the interpreter's lock.
 */
const machine = `
import ctypes, mmap, sys, threading
memory = mmap.mmap(-1, int(sys.argv[1]), flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
go = threading.Event()
def dirty():
    go.wait()
    ctypes.memset(ctypes.addressof(ctypes.c_char.from_buffer(memory)), 1, len(memory))
    print('full', flush=True)
threading.Thread(target=dirty, daemon=True).start()
print('ready', flush=True)
for line in sys.stdin:
    if line.strip() == 'go': go.set()
    print('heard', line.strip(), flush=True)
`;

interface Scene {
  readonly old: Cgroup;
  readonly fresh: Cgroup;
  readonly holder: Program;
  readonly vm: Program;
  readonly freezers: readonly string[];
}

/** A predecessor that holds 200 MiB, and a machine that would fill 200 MiB. */
async function scene(context: TestContext): Promise<Scene> {
  const root = await freshRoot(context);
  await root.makeBranch('vm-x');
  const [old, fresh] = [root.at('vm-x', '1'), root.at('vm-x', '2')];
  await old.create();
  await fresh.create();
  const holder = await memoryHolder(old, 'anon', String(200 * MiB));
  const vm = await born(fresh, python, '-c', machine, String(200 * MiB));
  await vm.heard('ready');
  const freezers = await fresh.freezersOf(
    'vcpus',
    fresh.looseThreads().filter((thread) => thread !== vm.pid),
  );
  return { old, fresh, holder, vm, freezers };
}

const boundBytes = 330 * MiB;
const marginBytes = 40 * MiB;

async function guarded(
  { old, fresh, freezers }: Scene,
  onStatus: (status: GuardStatus) => void = () => undefined,
): Promise<Guard> {
  const order = {
    memory: fresh.memoryDirectory,
    freezers,
    drains: [old.memoryDirectory],
    turn: fresh.lockFile,
    neededBytes: 230 * MiB,
    boundBytes,
    marginBytes,
    floorBytes: 0,
    vcpus: 1,
    maxAfter: 'max',
    highAfter: 'max',
  };
  const guard = await Guard.start(order, onStatus);
  afterwards(async () => guard.lift());
  return guard;
}

function held(cgroup: Cgroup): number {
  const memory = cgroup.memory();
  if (!memory.known) throw new Error(memory.reason);
  return memory.value.heldBytes;
}

/** As the kernel says: every thread of it stands still. */
function isFrozen([freezer]: readonly string[]): boolean {
  return /^frozen 1$/m.test(readFileSync(`${freezer}/cgroup.events`, 'utf8'));
}

test('the thread that dirties memory is held below the bound, the others answer, and it ends when memory is back', async (context) => {
  const stage = await scene(context);
  let highest = 0;
  const guard = await guarded(stage, ({ heldBytes, drainingBytes }) => {
    highest = Math.max(highest, heldBytes + drainingBytes);
  });
  stage.vm.say('go');
  await eventually('it is frozen', () => isFrozen(stage.freezers));
  stage.vm.say('are you there');
  await stage.vm.heard('heard are you there');
  expect(held(stage.fresh) + held(stage.old)).toBeLessThanOrEqual(boundBytes);
  expect(held(stage.fresh)).toBeLessThan(170 * MiB);
  // The cgroup goes when all is given back, as an incarnation's does.
  stage.holder.kill();
  await stage.holder.ended;
  await eventually('the old one is empty', () => {
    const populated = stage.old.populated();
    return populated.known && !populated.value;
  });
  await stage.old.reclaim();
  await stage.old.remove();
  expect(await guard.ended).toBe('lifted');
  await stage.vm.heard('full');
  expect(isFrozen(stage.freezers)).toBe(false);
  expect(highest).toBeLessThanOrEqual(boundBytes);
});

test('a drain in steps is followed step by step', async (context) => {
  const stage = await scene(context);
  await guarded(stage);
  stage.vm.say('go');
  await eventually('it is frozen', () => isFrozen(stage.freezers));
  const before = held(stage.fresh);
  stage.holder.say('half');
  await stage.holder.heard('half');
  await eventually('it holds more', () => held(stage.fresh) > before + 30 * MiB);
  expect(held(stage.fresh) + held(stage.old)).toBeLessThanOrEqual(boundBytes);
});

test('a machine that is ended while it stands still ends', async (context) => {
  const stage = await scene(context);
  await guarded(stage);
  stage.vm.say('go');
  await eventually('it is frozen', () => isFrozen(stage.freezers));
  stage.vm.kill();
  expect((await stage.vm.ended).signal).toBe(9);
});

test('a guard that is killed is followed by one that thaws', async (context) => {
  const stage = await scene(context);
  const first = await guarded(stage);
  stage.vm.say('go');
  await eventually('it is frozen', () => isFrozen(stage.freezers));
  process.kill(first.pid ?? 0, 'SIGKILL');
  expect(await first.ended).toBe('died');
  expect(isFrozen(stage.freezers)).toBe(true);
  const second = await guarded(stage);
  await second.thaw(10_000);
  await eventually('it is thawed', () => !isFrozen(stage.freezers));
});

/** Starts a guard, beats for it until it is killed. */
const managing = `
import subprocess, sys, time
guard = subprocess.Popen(sys.argv[1:], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
guard.stdout.readline()
print('ready', flush=True)
while True:
    guard.stdin.write(b'beat\\n')
    guard.stdin.flush()
    time.sleep(0.1)
`;

function wordsFor({ old, fresh, freezers }: Scene): string[] {
  const files = [`--vm=${fresh.memoryDirectory}`, `--drain=${old.memoryDirectory}`, `--turn=${fresh.lockFile}`];
  const sizes = [`--need=${230 * MiB}`, `--bound=${boundBytes}`, `--margin=${marginBytes}`, '--vcpus=1'];
  return [...files, ...freezers.map((directory) => `--freezer=${directory}`), ...sizes];
}

/** Pids of guards that know of this machine. */
function guardsOf({ fresh }: Scene): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      const [program = '', ...words] = commandOf(pid);
      return program.endsWith('/domctl-brake') && words.includes(`--turn=${fresh.lockFile}`);
    })
    .map(Number);
}

function commandOf(pid: string): string[] {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
  } catch {
    return []; // it has ended
  }
}

test('a guard whose manager was killed is relieved by that of the next one', async (context) => {
  const stage = await scene(context);
  const manager = await outside('-c', managing, 'native/build/Release/domctl-brake', ...wordsFor(stage));
  await manager.heard('ready');
  stage.vm.say('go');
  await eventually('it is frozen', () => isFrozen(stage.freezers));
  manager.kill();
  await manager.ended;
  const next = await guarded(stage);
  await eventually('it is frozen again', () => isFrozen(stage.freezers));
  await eventually('one guard is left', () => guardsOf(stage).join() === String(next.pid));
});

test('twenty managers killed in a row leave nothing frozen for more than a second', async (context) => {
  const stage = await scene(context);
  stage.vm.say('go');
  const thawedAfterMs: number[] = [];
  for (let count = 0; count < 20; count += 1) {
    const killed = await outside('-c', managing, 'native/build/Release/domctl-brake', ...wordsFor(stage));
    await killed.heard('ready');
    await eventually('it is frozen', () => isFrozen(stage.freezers));
    const begin = performance.now();
    killed.kill();
    await killed.ended;
    await eventually('it is thawed', () => !isFrozen(stage.freezers));
    thawedAfterMs.push(performance.now() - begin);
  }
  expect(Math.max(...thawedAfterMs)).toBeLessThan(1000);
});
