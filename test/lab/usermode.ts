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
 * Its own root has its own C library and the host's root as `/host`. Its memory is a file without a name, in a tmpfs of its
 * own. It has every file open that its programs have. These are processes of the host: when the first of their namespace is
 * killed, which is user-mode Linux itself, they are.
 */
const script = `machine=$1 parts=$2 disk=$3; shift 3
mount --bind "$parts" "$machine"
mount --rbind "$root" "$machine/host"
mount -t proc proc "$machine/proc"
mount -t tmpfs tmpfs "$machine/dev"
mkdir "$machine/dev/shm"
touch "$machine/dev/null" "$machine/dev/disk"
mount --bind /dev/null "$machine/dev/null"
mount --bind "$disk" "$machine/dev/disk"
ulimit -n "$(ulimit -H -n)"
TMPDIR=/dev/shm exec chroot "$machine" /usr/bin/linux.uml "$@"`;

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
  const { directory, machine, agent } = await userModeParts();
  return async (site) => {
    const [root, itself] = [site.at('root'), site.at('machine')];
    for (const each of [root, itself]) mkdirSync(each);
    const devices = 'ubda=/dev/disk ssl0=fd:3 con=null con0=null,fd:1 uml_dir=/dev/shm/ seccomp=auto';
    const init = `root=/dev/root rootfstype=hostfs rootflags=/host ${site.initArguments(directory, agent)}`;
    const boot = `mem=${site.options.memoryMiB ?? 3072}M ${devices} ${init}`.split(' ').filter((word) => word !== '');
    const args = [itself, machine, site.scratchImage, ...boot];
    const namespaces = ['--pid', '--fork', '--kill-child', '--net', '--ipc'];
    const shown = showing({ root, parts: directory, script, args, namespaces });
    return site.spawn('taskset', ['--cpu-list', processorOfNextMachine(), 'unshare', ...shown]);
  };
}
