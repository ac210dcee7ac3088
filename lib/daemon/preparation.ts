/** What a start needs from the host, found out before anything is changed: policy, emulator, user, limits, resources. */
import { access } from 'node:fs/promises';
import type { AdmissionClass } from '../admission/decision.ts';
import { promisedBytes } from '../admission/ledger.ts';
import type { Claim, ClaimHolder } from '../domain/claims.ts';
import type { Domain } from '../domain/definition.ts';
import { holdsMemory } from '../domain/hostdev.ts';
import { memoryByPages } from '../domain/huge-pages.ts';
import type { HelperKind } from '../domain/incarnation.ts';
import { DomctlError, isErrno } from '../errors.ts';
import { ensureVariables, resolveFirmware } from '../host/firmware.ts';
import { readMemoryNodes, readOnlineCpus } from '../host/inventory.ts';
import { processorVendor } from '../host/processor.ts';
import { findHostdevs } from '../host/hostdevs.ts';
import { type Need, planLoans } from '../host/loans.ts';
import { claimTpm } from '../host/tpm.ts';
import { lackingShared } from '../host/shared-memory.ts';
import { ensureStore } from '../host/stores.ts';
import { requireVsock } from '../host/vsock.ts';
import { requireNetwork } from '../host/taps.ts';
import { takesPreload, type TeardownRule } from '../host/teardown.ts';
import { nvramPath } from '../host/nvram.ts';
import { firstExecutable } from '../host/programs.ts';
import { findGroup, findUser } from '../host/users.ts';
import type { Log } from '../log.ts';
import type { Places } from '../places.ts';
import { loadPolicy } from '../policy/load.ts';
import type { HostConfig, Loaded, Policy } from '../policy/types.ts';
import { type Capabilities, probeCapabilities } from '../qemu/capabilities.ts';
import { emulatorDeadlineMs, idle } from '../qemu/interrogate.ts';
import type { HypervisorUser } from './birth.ts';
import { requireCompanions } from './companions.ts';
import { policyPlaces, readHostConfig } from './host-config.ts';

import type { LaunchPlan } from './launcher.ts';
import { requireLimits } from './limits.ts';
import { findShortage, requireNodes } from './memory-places.ts';
import {
  chooseCid,
  choosePorts,
  claimResources,
  findTaken,
  requireUnprivilegedPorts,
  type TakenResource,
} from './resources.ts';
import type { Services } from './supervisor.ts';
import { requireCpus } from './tuning.ts';

export interface Preparation {
  readonly domain: Domain;
  readonly host: Loaded<HostConfig>;
  readonly policy: Loaded<Policy>;
  readonly capabilities: Capabilities;
  readonly user: HypervisorUser | null;
  readonly claims: readonly Claim[];
  /** What another program had when it was looked at, and who, if it could be seen. */
  readonly taken: readonly TakenResource[];
  /** Ports chosen for graphics that name none, by their index; see `withPorts`. */
  readonly vncPorts: ReadonlyMap<number, number>;
  /** Nodes of USB and SCSI devices of the host, by their index in the definition. */
  readonly deviceNodes: ReadonlyMap<number, string>;
  /** null: the machine's own BIOS. */
  readonly firmware: LaunchPlan['firmware'];
  /** Huge pages are missing: MEMORY_SHORT; time may lift it. */
  readonly shortage: DomctlError | null;
  readonly promisedBytes: number;
  /** Of the promise, what files that guests share still lack: taken at launch, and the host's from then on. */
  readonly sharedBytes: number;
  /** Of the promise, the hypervisor's own. */
  readonly overheadBytes: number;
  readonly class: AdmissionClass;
  readonly helper: HelperKind;
  readonly teardown: TeardownRule;
}

/** Where an emulator is looked for when the definition names none. */
const usualEmulators = ['/usr/bin/qemu-system-x86_64', '/usr/libexec/qemu-kvm', '/usr/bin/qemu-kvm'];

/** Likewise for machines of 32 bits. */
const smallEmulators = ['/usr/bin/qemu-system-i386'];

/**
 * Throws INVALID_POLICY, POLICY_FORBIDS or HOST_LACKS; changes nothing, but makes a guest's UEFI variables and its store of
 * errors where there are none.
 */
