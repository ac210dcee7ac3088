/** domctl doctor where cgroup v2 is the only hierarchy: as root, and as an ordinary user with and without a subtree. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { describeLab, runIn, shellIn } from './commands.ts';
import { bootLab, type Lab } from './machine.ts';
import { checkout } from './shown.ts';
import { configure, domctlIn, environment } from './domctl.ts';

interface Answer {
  readonly findings: readonly {
    readonly verdict: string;
    readonly what: string;
    readonly finding: string;
    readonly remedy: string | null;
  }[];
}

type Findings = Record<string, Omit<Answer['findings'][number], 'what'>>;

/** By what they are about. */
function findingsOf({ stdout }: { readonly stdout: string }): Findings {
  const { findings } = JSON.parse(stdout) as Answer;
  return Object.fromEntries(findings.map(({ what, ...rest }) => [what, rest]));
}

/** Everybody may run this copy; the checkout and its node may lie where others cannot pass. */
const install = `set -e
mkdir -p /scratch/install/native/build/Release /scratch/home
cp -r ${checkout}/dist ${checkout}/policies /scratch/install
cp ${checkout}/native/build/Release/domctl_native.node ${checkout}/native/build/Release/libasyncteardown.so /scratch/install/native/build/Release
cp ${process.execPath} /scratch/node
chown nobody /scratch/home`;

/** A subtree as systemd delegates one: the directory and the three files that the kernel's rule of delegation names. */
const delegate = `set -e
cd /sys/fs/cgroup
echo '+cpu +cpuset +io +memory +pids' > cgroup.subtree_control
mkdir -p user/session
echo '+cpu +cpuset +io +memory +pids' > user/cgroup.subtree_control
for each in user user/session; do
  chown nobody $each $each/cgroup.procs $each/cgroup.subtree_control $each/cgroup.threads
done`;

/** Words that run domctl as nobody, first moved to `cgroup`. */
function asNobody(cgroup: string, root: string): string[] {
  const who = 'setpriv --reuid=nobody --regid=nogroup --clear-groups env';
  const places = Object.keys(environment).map((name) => `-u ${name}`);
  const run = `exec ${who} ${places.join(' ')} HOME=/scratch/home XDG_RUNTIME_DIR=/scratch/home DOMCTL_CGROUP_ROOT=${root} /scratch/node /scratch/install/dist/domctl.cjs "$@"`;
  // The words that follow are our own node and program.
  return ['sh', '-c', `shift 2; echo $$ > /sys/fs/cgroup${cgroup}/cgroup.procs; ${run}`, 'sh'];
}

describeLab('domctl doctor on unified cgroup v2', () => {
  let lab: Lab;
  beforeAll(async () => {
    lab = await bootLab({ memoryMiB: 1536, cpus: 2, scratchMiB: 2048 });
    await configure(lab);
    expect(await shellIn(lab, install)).toMatchObject({ code: 0, stderr: '' });
  });
  afterAll(() => lab.close());

  test('as root: nothing keeps machines from running', async () => {
    const result = await domctlIn(lab, ['doctor']);
    expect(result.code, result.stdout + result.stderr).toBe(0);
    expect(result.stdout).toContain('PASS  hierarchy: unified, at /sys/fs/cgroup (nsdelegate)\n');
    expect(result.stdout).toContain('PASS  memory controller: offered in /\n');
    expect(result.stdout).toMatch(/^\d+ passed, \d+ warnings?, 0 failed$/m);
  });

  test('as an ordinary user: what fails without a delegated subtree, with its remedy, passes in one', async () => {
    const without = await domctlIn(lab, ['doctor', '--json'], asNobody('', '/domctl-nobody'));
    expect(without.code, without.stdout + without.stderr).toBe(8);
    const refused = findingsOf(without);
    expect(refused['hierarchy']).toMatchObject({ verdict: 'PASS' });
    expect(refused['place of our cgroups']).toMatchObject({
      verdict: 'FAIL',
      remedy: expect.stringMatching(/^Delegate=cpu cpuset io memory pids$/m) as string,
    });
    expect(refused['birth in our cgroups']).toMatchObject({ verdict: 'FAIL' });

    expect(await runIn(lab, ['sh', '-c', delegate])).toMatchObject({ code: 0, stderr: '' });
    const outside = findingsOf(await domctlIn(lab, ['doctor', '--json'], asNobody('', '/user/domctl')));
    expect(outside['place of our cgroups']).toMatchObject({ verdict: 'PASS' });
    expect(outside['birth in our cgroups']).toMatchObject({
      verdict: 'FAIL',
      remedy: 'start the daemon inside the delegated subtree: systemd-run --user --scope domctl daemon start',
    });

    const inside = await domctlIn(lab, ['doctor', '--json'], asNobody('/user/session', '/user/domctl'));
    expect(inside.code, inside.stdout + inside.stderr).toBe(0);
    const given = findingsOf(inside);
    for (const what of ['place of our cgroups', 'birth in our cgroups', 'memory controller'])
      expect(given[what]).toMatchObject({ verdict: 'PASS' });
  });
});
