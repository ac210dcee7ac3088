/** spawn by a process that is not root: within a delegated subtree, as itself, and with nothing gained. */
import { chownSync, copyFileSync, mkdirSync, rmdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { addonPath, afterwards, describeAsRoot, freshCgroup, opened, outputOf, scratch } from './support.ts';

const nobody = 65534;

/** A cgroup delegated to nobody: those who move processes within it must own the common ancestor's cgroup.procs too. */
function delegated(): { inner: string; target: string } {
  const { path } = freshCgroup();
  const [inner, target] = [join(path, 'inner'), join(path, 'target')];
  for (const child of [inner, target]) {
    mkdirSync(child);
    afterwards(() => rmdirSync(child));
    chownSync(join(child, 'cgroup.procs'), nobody, nobody);
  }
  chownSync(join(path, 'cgroup.procs'), nobody, nobody);
  return { inner, target };
}

const script = `
  const [addonPath, target] = process.argv.slice(1);
  const addon = require(addonPath);
  const cgroupFd = require('node:fs').openSync(target, 'r');
  const { pidfd } = addon.spawn({
    file: '/bin/cat', argv: ['cat', '/proc/self/cgroup', '/proc/self/status'], env: {}, cwd: '/',
    stdin: 0, stdout: 1, stderr: 2, extraFds: [], cgroupFd, joinFds: [], credentials: null, rlimits: [],
  });
  addon.watchPidfd(pidfd, ({ code }) => process.exit(code), false);`;

describeAsRoot('spawn without root', () => {
  it('works where cgroups are delegated; the bounding set it cannot drop is no error', async () => {
    const { inner, target } = delegated();
    const addon = join(scratch(), 'addon.node');
    copyFileSync(addonPath, addon);
    const cgroupFd = opened(inner);
    const argv = [process.execPath, '-e', script, addon, target];
    const out = await outputOf({ argv, cgroupFd, credentials: { uid: nobody, gid: nobody, groups: [] } });
    expect(out).toMatch(/^0::.*\/target$/mu);
    expect(out).toMatch(/^NoNewPrivs:\s1$/mu);
    expect(out).toMatch(/^CapEff:\s0+$/mu);
  });
});
