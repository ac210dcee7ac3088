/** watchPidfd: every end is told once, with the right status, and nothing outlives its watch. */
import { spawn as spawnNode } from 'node:child_process';
import { once } from 'node:events';
import { constants, readFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import { closeFd, type ExitStatus, pidfdOpen, pidfdSignal, setSubreaper, watchPidfd } from '../../native/index.ts';
import {
  addonPath,
  afterwards,
  countOpenFds,
  describeAsRoot,
  exit,
  freshCgroup,
  inNode,
  opened,
  openedFifo,
  scratch,
  start,
  until,
  zombies,
} from './support.ts';

describeAsRoot('the watch of a child', () => {
  it('tells a hundred ends apart while node:child_process has its own', async () => {
    const cgroupFd = freshCgroup().fd;
    const codes = Array.from({ length: 100 }, (_, index) => index);
    const argv = (code: number) => ['/bin/sh', '-c', `exit ${code}`] as const;
    const theirs: Promise<number>[] = [];
    const ours = codes.map((code) => {
      const [file, ...rest] = argv(code);
      theirs.push(new Promise((resolve) => spawnNode(file, rest).on('exit', (status) => resolve(status ?? -1))));
      return exit(start({ argv: argv(code), cgroupFd }).pidfd);
    });
    expect(await Promise.all(ours)).toEqual(codes.map((code) => ({ code, signal: null })));
    expect(await Promise.all(theirs)).toEqual(codes);
  });

  it('reaps it', async () => {
    const { pid, pidfd } = start({ argv: ['/bin/true'] });
    await exit(pidfd);
    expect(zombies()).not.toContain(pid);
    expect(() => pidfdOpen(pid)).toThrow('ESRCH');
  });

  it('calls back once, later, with a status that says code or signal', async () => {
    const { pidfd } = start({ argv: ['/bin/sleep', '1000'] });
    const onExit = vi.fn();
    watchPidfd(pidfd, onExit);
    pidfdSignal(pidfd, 15);
    expect(onExit).not.toHaveBeenCalled();
    await until(() => onExit.mock.calls.length > 0);
    await exit(pidfd);
    expect(onExit.mock.calls).toEqual([[{ code: null, signal: 15 }]]);
  });

  it('gives the status to one of two watches, and the end to both', async () => {
    const { pidfd } = start({ argv: ['/bin/sh', '-c', 'exit 3'] });
    const statuses = await Promise.all([exit(pidfd), exit(pidfd)]);
    expect(statuses).toContainEqual({ code: 3, signal: null });
    expect(statuses).toContainEqual({ code: null, signal: null });
  });

  it('is silent after stop, which may be called again, and leaves no descriptor', async () => {
    const { pidfd } = start({ argv: ['/bin/sleep', '1000'] });
    const before = countOpenFds();
    const onExit = vi.fn();
    const stop = watchPidfd(pidfd, onExit);
    stop();
    stop();
    pidfdSignal(pidfd, 9);
    expect(await exit(pidfd)).toEqual({ code: null, signal: 9 });
    stop();
    await until(() => countOpenFds() === before);
    expect(onExit).not.toHaveBeenCalled();
  });

  it('may outlive the descriptor it was made from', async () => {
    const { pid, pidfd } = start({ argv: ['/bin/sleep', '1000'] });
    const own = pidfdOpen(pid);
    const ended = exit(own);
    closeFd(own);
    pidfdSignal(pidfd, 9);
    expect(await ended).toEqual({ code: null, signal: 9 });
  });

  it('can be stopped from within the callback', async () => {
    const { pidfd } = start({ argv: ['/bin/true'] });
    await new Promise<void>((resolve) => {
      const stop = watchPidfd(pidfd, () => {
        stop();
        resolve();
      });
    });
  });

  it('reaps an orphaned grandchild that came to us as subreaper', async () => {
    setSubreaper();
    const directory = scratch();
    const go = openedFifo(directory, 'go');
    const out = join(directory, 'out');
    const stdout = opened(out, constants.O_CREAT | constants.O_RDWR);
    // A shell gives its background jobs /dev/null as stdin: hence descriptor 3.
    const argv = ['/bin/sh', '-c', '(read line <&3; exit 7) & echo $!'];
    const parent = start({ argv, stdout, extraFds: [go] });
    await exit(parent.pidfd);
    const orphan = pidfdOpen(Number(readFileSync(out, 'utf8')));
    afterwards(() => closeFd(orphan));
    const ended = exit(orphan);
    writeSync(go, 'go\n');
    expect(await ended).toEqual({ code: 7, signal: null });
  });
});

describe('the watch of a process that is not our child', () => {
  it('knows the end but no status', async () => {
    const shell = spawnNode('/bin/sh', ['-c', 'sleep 1000 & echo $!; wait'], { stdio: ['ignore', 'pipe', 'ignore'] });
    afterwards(() => shell.kill('SIGKILL'));
    const [line] = await once(shell.stdout, 'data');
    const pidfd = pidfdOpen(Number(line));
    afterwards(() => closeFd(pidfd));
    const ended: Promise<ExitStatus> = exit(pidfd);
    pidfdSignal(pidfd, 9);
    expect(await ended).toEqual({ code: null, signal: null });
  });
});

/** Start of a script: a process to watch as `pidfd`, which ends when the script does. */
const sleeper = `
  const { spawn } = require('node:child_process');
  const child = spawn('sleep', ['1000'], { stdio: 'ignore' });
  child.unref();
  const pidfd = addon.pidfdOpen(child.pid);
  process.on('exit', () => addon.pidfdSignal(pidfd, 9));`;

describe("the watch and Node's life", () => {
  it('keeps the event loop alive', async () => {
    const script = `${sleeper}
      addon.watchPidfd(pidfd, () => console.log('ended'), false);
      setTimeout(() => addon.pidfdSignal(pidfd, 9), 50).unref();
      process.removeAllListeners('exit');`;
    expect(await inNode(script)).toBe('ended');
  });

  it('does not when unref is asked for', async () => {
    const script = `${sleeper}
      addon.watchPidfd(pidfd, () => console.log('ended'), true);
      process.on('exit', () => console.log('exit'));`;
    expect(await inNode(script)).toBe('exit');
  });

  it('survives garbage collection', async () => {
    const script = `${sleeper}
      addon.watchPidfd(pidfd, () => { console.log('ended'); process.removeAllListeners('exit'); }, false);
      setTimeout(() => { gc(); gc(); addon.pidfdSignal(pidfd, 9); }, 20);`;
    expect(await inNode(script)).toBe('ended');
  });

  it('makes what the callback throws an uncaught exception', async () => {
    const script = `${sleeper}
      process.removeAllListeners('exit');
      process.on('uncaughtException', (error) => console.log(error.message));
      addon.watchPidfd(pidfd, () => { throw new Error('from the callback'); }, false);
      addon.pidfdSignal(pidfd, 9);`;
    expect(await inNode(script)).toBe('from the callback');
  });

  it('is silent when the process ends only after Node has', async () => {
    // Node runs its loop once more while it cleans up, when no JavaScript may be called.
    const script = `${sleeper}
      addon.watchPidfd(pidfd, () => console.log('ended'), true);
      process.on('exit', () => { while (!addon.pidfdExited(pidfd)); console.log('exit'); });`;
    expect(await inNode(script)).toBe('exit');
  });

  it('lets the process exit in its midst', async () => {
    const script = `${sleeper}
      addon.watchPidfd(pidfd, () => {}, false);
      console.log('leaving');
      process.exit(0);`;
    expect(await inNode(script)).toBe('leaving');
  });

  it.each([
    ['terminated', 'parentPort.postMessage(0);', 'worker.terminate()'],
    ['left from its callback', 'parentPort.postMessage(0);', 'addon.pidfdSignal(pidfd, 9)'],
  ])('lets a worker thread be %s', async (_, then, action) => {
    const worker = `
      const { parentPort, workerData } = require('node:worker_threads');
      const addon = require(${JSON.stringify(addonPath)});
      addon.watchPidfd(workerData, () => process.exit(5), false);
      ${then}`;
    const script = `${sleeper}
      process.removeAllListeners('exit');
      const { Worker } = require('node:worker_threads');
      const worker = new Worker(${JSON.stringify(worker)}, { eval: true, workerData: pidfd });
      worker.on('message', () => { ${action}; });
      worker.on('exit', (code) => { console.log('exit', code); try { addon.pidfdSignal(pidfd, 9); } catch {} });`;
    expect(await inNode(script)).toMatch(/^exit [15]$/u);
  });
});
