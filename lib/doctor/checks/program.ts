/** The program itself, who runs it, and what it needs of the kernel. */
import type { Reading } from '../../reading.ts';
import { type Finding, fail, judge, pass, warn } from '../finding.ts';
import type { HostReadings } from '../readings.ts';

/** The oldest Node.js that package.json allows. */
const oldestNode = [20, 19] as const;

export function checkProgram({ program }: HostReadings): Finding[] {
  const { version, nodeVersion, uid, addon } = program;
  const who = uid === 0 ? 'root' : `uid ${uid}, without root: needs a delegated cgroup subtree`;
  return [
    pass('domctl', version),
    isAtLeast(nodeVersion, ...oldestNode)
      ? pass('Node.js', nodeVersion)
      : fail('Node.js', `${nodeVersion} is too old`, `install Node.js ${oldestNode.join('.')} or later`),
    addon
      ? fail('native addon', addon.message, addon.hint ?? 'build it: npx node-gyp rebuild --directory native')
      : pass('native addon', 'loads'),
    pass('user', who),
  ];
}

export function checkKernel({ kernel, cgroups }: HostReadings): Finding[] {
  const { release, pidfd, birth, init } = kernel;
  const kill = cgroups.place?.kill;
  return [
    pass('kernel', release),
    judge('pidfd', pidfd, (error) =>
      error === null
        ? pass('pidfd', 'a process can be held by descriptor')
        : fail('pidfd', `pidfd_open says ${error}`, `${newer(5, 3)}, or a seccomp profile that allows pidfd_open`),
    ),
    judge('birth in a cgroup', birth, (error) =>
      error === null
        ? pass('birth in a cgroup', 'clone3 into a cgroup works')
        : fail('birth in a cgroup', `it fails: ${error}`, `${newer(5, 7)}, or a seccomp profile that allows clone3`),
    ),
    killFinding(release, kill),
    judge('process 1', init.zombies, (zombies) => reapingFinding(init.name, zombies)),
  ];
}

/** Seen or not seen; where there is no cgroup to look at yet, the kernel's version tells. */
function killFinding(release: string, seen: Reading<boolean> | undefined): Finding {
  const what = 'cgroup.kill';
  if (seen?.known !== true) {
    if (isAtLeast(release, 5, 14)) return pass(what, `kernel ${release} has it`);
  } else if (seen.value) return pass(what, 'a whole cgroup can be killed at once');
  return fail(what, `kernel ${release} does not have it`, newer(5, 14));
}

function isAtLeast(release: string, major: number, minor: number): boolean {
  const [ours = 0, oursMinor = 0] = release.split('.').map(Number.parseFloat);
  return ours > major || (ours === major && oursMinor >= minor);
}

function reapingFinding(name: HostReadings['kernel']['init']['name'], zombies: number): Finding {
  const who = name.known ? name.value : 'process 1';
  if (zombies === 0) return pass('process 1', `${who} leaves no dead children unreaped`);
  return warn(
    'process 1',
    `${who} has ${zombies} dead ${zombies === 1 ? 'child' : 'children'} it has not reaped`,
    'run a process 1 that reaps (in a container: --init); domctl tells the dead by pidfd, but their pids stay taken',
  );
}

function newer(major: number, minor: number): string {
  return `boot Linux ${major}.${minor} or later`;
}
