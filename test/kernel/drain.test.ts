/** The two proofs on the real kernel: exclusive resources free, memory gone. Locks, mappings and memory are of real processes. */
import { linkSync, mkdirSync, renameSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { Cgroup } from '../../cgroups/cgroup.ts';
import { residueFloorBytes } from '../../cgroups/memory.ts';
import type { Claim } from '../../lib/domain/claims.ts';
import type { BusyResource, IncarnationState, Proof, RamFile } from '../../lib/domain/incarnation.ts';
import { transition } from '../../lib/domain/transition.ts';
import type { Event } from '../../lib/domain/transition-event.ts';
import { proveFreed, scanHelper } from '../../lib/drain/freed.ts';
import { DrainTracker } from '../../lib/drain/progress.ts';
import { type MemoryVerdict, watchMemory } from '../../lib/drain/released.ts';
import { findRamFiles, openFiles, readProcess } from '../../lib/host/processes.ts';
import { states } from '../unit/domain/samples.ts';
import {
  afterwards,
  born,
  eventually,
  fixture,
  freshCgroup,
  freshRoot,
  isOnTmpfs,
  memoryHolder,
  MiB,
  outside,
  outsideHolder,
  type Program,
  python,
  scratch,
} from './support.ts';

const size = 64 * MiB;

function claim(path: string, mode: Claim['mode'] = 'exclusive'): Claim {
  const { dev, ino } = statSync(path);
  return { kind: 'image', path, device: dev, inode: ino, mode };
}

function image(directory = scratch()): string {
  const path = join(directory, 'image');
  writeFileSync(path, 'x'.repeat(8192));
  return path;
}

/** Someone in the cgroup (null: outside) who locks bytes of the file as QEMU does. */
async function locker(cgroup: Cgroup | null, path: string, ...bytes: number[]): Promise<Program> {
  const argv = [fixture('native/hold_lock.py'), path, ...bytes.map(String)];
  const program = cgroup ? await born(cgroup, python, ...argv) : await outside(...argv);
  await program.heard('held');
  return program;
}

/** A mapping keeps the open file, and with it its lock, when its descriptors are closed. */
const lockWithoutDescriptor = `import fcntl,mmap,os,struct,sys
fd=os.open(sys.argv[1],os.O_RDWR)
fcntl.fcntl(fd,fcntl.F_OFD_SETLK,struct.pack('hhqqi4x',fcntl.F_WRLCK,0,100,1,0))
libc=__import__('ctypes').CDLL(None); libc.mmap.restype=__import__('ctypes').c_void_p
libc.mmap(None,4096,1,1,fd,0); os.close(fd)
print('held',flush=True); sys.stdin.read()`;

interface Proving {
  readonly proofs: Promise<readonly Proof[]>;
  /** What onBusy heard, in order. */
  readonly heard: BusyResource[][];
  stop(): void;
}

function prove(cgroup: Cgroup, claims: readonly Claim[], pinned: ReadonlySet<string> = new Set()): Proving {
  const controller = new AbortController();
  const heard: BusyResource[][] = [];
  const proofs = proveFreed(
    { claims, pinned, cgroup },
    { signal: controller.signal, onBusy: (busy) => void heard.push([...busy]) },
  );
  afterwards(async () => {
    controller.abort();
    await proofs.catch(() => null);
  });
  return {
    proofs,
    heard,
    stop: () => {
      controller.abort(new Error('told to stop'));
    },
  };
}

const hypervisorProof = { resource: 'hypervisor', probe: 'pidfd: every thread is gone' };

async function isBusy(proving: Proving): Promise<void> {
  await Promise.race([eventually('something is busy', () => proving.heard.length > 0), proving.proofs]);
  expect(proving.heard).not.toEqual([]);
}

describe('the proof of freed', () => {
  test('names a probe for each image, and for the hypervisor', async (context) => {
    const cgroup = await freshCgroup(context);
    const path = image();
    const { proofs, heard } = prove(cgroup, [claim(path)]);
    expect(await proofs).toEqual([
      hypervisorProof,
      { resource: `image ${path}`, probe: 'F_OFD_GETLK: no lock on its bytes' },
    ]);
    expect(heard).toEqual([]);
  });

  test('waits for a lock of a process that is left, names it, and goes on when it ends', async (context) => {
    const cgroup = await freshCgroup(context);
    const path = image();
    const holder = await locker(cgroup, path, 100, 201);
    const proving = prove(cgroup, [claim(path)]);
    await isBusy(proving);
    expect(proving.heard[0]).toEqual([
      {
        resource: `image ${path}`,
        probe: 'F_OFD_GETLK: locked at bytes 100 201',
        holder: expect.stringMatching(new RegExp(`\\(pid ${holder.pid}\\)$`)) as string,
      },
    ]);
    holder.kill();
    expect(await proving.proofs).toHaveLength(2);
  });

  test('does not wait for the locks of another program that has taken the image', async (context) => {
    const cgroup = await freshCgroup(context);
    const path = image();
    await locker(null, path, 100, 201);
    expect(await prove(cgroup, [claim(path)]).proofs).toEqual([
      hypervisorProof,
      { resource: `image ${path}`, probe: 'F_OFD_GETLK: locked at bytes 100 201, by other programs alone' },
    ]);
  });

  test('waits for a process that is left beside another program', async (context) => {
    const cgroup = await freshCgroup(context);
    const path = image();
    await locker(null, path, 100);
    const straggler = await locker(cgroup, path, 201);
    const proving = prove(cgroup, [claim(path)]);
    await isBusy(proving);
    expect(proving.heard[0]?.[0]?.probe).toBe('F_OFD_GETLK: locked at bytes 100 201');
    straggler.kill();
    expect(await proving.proofs).toMatchObject([
      hypervisorProof,
      { probe: 'F_OFD_GETLK: locked at bytes 100, by other programs alone' },
    ]);
  });

  /** As of a file that the kernel has yet to close: the lock is there, and no descriptor has it. */
  test('waits for a lock that nobody is seen to have, also beside another program that has one', async (context) => {
    const cgroup = await freshCgroup(context);
    const path = image();
    const hidden = await outside('-c', lockWithoutDescriptor, path);
    await hidden.heard('held');
    const proving = prove(cgroup, [claim(path)]);
    await isBusy(proving);
    await locker(null, path, 201);
    await eventually(
      'both are seen',
      () => proving.heard.at(-1)?.[0]?.probe === 'F_OFD_GETLK: locked at bytes 100 201',
    );
    hidden.kill();
    expect(await proving.proofs).toMatchObject([
      hypervisorProof,
      { probe: 'F_OFD_GETLK: locked at bytes 201, by other programs alone' },
    ]);
  });

  test('sees a lock through another name of the same file', async (context) => {
    const cgroup = await freshCgroup(context);
    const path = image();
    linkSync(path, `${path}.link`);
    await locker(cgroup, `${path}.link`, 101);
    const proving = prove(cgroup, [claim(path)]);
    await isBusy(proving);
    expect(proving.heard[0]?.[0]?.probe).toBe('F_OFD_GETLK: locked at bytes 101');
  });

  test('of a shared image does not mind locks of others, only who of the incarnation has it open', async (context) => {
    const cgroup = await freshCgroup(context);
    const path = image();
    await locker(null, path, 100);
    const straggler = await born(cgroup, python, fixture('kernel/keep_open.py'), 'open', path);
    await straggler.heard('ready');
    const proving = prove(cgroup, [claim(path, 'shared')]);
    await isBusy(proving);
    expect(proving.heard[0]).toMatchObject([
      { resource: `shared image ${path}`, probe: `open in pid ${straggler.pid}` },
    ]);
    straggler.kill();
    expect(await proving.proofs).toEqual([
      hypervisorProof,
      { resource: `shared image ${path}`, probe: 'open in no process of the incarnation' },
    ]);
  });

  /** Each makes the claimed name lead elsewhere; then only the end of every process proves anything. */
  const moves: Record<string, (path: string) => void> = {
    'was moved away': (path) => {
      renameSync(path, `${path}.moved`);
    },
    'was replaced by another file': (path) => {
      renameSync(path, `${path}.moved`);
      writeFileSync(path, 'another');
    },
    'is a link that leads in a circle': (path) => {
      renameSync(path, `${path}.moved`);
      symlinkSync(path, path);
    },
    'lies below what is no directory any more': (path) => {
      const directory = join(path, '..');
      renameSync(directory, `${directory}.moved`);
      writeFileSync(directory, '');
    },
  };

  test.for(Object.keys(moves))('of an image that %s waits for the end of every process', async (how, context) => {
    const cgroup = await freshCgroup(context);
    const directory = join(scratch(), 'images');
    mkdirSync(directory);
    const path = image(directory);
    const wanted = claim(path);
    const straggler = await born(cgroup, '/bin/cat');
    moves[how]?.(path);
    const proving = prove(cgroup, [wanted]);
    await isBusy(proving);
    expect(proving.heard[0]).toMatchObject([{ probe: 'no longer under its name; processes are left in the cgroup' }]);
    straggler.kill();
    expect(await proving.proofs).toEqual([
      hypervisorProof,
      { resource: `image ${path}`, probe: 'no longer under its name; cgroup.events: populated 0' },
    ]);
  });

  test('of an image that the teardown helper maps waits for the end of the helper', async (context) => {
    const cgroup = await freshCgroup(context);
    const [mapped, other] = [image(), image()];
    const helper = await born(cgroup, python, fixture('kernel/keep_open.py'), 'map', mapped);
    await helper.heard('ready');
    const identity = readProcess(helper.pid)?.identity;
    if (!identity) throw new Error('the helper is gone');
    const claims = [claim(mapped), claim(other)];
    const pinned = scanHelper(identity, claims);
    expect(pinned).toEqual(new Set([mapped]));
    const proving = prove(cgroup, claims, pinned);
    await isBusy(proving);
    expect(proving.heard[0]).toMatchObject([
      { resource: `image ${mapped}`, probe: 'mapped by the teardown helper; processes are left in the cgroup' },
    ]);
    helper.kill();
    expect(await proving.proofs).toEqual([
      hypervisorProof,
      { resource: `image ${mapped}`, probe: 'mapped by the teardown helper; cgroup.events: populated 0' },
      { resource: `image ${other}`, probe: 'F_OFD_GETLK: no lock on its bytes' },
    ]);
  });

  test('finds nothing pinned by a helper that is gone, or by whoever has its pid now', async (context) => {
    const cgroup = await freshCgroup(context);
    const path = image();
    const helper = await born(cgroup, python, fixture('kernel/keep_open.py'), 'open', path);
    await helper.heard('ready');
    const identity = readProcess(helper.pid)?.identity;
    if (!identity) throw new Error('the helper is gone');
    expect(scanHelper(identity, [claim(path)])).toEqual(new Set([path]));
    expect(scanHelper({ ...identity, startTicks: identity.startTicks + 1 }, [claim(path)])).toEqual(new Set());
    helper.kill();
    await helper.ended;
    expect(scanHelper(identity, [claim(path)])).toEqual(new Set());
  });

  test('ends when it is told to', async (context) => {
    const cgroup = await freshCgroup(context);
    const path = image();
    await locker(cgroup, path, 100);
    const proving = prove(cgroup, [claim(path)]);
    await isBusy(proving);
    proving.stop();
    await expect(proving.proofs).rejects.toThrow(/abort/i);
  });
});

interface Watching {
  readonly verdict: Promise<Exclude<MemoryVerdict, { kind: 'held' }>>;
  readonly tracker: DrainTracker;
  /** stall, progress, and names of holders, in order. */
  readonly heard: string[];
  stop(): void;
}

function watchIt(cgroup: Cgroup, options: { ramFiles?: readonly RamFile[]; stalledAfterMs?: number } = {}): Watching {
  const controller = new AbortController();
  const tracker = new DrainTracker();
  const heard: string[] = [];
  const verdict = watchMemory({
    cgroup,
    ramFiles: options.ramFiles ?? [],
    stalledAfterMs: options.stalledAfterMs ?? 60_000,
    tracker,
    signal: controller.signal,
    onHolder: (holder) => void heard.push(String(holder)),
    onStall: () => void heard.push('stalled'),
    onProgress: () => void heard.push('progressed'),
  });
  afterwards(async () => {
    controller.abort();
    await verdict.catch(() => null);
  });
  return {
    verdict,
    tracker,
    heard,
    stop: () => {
      controller.abort(new Error('told to stop'));
    },
  };
}

describe('the proof of memory gone', () => {
  test('comes when the process has ended, and tells how much there was', async (context) => {
    const cgroup = await freshCgroup(context);
    const holder = await memoryHolder(cgroup, 'anon', String(size));
    const { verdict, tracker } = watchIt(cgroup);
    await eventually('a first reading', () => tracker.progress !== null);
    holder.kill();
    expect(await verdict).toEqual({ kind: 'gone', oomKilled: false });
    expect(tracker.progress?.fromBytes).toBeGreaterThanOrEqual(size);
    expect(cgroup.memory()).toMatchObject({ known: true });
    await cgroup.remove();
  });

  /** Page cache has kernel memory of its own (buffer heads, tree nodes: about 3 %), which the v1 twin cannot tell from a leak. */
  test('drops the page cache itself, so that nobody waits for it and none of it moves to the parent', async (context) => {
    if (isOnTmpfs(tmpdir())) context.skip('a file in a tmpfs is no page cache that can be dropped');
    const cgroup = await freshCgroup(context);
    const writer = await memoryHolder(cgroup, 'cache', String(4 * size), join(scratch(), 'file'));
    writer.kill();
    await writer.ended;
    const { verdict, heard } = watchIt(cgroup, { stalledAfterMs: 5000 });
    let found: MemoryVerdict | null = null;
    void verdict.then(
      (reached) => {
        found = reached;
      },
      () => null,
    );
    await eventually('the memory is found gone', () => found !== null);
    expect(found).toEqual({ kind: 'gone', oomKilled: false });
    expect(heard).not.toContain('stalled');
    const memory = cgroup.memory();
    expect(memory.known && memory.value.heldBytes + memory.value.reclaimableBytes).toBeLessThan(
      residueFloorBytes() + MiB,
    );
  });

  test('waits for someone outside who has the memory, and names them', async (context) => {
    const cgroup = await freshCgroup(context);
    const hypervisor = await memoryHolder(cgroup, 'memfd', String(size));
    const ramFiles = findRamFiles(hypervisor.pid);
    const backend = await outsideHolder(
      'open',
      openFiles(hypervisor.pid).find(({ target }) => target.startsWith('/memfd:'))?.path ?? '',
    );
    const { verdict, heard } = watchIt(cgroup, { ramFiles });
    hypervisor.kill();
    await eventually('the holder is named', () => heard.some((line) => line.includes('memfd')));
    expect(heard.find((line) => line.includes('memfd'))).toMatch(
      new RegExp(`^python3[^ ]* \\(pid ${backend.pid}\\) through memfd 'guest-ram'$`),
    );
    expect(cgroup.populated()).toEqual({ known: true, value: false });
    backend.kill();
    expect(await verdict).toEqual({ kind: 'gone', oomKilled: false });
  });

  test('tells of a stall, of the process that is left, and of the first byte that falls again', async (context) => {
    const cgroup = await freshCgroup(context);
    const holder = await memoryHolder(cgroup, 'anon', String(size));
    const { verdict, heard } = watchIt(cgroup, { stalledAfterMs: 50 });
    await eventually('a stall', () => heard.includes('stalled'));
    await eventually('what is left is named', () => heard.includes('processes left in its cgroup'));
    holder.say('half');
    await eventually('progress', () => heard.includes('progressed'));
    expect(heard.indexOf('progressed')).toBeGreaterThan(heard.indexOf('stalled'));
    holder.kill();
    expect(await verdict).toMatchObject({ kind: 'gone' });
  });

  /** A daemon that starts again while an incarnation is stalled watches anew; its journal still says stalled. */
  test('ends a stall that an earlier watch told of, once bytes fall', async (context) => {
    const cgroup = await freshCgroup(context);
    const holder = await memoryHolder(cgroup, 'anon', String(size));
    let state: IncarnationState = states['draining, stalled'];
    const tell = (event: Extract<Event, { kind: 'stalled' | 'progressed' }>): void => {
      const next = transition(state, event);
      if (next.kind === 'to') state = next.state;
    };
    const controller = new AbortController();
    const tracker = new DrainTracker();
    const watching = watchMemory({
      cgroup,
      ramFiles: [],
      stalledAfterMs: 60_000,
      tracker,
      signal: controller.signal,
      onHolder: () => undefined,
      onStall: (stillMs) => {
        tell({ kind: 'stalled', atMs: 100, stillMs });
      },
      onProgress: () => {
        tell({ kind: 'progressed', atMs: 100 });
      },
    });
    afterwards(async () => {
      controller.abort();
      await watching.catch(() => null);
    });
    await eventually('a first reading', () => tracker.progress !== null);
    holder.say('half');
    await eventually('bytes fell', () => (tracker.progress?.heldBytes ?? Number.POSITIVE_INFINITY) < size * 0.75);
    await eventually('it is no longer stalled', () => state.kind === 'draining' && state.stalledSinceMs === null);
  });

  test('is not possible where the figures cannot be read', async (context) => {
    const cgroup = (await freshRoot(context)).at('never-made');
    expect(await watchIt(cgroup).verdict).toMatchObject({
      kind: 'unreadable',
      reason: expect.stringContaining('ENOENT') as string,
    });
  });

  test('ends when it is told to', async (context) => {
    const cgroup = await freshCgroup(context);
    await memoryHolder(cgroup, 'anon', String(MiB));
    const { verdict, tracker, stop } = watchIt(cgroup);
    await eventually('a first reading', () => tracker.progress !== null);
    stop();
    await expect(verdict).rejects.toThrow('told to stop');
  });
});
