/** The demo's hands: places of its own, the `domctl` program, the holder, and the counting at the end. */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const program = fileURLToPath(new URL('../../dist/domctl.cjs', import.meta.url));
const holderProgram = fileURLToPath(new URL('../fixtures/programs/ram-holder.mjs', import.meta.url));
const nobody = 65534;

export function say(line) {
  process.stdout.write(`${line}\n`);
}

export function title(text) {
  say(`\n== ${text}`);
}

/** An end with an exit code of its own, already explained. */
class Exit extends Error {
  /** `labHelps`: it is for lack of something that a lab has. */
  constructor(exit, { labHelps = false } = {}) {
    super(`exit ${exit}`);
    this.exit = exit;
    this.labHelps = labHelps;
  }
}

export class Host {
  #directory = null;
  #holder = null;
  #lines = null;

  /** Less than `bytes` available: says so and exits 8, the code for a host that lacks something. */
  requireMemory(bytes) {
    const available = Number(/^MemAvailable:\s+(\d+) kB$/m.exec(readFileSync('/proc/meminfo', 'utf8'))?.[1]) * 1024;
    if (available >= bytes) return;
    console.error(
      `error: the demo needs ${this.size(bytes)} of available memory, this host has ${this.size(available)}`,
    );
    throw new Exit(8);
  }

