/** One start of a hypervisor in a network of its own, to its greeting and its end. */
import { execPath } from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';
import { quit, ready } from '../../lib/qemu/commands.ts';
import { QmpClient } from '../../lib/qemu/qmp.ts';
import { patient } from '../setup/slowness.ts';
import { contain, type Contained, type Containment } from './contained.ts';

export interface Attempt {
  readonly emulator: string;
  readonly argv: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  /** Where `argv` has the control connection. */
  readonly qmpSocket: string;
  /** TCP ports of that network on which somebody listens. */
  readonly ports: readonly number[];
  readonly descriptors: Containment['descriptors'];
}

/** The addresses of hosts in definitions that QEMU listens on. */
const addresses = ['192.168.0.1'];

const network = ['ip link set lo up', ...addresses.map((each) => `ip address add ${each}/32 dev lo`)].join(' && ');

/** Listens, and runs the rest of its command line to its end. */
const listener = `
  const [ports, program, ...args] = process.argv.slice(1);
  const { createServer } = require('node:net');
  const up = JSON.parse(ports).map((port) => new Promise((done) => createServer().listen(port, done)));
  Promise.all(up).then(() => {
    require('node:child_process').spawn(program, args, { stdio: 'inherit' }).on('exit', (code) => process.exit(code ?? 1));
  });`;

/** What QEMU says of one that is as its definition has it: of TCG in KVM's place, of old boards, of a TPM that is hardly one. */
const expected = new RegExp(
  [
    "warning: TCG doesn't support requested feature",
    'warning: Machine type .* is deprecated',
    'warning: netdev channel\\d has no peer',
    "This family of AMD CPU doesn't support hyperthreading",
    'Please configure -smp options properly',
    'Got unexpected response to TPM2_GetCapability',
  ].join('|'),
);

/** null: it came up held before its first instruction, and ended as it was told. Else what QEMU said. */
export async function startAndQuit(attempt: Attempt): Promise<string | null> {
  const { emulator, argv, environment, qmpSocket, ports, descriptors = [] } = attempt;
  const listening = ports.length === 0 ? [] : [execPath, '-e', listener, JSON.stringify(ports)];
  const command = ['sh', '-c', `${network} && exec "$@"`, 'sh', ...listening, emulator, ...argv];
  const hypervisor = contain(command, { options: ['--net'], environment, descriptors });
  try {
    return await greet(hypervisor, qmpSocket);
  } finally {
    hypervisor.process.kill('SIGKILL');
    await hypervisor.exited;
  }
}

async function greet({ exited, said }: Contained, qmpSocket: string): Promise<string | null> {
  const ended = new AbortController();
  void exited.then(() => ended.abort(new Error('the hypervisor ended')));
  const how = { deadlineMs: patient(60_000), signal: ended.signal, onEvent: () => undefined };
  const client = await QmpClient.connect(qmpSocket, how).catch(() => null);
  if (client === null) {
    // Its control connection ends before it does, and so before its last word.
    await Promise.race([exited, sleep(patient(10_000), null, { ref: false })]);
    return said() || 'nothing was said';
  }
  try {
    const { status } = await ready(client);
    if (status !== 'prelaunch') return `it came up as ${status}`;
    await quit(client);
    const code = await exited;
    const words = said()
      .split('\n')
      .filter((line) => line !== '' && !expected.test(line));
    return code === 0 && words.length === 0 ? null : `started, ended with ${String(code)}: ${words.join('\n')}`;
  } finally {
    client.close();
  }
}
