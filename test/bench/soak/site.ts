/** A daemon of the soak's own, with a hypervisor that weighs nothing; ended and swept with it. */
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Client } from '../../../lib/client/client.ts';
import { removeTree } from '../../e2e/facts.ts';
import { buildLightQemu } from '../../setup/light-qemu.ts';
import { until } from '../teardown/contender.ts';
import { atEnd } from '../teardown/ending.ts';
import type { Site } from './census.ts';

const program = fileURLToPath(new URL('../../../dist/domctl.cjs', import.meta.url));
let sites = 0;

export interface SoakSite extends Site {
  readonly light: string;
  /** Ends the daemon, whose domains are shut off, and removes all of it. */
  close(): Promise<void>;
}

/** Domains are promised what they need and little more: so many fit. */
const hostYaml = {
  kind: 'host',
  version: 1,
  security: { user: 'nobody' },
  overhead: { fixed: '80MiB', perVcpu: '8MiB', memory: '0.2%' },
};

/** `qemu` is what the light hypervisor is when it is asked what it can do. */
export async function openSite(qemu: string): Promise<SoakSite> {
  sites += 1;
  const directory = mkdtempSync(join(realpathSync(tmpdir()), 'soak-'));
  chmodSync(directory, 0o755);
  const at = (name: string): string => join(directory, name);
  const cgroupRoot = `/domctl-soak-${process.pid}-${sites}`;
  mkdirSync(at('etc'));
  writeFileSync(at('etc/host.yaml'), JSON.stringify(hostYaml));
  buildLightQemu(at('light'), qemu);
  const places = { CONFIG: 'etc', STATE: 'state', RUNTIME: 'run', LOG: 'log', PROMISES: 'promises' };
  const variables = Object.entries(places).map(([name, place]) => [`DOMCTL_${name}_DIR`, at(place)] as const);
  const env = { ...process.env, ...Object.fromEntries(variables), DOMCTL_CGROUP_ROOT: cgroupRoot };
  const { status, stderr } = spawnSync(process.execPath, [program, 'daemon', 'start'], { env, encoding: 'utf8' });
  if (status !== 0) throw new Error(`domctl daemon start: ${stderr}`);
  const client = new Client(at('run/domctld.sock'));
  const { pid: daemonPid } = await client.version();
  let open = true;
  const close = async (): Promise<void> => {
    if (!open) return;
    open = false;
    const live = (await client.list()).filter(({ state }) => state !== 'shut off');
    await Promise.all(live.map(async ({ name }) => client.destroy(name, { wait: 'off' })));
    await client.stopDaemon();
    await until('the daemon has ended, and its cgroups are gone', () => removeTree(cgroupRoot));
    rmSync(directory, { recursive: true });
  };
  atEnd(close);
  return { client, directory, runtimeDir: at('run'), cgroupRoot, daemonPid, light: at('light'), close };
}
