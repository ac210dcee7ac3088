/** A daemon of a benchmark's own, ended and swept with it. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Client } from '../../lib/client/client.ts';
import { isAlive, removeTree } from '../e2e/facts.ts';
import { atEnd } from './ending.ts';
import { until } from './teardown/contender.ts';

const program = fileURLToPath(new URL('../../dist/domctl.cjs', import.meta.url));
let started = 0;

export interface Daemon {
  readonly client: Client;
  readonly pid: number;
  /** All of its files are below; every process of it has that in its arguments or environment. */
  readonly directory: string;
  readonly runtimeDir: string;
  readonly socket: string;
  readonly cgroupRoot: string;
  /** Destroys what still lives and ends the daemon; nothing of it is left but its directory. Once is enough. */
  close(): Promise<void>;
}

/** In places below `directory`. `host` and `policies`: keys of their files, beside those that each must have. */
export async function startDaemon(
  directory: string,
  { host = {}, policies = {} }: { readonly host?: object; readonly policies?: Readonly<Record<string, object>> } = {},
): Promise<Daemon> {
  started += 1;
  const at = (name: string): string => join(directory, name);
  const cgroupRoot = `/domctl-bench-${process.pid}-${started}`;
  mkdirSync(at('etc/policies'), { recursive: true });
  const allowedPolicies = [...Object.keys(policies), 'balanced'];
  const hostFile = { kind: 'host', version: 1, security: { user: 'nobody' }, allowedPolicies, ...host };
  writeFileSync(at('etc/host.yaml'), JSON.stringify(hostFile));
  for (const [name, keys] of Object.entries(policies)) {
    const policy = { kind: 'policy', version: 1, name, description: 'of the benchmark', extends: 'balanced', ...keys };
    writeFileSync(at(`etc/policies/${name}.yaml`), JSON.stringify(policy));
  }
  const places = { CONFIG: 'etc', STATE: 'state', RUNTIME: 'run', LOG: 'log', PROMISES: 'promises' };
  const variables = Object.entries(places).map(([name, place]) => [`DOMCTL_${name}_DIR`, at(place)] as const);
  const env = { ...process.env, ...Object.fromEntries(variables), DOMCTL_CGROUP_ROOT: cgroupRoot };
  const { status, stderr } = spawnSync(process.execPath, [program, 'daemon', 'start'], { env, encoding: 'utf8' });
  if (status !== 0) throw new Error(`domctl daemon start: ${stderr}`);
  const socket = at('run/domctld.sock');
  const client = new Client(socket);
  const { pid } = await client.version();
  let open = true;
  const close = async (): Promise<void> => {
    if (!open) return;
    open = false;
    const live = (await client.list()).filter(({ state }) => state !== 'shut off');
    await Promise.all(live.map(async ({ name }) => client.destroy(name, { wait: 'off' })));
    await client.stopDaemon();
    await until('the daemon has ended, and its cgroups are gone', () => !isAlive(pid) && removeTree(cgroupRoot));
  };
  atEnd(close);
  return { client, pid, directory, runtimeDir: at('run'), socket, cgroupRoot, close };
}