export async function prepare(domain: Domain, { places, log, root }: Services): Promise<Preparation> {
  const host = await readHostConfig(places);
  requireCommandline(domain, host.value);
  const policy = await choosePolicy(domain, host.value, places);
  const user = await chooseUser(domain, host.value, log);
  const asking = { deadlineMs: emulatorDeadlineMs, user: user && { uid: user.uid, gid: user.gid } };
  const capabilities = await probeCapabilities(await findEmulator(domain), `${places.stateDir}/capabilities`, asking);
  if (domain.type === 'kvm') await requireKvm();
  await requireLimits(domain, root);
  requireCpus(domain.cputune, readOnlineCpus());
  requireVendor(domain, processorVendor());
  requireNodes(domain, readMemoryNodes());
  requireNetwork(domain.interfaces);
  await requireCompanions(domain);
  await requireBootFiles(domain);
  const firmware = await resolveFirmware(domain, nvramPath(domain, places.stateDir));
  // The guest's variables are claimed as the file they are: there must be one.
  if (firmware) await ensureVariables(firmware, user);
  if (domain.pstore !== null) await ensureStore(domain.pstore, user);
  if (domain.vsock !== null) await requireVsock();
  const passed = findHostdevs(domain.hostdevs, user);
  const own = await claimResources(domain, variablesOf(firmware));
  const claims = [...own, ...passed.claims, ...(await claimTpm(domain.tpm))];
  if (user) await planLoans(needOf(domain, claims, { user, places }));
  requireUnprivilegedPorts(claims, user === null && process.getuid?.() === 0);
  const { ordinaryBytes } = memoryByPages(domain);
  const sharedBytes = await lackingShared(domain.shmems);
  const overheadBytes = promisedBytes({ ...domain, inHugePages: true }, host.value.overhead);
  return {
    domain,
    host,
    policy,
    capabilities,
    user,
    claims,
    taken: await findTaken(claims),
    vncPorts: new Map(),
    deviceNodes: passed.deviceNodes,
    firmware,
    shortage: findShortage(domain),
    promisedBytes: overheadBytes + ordinaryBytes + sharedBytes,
    sharedBytes,
    overheadBytes,
    class: sharedBytes > 0 ? 'eager' : admissionClass(domain, ordinaryBytes),
    helper: await chooseHelper(domain, policy.value, { capabilities, user }),
    teardown: policy.value.teardown,
  };
}

/**
 * With ports for graphics that name none, and a number for a vsock without one; whoever calls keeps others from choosing
 * at the same time. Throws HOST_LACKS.
 */
export async function withPorts(preparation: Preparation, holders: readonly ClaimHolder[]): Promise<Preparation> {
  const { vncPorts, claims } = await choosePorts(preparation.domain, preparation.claims, holders);
  const cid = chooseCid(preparation.domain, holders);
  return { ...preparation, vncPorts, claims: [...preparation.claims, ...claims, ...(cid === null ? [] : [cid])] };
}

function variablesOf(firmware: LaunchPlan['firmware']): string | null {
  return firmware?.vars ?? null;
}

/** eager: its whole size is needed at once. */
function admissionClass({ memoryBacking, memoryBytes, hostdevs }: Domain, ordinaryBytes: number): AdmissionClass {
  const inPool = ordinaryBytes < memoryBytes;
  const held = memoryBacking.locked || holdsMemory(hostdevs);
  return memoryBacking.allocation === 'immediate' || inPool || held ? 'eager' : 'lazy';
}

/** The policy the XML names, if the host allows it, else the host's default. */
async function choosePolicy(domain: Domain, host: HostConfig, places: Places): Promise<Loaded<Policy>> {
  const name = domain.policy ?? host.defaultPolicy;
  if (domain.policy !== null && !host.allowedPolicies.includes(name)) {
    throw new DomctlError(
      'POLICY_FORBIDS',
      `domain '${domain.name}' names policy '${name}', which this host does not allow`,
      {
        hint: `allowed: ${host.allowedPolicies.join(', ')} (host.yaml: allowedPolicies)`,
      },
    );
  }
  return loadPolicy(name, policyPlaces(places));
}

/** Options that domctl does not know may undo all that it proves: the operator says whether there may be any. */
function requireCommandline({ name, qemuCommandline }: Domain, { security }: HostConfig): void {
  if (qemuCommandline === null || security.allowQemuCommandline) return;
  throw new DomctlError('POLICY_FORBIDS', `domain '${name}' has a <qemu:commandline>, which this host does not allow`, {
    hint: 'remove it, or set security.allowQemuCommandline: true in host.yaml',
  });
}

async function findEmulator(domain: Domain): Promise<string> {
  if (domain.emulator !== null) return domain.emulator;
  const found = await firstExecutable(domain.os.arch === 'i686' ? smallEmulators : usualEmulators);
  if (found !== null) return found;
  throw new DomctlError('HOST_LACKS', 'no QEMU found on this host', {
    hint: 'apt-get install --no-install-recommends qemu-system-x86',
  });
}

