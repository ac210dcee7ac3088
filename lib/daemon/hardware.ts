/** A domain's disks and network cards, what it runs with or its definition, and the memory its guest is given. */
import type { BlockRow, InterfaceRow, MemoryAnswer } from '../client/hardware.ts';
import type { Domain } from '../domain/definition.ts';
import type { Disk, Interface } from '../domain/devices.ts';
import { nameOf } from '../domain/disk-source.ts';
import { DomctlError } from '../errors.ts';
import { tapNames } from '../host/taps.ts';
import { balloon } from '../qemu/commands.ts';
import { QmpError } from '../qemu/qmp-error.ts';
import { announceDefinition } from './announcements.ts';
import { monitorOf } from './asking.ts';
import type { DefinitionStore } from './definitions.ts';
import type { EventLog } from './events.ts';
import type { Entry, Fleet } from './fleet.ts';
import { requireGuest } from './refusals.ts';
import { launchedDomain } from './stored-domain.ts';
import type { Supervisor } from './supervisor.ts';

/** Neither `live` nor `config`: whichever is the domain's now. */
export interface MemoryOrder {
  readonly bytes: number;
  readonly live: boolean;
  readonly config: boolean;
}

export class Hardware {
  readonly #fleet: Fleet;
  readonly #definitions: DefinitionStore;
  readonly #events: EventLog;

  constructor(parts: { fleet: Fleet; definitions: DefinitionStore; events: EventLog }) {
    this.#fleet = parts.fleet;
    this.#definitions = parts.definitions;
    this.#events = parts.events;
  }

  /** Disks in the definition's order; `inactive`: of the definition, even while it runs. Throws NO_SUCH_DOMAIN. */
  blocks(reference: string, inactive: boolean): BlockRow[] {
    return this.#shape(reference, inactive).domain.disks.map(blockRow);
  }

  /** Network cards, likewise. */
  interfaces(reference: string, inactive: boolean): InterfaceRow[] {
    const { domain, id } = this.#shape(reference, inactive);
    return interfaceRows(domain.interfaces, id);
  }

  /**
   * Gives the guest that much memory, as the definition's next start or by its balloon. Throws USAGE for more than the
   * domain has at most, DOMAIN_NOT_RUNNING or WRONG_STATE where no guest is up, or has no balloon.
   */
  async setMemory(reference: string, order: MemoryOrder): Promise<MemoryAnswer> {
    const { entry, supervisor } = this.#fleet.locate(reference);
    const { live, config } = chooseMemory(order, supervisor);
    const guest = live ? requireGuest('set memory of', { entry, supervisor }) : null;
    if (guest) requireRoom(entry.name, order.bytes, guest.launch.memoryBytes);
    if (config) requireRoom(entry.name, order.bytes, requireDefinition(entry).memoryBytes);
    if (guest) await inflate(guest, order.bytes);
    if (config) await this.#store(entry, order.bytes);
    return { name: entry.name, liveBytes: live ? order.bytes : null, configBytes: config ? order.bytes : null };
  }

  async #store(entry: Entry, currentMemoryBytes: number): Promise<void> {
    await entry.queue.runExclusive(async () => {
      const before = requireDefinition(entry);
      requireRoom(entry.name, currentMemoryBytes, before.memoryBytes);
      const after = { ...before, currentMemoryBytes };
      await this.#definitions.save(after);
      this.#fleet.define(entry, after);
      announceDefinition(this.#events, before, after);
    });
  }

  /** `id` of the incarnation that runs with it; null: a definition. */
  #shape(reference: string, inactive: boolean): { readonly domain: Domain; readonly id: number | null } {
    const { entry, supervisor } = this.#fleet.locate(reference);
    if (!supervisor || inactive) return { domain: requireDefinition(entry), id: null };
    return { domain: launchedDomain(supervisor.launch), id: supervisor.launch.id };
  }
}

/** Which of both is meant: what was asked for, else the guest where one is up, else the definition. */
function chooseMemory(
  { live, config }: MemoryOrder,
  supervisor: Supervisor | null,
): { live: boolean; config: boolean } {
  if (live || config) return { live, config };
  const kind = supervisor?.state.kind;
  const isUp = kind === 'running' || kind === 'paused';
  return { live: isUp, config: !isUp };
}

function requireDefinition({ name, definition }: Entry): Domain {
  if (definition) return definition;
  throw new DomctlError('NO_SUCH_DOMAIN', `domain '${name}' has no definition any more`);
}

function requireRoom(name: string, bytes: number, mostBytes: number): void {
  if (bytes <= mostBytes) return;
  throw new DomctlError('USAGE', `cannot set memory of domain '${name}' to ${bytes / 1024} KiB`, {
    hint: `its <memory> is ${mostBytes / 1024} KiB: what a guest can have at most is changed by 'domctl edit ${name}'`,
    details: { domain: name, bytes, mostBytes },
  });
}

async function inflate(supervisor: Supervisor, bytes: number): Promise<void> {
  try {
    await balloon(monitorOf(supervisor), bytes);
  } catch (error) {
    if (!(error instanceof QmpError && error.class === 'DeviceNotActive')) throw error;
    const { domain } = supervisor.launch;
    throw new DomctlError('WRONG_STATE', `cannot set memory of domain '${domain}': it has no memory balloon`, {
      hint: "define <memballoon model='virtio'/> and start it again; --config changes the definition alone",
      details: { domain },
      cause: error,
    });
  }
}

function blockRow({ source, device, target }: Disk): BlockRow {
  return { type: source?.type ?? 'file', device, target, source: nameOf(source) };
}

function interfaceRows(interfaces: readonly Interface[], id: number | null): InterfaceRow[] {
  // A tap that the definition does not name gets its name from the incarnation.
  const taps = id === null ? interfaces.map(({ tap }) => tap) : tapNames(interfaces, id);
  return interfaces.map(({ type, bridge, model, mac }, index) => {
    return { interface: taps[index] ?? null, type, source: bridge, model, mac };
  });
}
