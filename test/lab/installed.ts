/** domctl in a lab of systemd's, installed as a host's operator would: its service, its guests, and what systemd says. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Ended, runIn } from './commands.ts';
import type { Lab } from './machine.ts';
import { checkout } from './shown.ts';

/** What a login of root's has, and nothing of the tests. */
const env = { PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', HOME: '/root', LANG: 'C.UTF-8' };

/** Ends as it ends. */
export async function tryIn(lab: Lab, ...argv: readonly string[]): Promise<Ended> {
  return runIn(lab, argv, { cwd: '/', env });
}

/** Standard output of a command in the lab; it must end with 0. */
export async function sayIn(lab: Lab, ...argv: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await tryIn(lab, ...argv);
  if (code === 0) return stdout;
  throw new Error(`${argv.join(' ')}: exit ${code}\n${stdout}${stderr}${await journal(lab)}`);
}

/** Likewise, of shell commands; the first that fails ends them. */
export async function doIn(lab: Lab, script: string, ...args: readonly string[]): Promise<string> {
  return sayIn(lab, 'sh', '-e', '-c', script, 'sh', ...args);
}

/** As docs/install.md has it, up to the units. */
export async function install(lab: Lab): Promise<void> {
  await sayIn(lab, join(checkout, 'packaging/install.sh'), '/usr');
  await doIn(lab, 'systemctl daemon-reload');
}

/** What domctl's units, or systemd about them, said in a boot: 0 is this one, -1 the one before. */
export async function journal(lab: Lab, boot = 0): Promise<string> {
  const units = ['domctld.service', 'domctl-guests.service', 'lab-network.service'].map((unit) => `--unit=${unit}`);
  return (await tryIn(lab, 'journalctl', '--no-pager', '--output=cat', `--boot=${boot}`, ...units)).stdout;
}

/** Properties of a unit as systemd has them. */
export async function unitOf(lab: Lab, unit = 'domctld.service'): Promise<Record<string, string>> {
  const lines = (await sayIn(lab, 'systemctl', 'show', unit)).trimEnd().split('\n');
  return Object.fromEntries(lines.map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]));
}

/** A hypervisor as the kernel has it, whatever domctl says. */
export interface Hypervisor {
  readonly pid: string;
  /** In clock ticks since the boot: with the pid, the process itself. */
  readonly startTime: string;
  readonly cgroup: string;
  /** Lines `FILE:VALUE` of its cgroup. */
  readonly limits: readonly string[];
}

const look = `pid=$(pgrep -f "^[^ ]*qemu-system-x86_64 -name guest=$1,") || exit 1
cgroup=$(sed -n s/^0:://p /proc/$pid/cgroup)
echo $pid; cut -d ' ' -f 22 /proc/$pid/stat; echo $cgroup
cd /sys/fs/cgroup$cgroup; grep . memory.max memory.high memory.swap.max cpu.weight cpu.max pids.max 2> /dev/null || true`;

/** That of a running domain; null: none runs. */
export async function hypervisorOf(lab: Lab, name: string): Promise<Hypervisor | null> {
  const { code, stdout } = await tryIn(lab, 'sh', '-c', look, 'sh', name);
  if (code !== 0) return null;
  const [pid = '', startTime = '', cgroup = '', ...limits] = stdout.trimEnd().split('\n');
  return { pid, startTime, cgroup, limits };
}

/** A disk whose first sector is the guest of fixtures/button.S. */
function buttonDisk(): Buffer {
  const source = fileURLToPath(new URL('fixtures/button.S', import.meta.url));
  const linked = ['-nostdlib', '-static', '-Wl,--oformat=binary,-Ttext=0x7c00,--build-id=none'];
  const directory = mkdtempSync(join(tmpdir(), 'domctl-button-'));
  const output = join(directory, 'sector');
  try {
    execFileSync('cc', [...linked, '-o', output, source]);
    return readFileSync(output);
  } finally {
    rmSync(directory, { recursive: true });
  }
}

const guests = '/var/lib/guests';

/** `obeys`: its guest powers off at the power button, and says `!` in /var/lib/guests/NAME.log when it listens. Else there is none inside. */
function xmlOf(name: string, obeys: boolean): string {
  const disk = `<disk type='file' device='disk'><driver name='qemu' type='raw'/><source file='${guests}/${name}.img'/><target dev='vda' bus='virtio'/></disk>`;
  return `<domain type='qemu'>
  <name>${name}</name>
  <memory unit='MiB'>64</memory>
  <vcpu>1</vcpu>
  <memtune><hard_limit unit='MiB'>600</hard_limit></memtune>
  <cputune><shares>512</shares></cputune>
  <os><type arch='x86_64' machine='q35'>hvm</type></os>
  <features><acpi/></features>
  <devices>
    ${obeys ? disk : ''}
    <serial type='file'><source path='${guests}/${name}.log'/></serial>
  </devices>
</domain>
`;
}

const makeGuest = `cd ${guests}
printf %s "$2" | base64 -d > $1.img; truncate -s 1M $1.img; : > $1.log; chown domctl-qemu $1.img $1.log
printf %s "$3" > $1.xml; domctl define $1.xml`;

/** Defines a small machine. */
export async function defineGuest(lab: Lab, name: string, how: { readonly obeys: boolean }): Promise<void> {
  const disk = how.obeys ? buttonDisk().toString('base64') : '';
  await doIn(lab, `mkdir -p ${guests}; ${makeGuest}`, name, disk, xmlOf(name, how.obeys));
}

/** Whether the guest that obeys listens. */
export async function isListening(lab: Lab, name: string): Promise<boolean> {
  return (await tryIn(lab, 'grep', '-q', '!', `${guests}/${name}.log`)).code === 0;
}