async function requireKvm(): Promise<void> {
  await access('/dev/kvm').catch((error: unknown) => {
    throw new DomctlError('HOST_LACKS', "this host has no /dev/kvm, which <domain type='kvm'> needs", {
      hint: "load kvm_intel or kvm_amd and enable virtualization in the firmware, or use <domain type='qemu'>",
      cause: error,
    });
  });
}

/** The hypervisor's user by host.yaml when the daemon is root; null: our own. */
async function chooseUser(domain: Domain, host: HostConfig, log: Log): Promise<HypervisorUser | null> {
  if (process.getuid?.() !== 0) return null;
  const { user: name, allowRootHypervisor } = host.security;
  const user = await findUser(name);
  if (user && user.uid !== 0) return { ...user, groups: domain.type === 'kvm' ? await kvmGroups() : [] };
  if (allowRootHypervisor) {
    log.warn(
      { domain: domain.name },
      `hypervisor runs as root: user '${name}' is missing and allowRootHypervisor is true`,
    );
    return null;
  }
  if (user)
    throw new DomctlError('HOST_LACKS', `security.user '${name}' is root`, {
      hint: 'name another user in host.yaml, or set security.allowRootHypervisor: true',
    });
  throw new DomctlError('HOST_LACKS', `the hypervisor's user '${name}' does not exist on this host`, {
    hint: `make it: useradd --system --no-create-home --shell /usr/sbin/nologin ${name}; or set security.user in host.yaml`,
  });
}

async function kvmGroups(): Promise<number[]> {
  const gid = await findGroup('kvm');
  return gid === null ? [] : [gid];
}

/** With KVM a guest may be told that its processor is of one maker only where it is. Throws HOST_LACKS. */
export function requireVendor({ type, cpu }: Domain, vendor: string | null): void {
  const wanted = cpu?.vendor ?? null;
  if (type !== 'kvm' || wanted === null || wanted === vendor) return;
  throw new DomctlError(
    'HOST_LACKS',
    `<cpu> wants a processor of ${wanted}, this host has one of ${vendor ?? 'nobody'}`,
    {
      hint: 'remove <vendor>, or choose another host',
    },
  );
}

/** Files of the host that the hypervisor's user must be able to use. */
export function needOf(
  { os }: Domain,
  claims: readonly Claim[],
  { user, places }: { readonly user: HypervisorUser; readonly places: Places },
): Need {
  const read = [os.kernel, os.initrd, ...os.acpiTables.map(({ path }) => path)].filter((path) => path !== null);
  const { configDir, stateDir, runtimeDir, logDir } = places;
  return { claims, read, account: user, ours: [configDir, stateDir, runtimeDir, logDir] };
}

async function requireBootFiles(domain: Domain): Promise<void> {
  for (const [use, path] of [
    ['kernel', domain.os.kernel],
    ['initrd', domain.os.initrd],
    ...domain.os.acpiTables.map((table) => ['ACPI table', table.path] as const),
  ] as const) {
    if (path === null) continue;
    await access(path).catch((error: unknown) => {
      const why = isErrno(error, 'ENOENT') ? 'does not exist' : 'cannot be read';
      throw new DomctlError('HOST_LACKS', `${path} (${use}) ${why}`, { details: { path }, cause: error });
    });
  }
}

/**
 * What gives the memory back, where policy, definition and size want a helper: ours where the emulator takes it, else
 * QEMU's own. Throws HOST_LACKS for a named one that is not there.
 */
async function chooseHelper(
  domain: Domain,
  { teardown: { helper, minimumSizeBytes } }: Policy,
  { capabilities, user }: { capabilities: Capabilities; user: HypervisorUser | null },
): Promise<HelperKind> {
  const wanted = domain.features.asyncTeardown !== false && helper !== 'none' && domain.memoryBytes >= minimumSizeBytes;
  if (!wanted) return 'none';
  const { emulator, version, asyncTeardown } = capabilities;
  const credentials = user && { uid: user.uid, gid: user.gid };
  const trial = { emulator, idle, user: credentials, deadlineMs: emulatorDeadlineMs };
  if (helper !== 'qemu' && (await takesPreload(trial))) return 'preload';
  if (helper === 'preload')
    throw noHelper('preload', `${emulator} does not load it, or gets no sandboxed helper by it`);
  if (asyncTeardown !== null) return 'qemu';
  if (helper === 'qemu') throw noHelper('qemu', `QEMU ${version} has no async teardown`);
  return 'none';
}

function noHelper(name: string, why: string): DomctlError {
  return new DomctlError('HOST_LACKS', `policy asks for teardown.helper: ${name}, but ${why}`, {
    hint: 'set teardown.helper: auto in the policy',
  });
}
