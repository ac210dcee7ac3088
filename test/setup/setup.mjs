/**
 * Brings a checkout from whatever it is to ready: tools, node_modules, addon, bundles; each only where it is not so
 * already. Owns what is needed and how it is got. Must not need anything but Node: it runs before all else is there.
 * `DOMCTL_SETUP=print` prints what the host lacks and installs none of it.
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  accessSync,
  constants,
  existsSync,
  openSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const checkout = fileURLToPath(new URL('../..', import.meta.url));
const own = fileURLToPath(import.meta.url);
const oldestNode = [20, 19];
const oldestQemu = [7, 2];
const lacksExit = 8;

/** What must be on PATH, and the Debian package that brings it. */
const tools = [
  { command: 'cc', package: 'g++' },
  { command: 'g++', package: 'g++' },
  { command: 'make', package: 'make' },
  { command: 'python3', package: 'python3' },
  { command: 'ip', package: 'iproute2' },
  { command: 'swtpm', package: 'swtpm' },
  { command: 'zsh', package: 'zsh' },
];

/** A sentence for the user, and an exit code: nothing here deserves a stack trace. */
class SetupError extends Error {
  constructor(message, exit = 1) {
    super(message);
    this.exit = exit;
  }
}

function say(line) {
  process.stdout.write(`setup: ${line}\n`);
}

function isOlder(version, floor) {
  const [major, minor] = version.split('.').map(Number);
  return major < floor[0] || (major === floor[0] && minor < floor[1]);
}

