/** domctl in a lab: a host of its own whose definitions, journal and events are on the scratch disk, and survive it. */
import { join } from 'node:path';
import { type DomainSpec, domainXml } from '../e2e/domains.ts';
import { findQemus } from '../setup/qemus.ts';
import { type Ended, runIn, shellIn } from './commands.ts';
import type { Lab } from './machine.ts';
import { checkout } from './shown.ts';

const program = join(checkout, 'dist/domctl.cjs');

/** Below the cgroup2 mount. */
export const cgroupRoot = '/domctl-lab';

/** Where domctl keeps things: for ever in `/scratch`, for this boot in `/run`, a tmpfs. */
export const environment = {
  DOMCTL_CONFIG_DIR: '/scratch/etc',
  DOMCTL_STATE_DIR: '/scratch/state',
  DOMCTL_LOG_DIR: '/scratch/log',
  DOMCTL_RUNTIME_DIR: '/run/domctl-lab',
  DOMCTL_CGROUP_ROOT: cgroupRoot,
};

/** Runs domctl in the lab to its end, whatever that is; `through` is a program that runs it. */
export async function domctlIn(lab: Lab, args: readonly string[], through: readonly string[] = []): Promise<Ended> {
  return runIn(lab, [...through, process.execPath, program, ...args], { env: { ...process.env, ...environment } });
}

/** Its standard output; it must end with 0. */
export async function okIn(lab: Lab, ...args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await domctlIn(lab, args);
  if (code === 0) return stdout;
  const log = await shellIn(lab, `tail -n 40 ${environment.DOMCTL_LOG_DIR}/domctld.log`);
  throw new Error(`domctl ${args.join(' ')}: exit ${code}\n${stdout}${stderr}${log.stdout}`);
}

/** Its JSON answer, as the contract types it. */
export async function jsonIn<Answer>(lab: Lab, ...args: readonly string[]): Promise<Answer> {
  return JSON.parse(await okIn(lab, ...args, '--json')) as Answer;
}

/** Hypervisors run as nobody, and of a lab's memory little is kept from them. */
function hostYaml(policies: readonly string[]): string {
  const allowed = ['strict', 'balanced', 'restart-first', ...policies].join(', ');
  return `kind: host
version: 1
allowedPolicies: [${allowed}]
security: {user: nobody}
overhead: {fixed: 32MiB}
`;
}

/** The configuration of such a host, with policies of its own by their names. */
export async function configure(lab: Lab, policies: Readonly<Record<string, string>> = {}): Promise<void> {
  await write(lab, `${environment.DOMCTL_CONFIG_DIR}/host.yaml`, hostYaml(Object.keys(policies)));
  for (const [name, text] of Object.entries(policies))
    await write(lab, `${environment.DOMCTL_CONFIG_DIR}/policies/${name}.yaml`, text);
}

/** Defines a small machine; it has no disk unless `spec` says so. */
export async function defineIn(lab: Lab, name: string, spec: Partial<DomainSpec> = {}): Promise<void> {
  const qemus = await findQemus();
  const emulator = qemus.find((qemu) => qemu.emulator !== null)?.emulator ?? null;
  const file = `/scratch/${name}.xml`;
  await write(lab, file, domainXml({ name, emulator, ...spec }));
  await okIn(lab, 'define', file);
}

async function write(lab: Lab, path: string, text: string): Promise<void> {
  const script = 'mkdir -p "$(dirname "$1")" && printf %s "$2" > "$1"';
  const { code, stderr } = await runIn(lab, ['sh', '-c', script, 'sh', path, text]);
  if (code !== 0) throw new Error(`${path}: ${stderr}`);
}
