/**
 * A lab's machine as user-mode Linux: a kernel that is a program of the host. Programs run on the host's own processor, and
 * only what they ask of the kernel costs more than usual, so that it is several times as fast as an emulated machine. It has
 * one processor, no KVM, no huge pages and no cpusets.
 */
import { mkdirSync, readFileSync } from 'node:fs';
import { parseCpuList } from '../../lib/host/inventory.ts';
import { userModeParts } from './parts.ts';
import { showing } from './shown.ts';
import type { StartMachine } from './site.ts';

/**
 * Its memory is a file without a name, in a tmpfs of its own. It has every file open that its programs have. These are
 * traced processes of the host: when the first of their namespace is killed, they are.
 */
const script = `mount -t tmpfs tmpfs "$root/dev"
mkdir "$root/dev/shm"
touch "$root/dev/null" "$root/dev/disk"
mount --bind /dev/null "$root/dev/null"
mount --bind "$1" "$root/dev/disk"; shift
mount -t proc proc "$root/proc"
ulimit -n "$(ulimit -H -n)"
TMPDIR=/dev/shm chroot "$root" "$@"
exit $?`;

let machines = 0;

/**
 * Kernel and programs take turns: on one processor that is a switch, on two the one wakes the other each time, which takes
 * four times as long in all. Machines of one program are on different ones.
 */
function processorOfNextMachine(): string {
  const status = readFileSync('/proc/self/status', 'utf8');
  const allowed = parseCpuList(/^Cpus_allowed_list:\s+(\S+)$/m.exec(status)?.[1] ?? '0');
  machines += 1;
  return String(allowed[(process.pid + machines) % allowed.length]);
}

/** Throws when its parts are out of reach. The machine's fourth descriptor leads to the agent. */
export async function prepareUserMode(): Promise<StartMachine> {
  const { directory, kernel, agent } = await userModeParts();
  return async (site) => {
    const root = site.at('root');
    mkdirSync(root);
    const devices = 'ubda=/dev/disk ssl0=fd:3 con=null con0=null,fd:1 uml_dir=/dev/shm/';
    const init = `root=/dev/root rootfstype=hostfs rootflags=/ ${site.initArguments(directory, agent)}`;
    const boot = `mem=${site.options.memoryMiB ?? 3072}M ${devices} ${init}`.split(' ').filter((word) => word !== '');
    const args = [site.scratchImage, kernel, ...boot];
    const namespaces = ['--pid', '--fork', '--kill-child', '--net', '--ipc'];
    const shown = showing({ root, parts: directory, script, args, namespaces });
    return site.spawn('taskset', ['--cpu-list', processorOfNextMachine(), 'unshare', ...shown]);
  };
}