function isOnPath(command) {
  return (process.env.PATH ?? '').split(':').some((directory) => {
    try {
      accessSync(join(directory, command), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

/** Runs a step quietly; its output is shown only when it fails. */
function run(command, args, { exit = 1, env = {} } = {}) {
  const options = { cwd: checkout, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'], maxBuffer: Infinity };
  const result = spawnSync(command, args, { ...options, env: { ...process.env, ...env } });
  if (result.status === 0) return;
  const output = result.error?.message ?? `${result.stdout}${result.stderr}`;
  throw new SetupError(`${output.trimEnd()}\nsetup: failed: ${[command, ...args].join(' ')}`, exit);
}

function timed(what, step) {
  const start = performance.now();
  step();
  say(`${what} in ${((performance.now() - start) / 1000).toFixed(1)} s`);
}

function checkNode() {
  if (!isOlder(process.versions.node, oldestNode)) return;
  const wanted = oldestNode.join('.');
  throw new SetupError(
    `Node ${process.versions.node} is too old: install Node >= ${wanted} and run this again`,
    lacksExit,
  );
}

/** One setup at a time in a checkout. The lock is the kernel's, on this very file: it ends with the process. */
function takeLock() {
  const descriptor = openSync(own, 'r');
  const lock = (...options) => {
    return spawnSync('flock', [...options, '3'], { stdio: ['ignore', 'ignore', 'ignore', descriptor] });
  };
  const first = lock('-n');
  // Without flock(1), which every Debian has, nothing worse happens than two builds in each other's way.
  if (first.error || first.status === 0) return;
  say('waiting for another setup of this checkout');
  if (lock('-w', '1800').status !== 0) throw new SetupError('another setup of this checkout does not end');
}

/** Why QEMU will not do, or null. */
function qemuLack() {
  const { stdout, error } = spawnSync('qemu-system-x86_64', ['--version'], { encoding: 'utf8' });
  const wanted = `QEMU >= ${oldestQemu.join('.')}`;
  if (error) return `${wanted} (qemu-system-x86_64)`;
  const version = /version (\d+\.\d+)/.exec(stdout)?.[1];
  if (version !== undefined && !isOlder(version, oldestQemu)) return null;
  return `${wanted} (qemu-system-x86_64 is ${version ?? 'of unknown version'})`;
}

function findMissing() {
  const missing = tools.filter(({ command }) => !isOnPath(command)).map((tool) => ({ ...tool, what: tool.command }));
  const qemu = qemuLack();
  return qemu === null ? missing : [...missing, { what: qemu, package: 'qemu-system-x86' }];
}

/** The host's own tools: installs them where it may, else says how. Never touches apt's sources. */
function provideTools() {
  const missing = findMissing();
  if (missing.length === 0) return false;
  const packages = [...new Set(missing.map((each) => each.package))].join(' ');
  const line = `apt-get update && apt-get install -y --no-install-recommends ${packages}`;
  say(`missing: ${list(missing)}`);
  const mayInstall = process.getuid() === 0 && isOnPath('apt-get') && process.env.DOMCTL_SETUP !== 'print';
  if (!mayInstall) throw new SetupError(`install them as root and run this again: ${line}`, lacksExit);
  say(`running: ${line}`);
  timed(`installed ${packages}`, () => {
    run('/bin/sh', ['-c', line], { exit: lacksExit, env: { DEBIAN_FRONTEND: 'noninteractive' } });
  });
  const still = findMissing();
  if (still.length > 0) throw new SetupError(`still missing: ${list(still)}`, lacksExit);
  return true;
}

function list(missing) {
  return missing.map(({ what }) => what).join(', ');
}

function readLockfile(path) {
  return existsSync(path) ? JSON.parse(readFileSync(path, 'utf8')).packages : null;
}

/** npm writes down what it installed; that must be what the lockfile asks for, but for packages of other platforms. */
function isInstalled() {
  const installed = readLockfile(join(checkout, 'node_modules/.package-lock.json'));
  if (installed === null) return false;
  const { '': _root, ...wanted } = readLockfile(join(checkout, 'package-lock.json'));
  const right = Object.entries(wanted).every(([path, { version, integrity, optional, devOptional }]) => {
    const found = installed[path];
    return found ? found.version === version && found.integrity === integrity : Boolean(optional ?? devOptional);
  });
  return right && Object.keys(installed).every((path) => path in wanted);
}

function installPackages() {
  if (isInstalled()) return false;
  timed('installed node_modules', () => {
    run('npm', ['ci', '--ignore-scripts', '--include=dev', '--no-progress']);
  });
  return true;
}

/** Every file below these paths, in an order that does not depend on the file system. */
function filesBelow(paths) {
  return paths.flatMap((path) => {
    if (!statSync(join(checkout, path)).isDirectory()) return [path];
    const entries = readdirSync(join(checkout, path)).sort();
    return filesBelow(entries.map((name) => join(path, name)));
  });
}

function fingerprint(paths, facts = []) {
  const hash = createHash('sha256').update(JSON.stringify(facts));
  for (const path of filesBelow(paths)) {
    const content = readFileSync(join(checkout, path));
    hash.update(`\0${path}\0${content.length}\0`).update(content);
  }
  return hash.digest('hex');
}

/** Runs `build` unless its products are there with the stamp of these very inputs. The stamp is written last. */
function keepBuilt({ what, stamp, products, inputs, build }) {
  const stampFile = join(checkout, stamp);
  const isThere = [...products, stamp].every((path) => existsSync(join(checkout, path)));
  if (isThere && readFileSync(stampFile, 'utf8') === inputs) return false;
  timed(`built ${what}`, build);
  writeFileSync(stampFile, inputs);
  return true;
}

/** Headers that lie beside node spare node-gyp their download. */
function headersBesideNode() {
  const prefix = dirname(dirname(process.execPath));
  return existsSync(join(prefix, 'include/node/node.h')) ? [`--nodedir=${prefix}`] : [];
}

function buildAddon() {
  const nodeGyp = 'node_modules/node-gyp/bin/node-gyp.js';
  const addonApi = readLockfile(join(checkout, 'package-lock.json'))['node_modules/node-addon-api'].version;
  return keepBuilt({
    what: 'the addon',
    stamp: 'native/build/inputs.sha256',
    products: ['domctl_native.node', 'libasyncteardown.so', 'domctl-brake'].map(
      (name) => `native/build/Release/${name}`,
    ),
    inputs: fingerprint(
      ['native/binding.gyp', 'native/guard', 'native/src', 'native/teardown'],
      [process.version, process.arch, addonApi],
    ),
    build: () => {
      const args = ['rebuild', '--directory', 'native', '--jobs', 'max', ...headersBesideNode()];
      run(process.execPath, [nodeGyp, ...args]);
    },
  });
}

function buildBundles() {
  const sources = [
    'lib',
    'cgroups',
    'native/index.ts',
    'native/built.ts',
    'native/guard.ts',
    'native/preload.ts',
    'package.json',
    'package-lock.json',
    'test/setup/build.mjs',
    'test/setup/code-cache.mjs',
  ];
  return keepBuilt({
    what: 'the bundles',
    stamp: 'dist/inputs.sha256',
    products: ['domctl', 'cli', 'doctor', 'policy', 'convert', 'simulation', 'daemon', 'domctld']
      .map((name) => `dist/${name}.cjs`)
      .concat('dist/cli.cjs.cache', 'dist/daemon.cjs.cache', 'dist/man/domctl.1'),
    // What every start loads is kept as this Node compiled it.
    inputs: fingerprint(sources, [process.version, process.arch]),
    build: () => run(process.execPath, ['test/setup/build.mjs']),
  });
}

try {
  checkNode();
  takeLock();
  const done = [provideTools, installPackages, buildAddon, buildBundles].map((step) => step());
  if (!done.includes(true)) say('nothing to do');
} catch (error) {
  if (!(error instanceof SetupError)) throw error;
  process.stderr.write(`setup: ${error.message}\n`);
  process.exitCode = error.exit;
}