  /** Directories, a host.yaml and a cgroup root of the demo's own; nothing of the host's configuration is read. */
  prepare() {
    this.#directory = mkdtempSync(join(tmpdir(), 'domctl-demo-'));
    chmodSync(this.#directory, 0o755);
    mkdirSync(join(this.#directory, 'etc'));
    writeFileSync(join(this.#directory, 'etc/host.yaml'), 'kind: host\nversion: 1\nsecurity:\n  user: nobody\n');
    say(`Places of this demo: ${this.#directory}, cgroup root ${this.#cgroupRoot}`);
    process.once('SIGINT', () => void this.cleanUp().then(() => process.exit(130)));
  }

  /** Runs domctl, shows command, output and time; throws unless it ends as expected. */
  domctl(args, { exit = 0, expect = null } = {}) {
    say(`$ domctl ${args.join(' ').replaceAll(`${this.#directory}/`, '')}`);
    const began = performance.now();
    const result = this.#run(args);
    const ms = Math.round(performance.now() - began);
    const output = result.stdout + result.stderr;
    say(`${output}  (exit ${result.status}, ${ms} ms)`);
    if (result.status === 8 && exit !== 8) throw new Exit(8, { labHelps: true });
    if (result.status !== exit) throw new Error(`domctl ${args.join(' ')}: exit ${result.status}, expected ${exit}`);
    if (expect && !expect.test(output)) throw new Error(`domctl ${args.join(' ')}: output does not match ${expect}`);
    return output;
  }

  /** The JSON answer of a command, unseen. */
  json(args) {
    const result = this.#run([...args, '--json']);
    if (result.status !== 0) throw new Error(`domctl ${args.join(' ')}: ${result.stderr}`);
    return JSON.parse(result.stdout);
  }

  check(holds, what) {
    if (!holds) throw new Error(`not true: ${what}`);
    say(`  checked: ${what}`);
  }

  size(bytes) {
    return `${(bytes / 1024 ** 3).toFixed(1)} GiB`;
  }

  /** Writes the XML of a domain with 1 GiB of touched shared memory; with a disk, its image belongs to the hypervisor's user. */
  domainFile(name, { disk }) {
    const image = join(this.#directory, `${name}.img`);
    writeFileSync(image, '');
    truncateSync(image, 64 * 1024 ** 2);
    chownSync(image, nobody, nobody);
    const device = `<disk type='file' device='disk'><driver name='qemu' type='raw'/><source file='${image}'/><target dev='vda' bus='virtio'/></disk>`;
    const file = join(this.#directory, `${name}.xml`);
    writeFileSync(
      file,
      `<domain type='qemu'>
  <name>${name}</name>
  <memory unit='GiB'>1</memory>
  <vcpu>1</vcpu>
  <memoryBacking><source type='memfd'/><access mode='shared'/><allocation mode='immediate'/></memoryBacking>
  <os><type arch='x86_64' machine='q35'>hvm</type></os>
  <features><acpi/></features>
  <devices>${disk ? device : ''}</devices>
</domain>
`,
    );
    return file;
  }

  get holderPid() {
    return this.#holder.pid;
  }

  /** Starts the holder on a hypervisor's memory; resolves with the bytes it holds. */
  async startHolder(pid) {
    this.#holder = spawn(process.execPath, [holderProgram, String(pid)], { stdio: ['pipe', 'pipe', 'inherit'] });
    this.#lines = createInterface({ input: this.#holder.stdout })[Symbol.asyncIterator]();
    const line = await this.#nextLine('holding ');
    return Number(line.slice('holding '.length));
  }

  async releaseHolder() {
    say('  the holder is asked to let go');
    this.#holder.stdin.write('go\n');
    await this.#nextLine('released');
    this.#holder = null;
  }

  /** `domctl drain` beside the rest; resolves with its first line, and a promise of all it prints until it ends. */
  async watchDrain(domain) {
    say(`$ domctl drain ${domain}`);
    const child = spawn(process.execPath, [program, 'drain', domain], {
      env: this.#environment(),
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let text = '';
    child.stdout.on('data', (chunk) => {
      text += chunk;
      process.stdout.write(chunk);
    });
    const all = once(child, 'close').then(() => text);
    await Promise.race([once(child.stdout, 'data'), all]);
    return { first: text, all };
  }

  async killDaemon() {
    const { pid } = this.json(['version']).daemon;
    process.kill(pid, 'SIGKILL');
    say(`  SIGKILL to domctld (pid ${pid})`);
  }

  isAlive(pid) {
    try {
      return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
    } catch {
      return false;
    }
  }

  /** Counts what an end must not leave: processes, cgroups of both versions, runtime files. */
  checkNothingLeft() {
    const processes = this.#processes();
    this.check(processes.length === 0, `processes that name the demo's directory: ${processes.length}`);
    const cgroups = this.#cgroups();
    this.check(cgroups.length === 0, `cgroups of the demo: ${cgroups.length}`);
    const runtime = join(this.#directory, 'run/incarnations');
    const files = existsSync(runtime) ? readdirSync(runtime) : [];
    this.check(files.length === 0, `runtime files of incarnations: ${files.length}`);
    const definitions = readdirSync(join(this.#directory, 'state/domains'));
    this.check(definitions.length === 0, `definitions: ${definitions.length}`);
  }

  /** Ends what the demo started, and only that, however far it came. */
  async cleanUp() {
    this.#holder?.kill('SIGKILL');
    if (this.#directory === null) return;
    for (const pid of this.#processes()) killUnlessGone(pid);
    while (this.#processes().length > 0) await new Promise(setImmediate);
    // A cgroup stays busy for a moment after its last process died.
    const deadline = performance.now() + 10_000;
    while (this.#cgroups().length > 0 && performance.now() < deadline) spawnSync('rmdir', this.#cgroups().toReversed());
    rmSync(this.#directory, { recursive: true, force: true });
    this.#directory = null;
  }

  get #cgroupRoot() {
    return `/domctl-demo-${process.pid}`;
  }

  #environment() {
    const at = (name) => join(this.#directory, name);
    return {
      ...process.env,
      DOMCTL_CONFIG_DIR: at('etc'),
      DOMCTL_STATE_DIR: at('state'),
      DOMCTL_RUNTIME_DIR: at('run'),
      DOMCTL_LOG_DIR: at('log'),
      DOMCTL_CGROUP_ROOT: this.#cgroupRoot,
    };
  }

  #run(args) {
    return spawnSync(process.execPath, [program, ...args], { env: this.#environment(), encoding: 'utf8' });
  }

  async #nextLine(start) {
    const { value, done } = await this.#lines.next();
    if (done || !value.startsWith(start))
      throw new Error(`the holder said ${JSON.stringify(value)}, expected '${start}'`);
    return value;
  }

  /** Live processes whose command line or environment names the demo's directory: hypervisors and the daemon. */
  #processes() {
    return readdirSync('/proc')
      .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid && this.isAlive(Number(name)))
      .filter((name) => this.#mentions(`/proc/${name}/cmdline`) || this.#mentions(`/proc/${name}/environ`))
      .map(Number);
  }

  #mentions(path) {
    try {
      return readFileSync(path, 'latin1').includes(this.#directory);
    } catch {
      return false;
    }
  }

  /** Directories of the demo's cgroup root in every cgroup mount, parents first. */
  #cgroups() {
    const mounts = readFileSync('/proc/self/mountinfo', 'utf8')
      .split('\n')
      .filter((line) => / - cgroup2? /.test(line))
      .map((line) => line.split(' ')[4]);
    return mounts.flatMap((mount) => listTree(join(mount, this.#cgroupRoot)));
  }
}

function killUnlessGone(pid) {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if (error.code !== 'ESRCH') throw error;
  }
}

function listTree(directory) {
  if (!existsSync(directory)) return [];
  const below = readdirSync(directory, { withFileTypes: true }).filter((entry) => entry.isDirectory());
  return [directory, ...below.flatMap((entry) => listTree(join(directory, entry.name)))];
}
