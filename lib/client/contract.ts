/**
 * What goes over the socket, as types; the server checks requests by the schemas of `requests.ts`. Bytes are integers,
 * times ISO 8601 plus `...Ms`; what is unknown is null with a sibling `...Unknown` that says why. Fields are only added
 * within a major version.
 */
import type { Arithmetic } from '../admission/decision.ts';
import type { BusyResource, Outcome, Proof, Requester } from '../domain/incarnation.ts';
import type { ErrorCode, ErrorDetails } from '../errors.ts';

/** Version of this contract, in every path. */
export const apiVersion = 'v1';

/** freed: exclusive resources proven free. off: everything, memory too. */
export type WaitTarget = 'freed' | 'off';

export interface DefineRequest {
  /** What errors call the text: a file name, or `-`. */
  readonly file: string;
  readonly xml: string;
  readonly allowUnsupported?: boolean | undefined;
  /** The definition this one was made from: refused when the name is another, or, with `xml`, when it has changed since. */
  readonly edits?: EditedDefinition | undefined;
}

export interface EditedDefinition {
  readonly name: string;
  /** As it was read; absent: whatever it is now is replaced. */
  readonly xml?: string | undefined;
}

export interface StartRequestBody {
  readonly force?: boolean | undefined;
  readonly dryRun?: boolean | undefined;
  readonly paused?: boolean | undefined;
  readonly wait?: boolean | undefined;
  readonly timeoutMs?: number | undefined;
}

export interface ShutdownRequestBody {
  readonly forceAfterMs?: number | undefined;
  /** Absent: the policy's. */
  readonly modes?: readonly AskMode[] | undefined;
  /** Resume a paused guest first, so that it can hear. */
  readonly resume?: boolean | undefined;
  /** Absent: ask and return. */
  readonly wait?: WaitTarget | undefined;
  readonly timeoutMs?: number | undefined;
}

/** How a guest is asked, in the order tried. */
export type AskMode = 'agent' | 'acpi';

export interface RebootRequestBody {
  readonly modes?: readonly AskMode[] | undefined;
  /** Until it has begun anew. */
  readonly wait?: boolean | undefined;
  readonly timeoutMs?: number | undefined;
}

/** A transient domain: started at once, gone when it is released. */
export interface CreateRequest extends DefineRequest {
  readonly paused?: boolean | undefined;
  readonly dryRun?: boolean | undefined;
}

export interface DestroyRequestBody {
  readonly graceful?: boolean | undefined;
  readonly wait?: WaitTarget | undefined;
  readonly timeoutMs?: number | undefined;
}

/** Every failure, on the socket and on stdout with --json. */
export interface ErrorEnvelope {
  readonly error: {
    readonly code: ErrorCode;
    readonly exit: number;
    readonly message: string;
    readonly hint: string | null;
    readonly details: ErrorDetails;
  };
}

export interface VersionAnswer {
  /** `domctl`; anything else is another program. */
  readonly name: string;
  readonly version: string;
  readonly api: typeof apiVersion;
  readonly pid: number;
  readonly startedAt: string;
  readonly hierarchy: 'unified' | 'hybrid';
  readonly cgroupRoot: string;
}

/** Memory of something, as the kernel charges it now. */
export interface HeldFields {
  readonly heldBytes: number | null;
  readonly heldUnknown?: string;
}

/** What memory is held as; `hugetlb` by page size as the kernel writes it. `reclaimableBytes` is beside it, not held. */
export interface HeldKinds {
  readonly anonBytes: number;
  readonly sharedBytes: number;
  readonly hugetlb: Readonly<Record<string, number>>;
  readonly swapBytes: number;
  readonly kernelBytes: number;
  readonly reclaimableBytes: number;
}

/** Memory coming back. */
export interface DrainFields {
  readonly drainingBytes: number | null;
  readonly drainRateBytes: number | null;
  readonly drainEtaMs: number | null;
}

export interface DomainRow extends HeldFields, DrainFields {
  readonly id: number | null;
  readonly name: string;
  readonly uuid: string;
  readonly state: string;
  readonly reason: string;
  readonly memoryBytes: number;
  readonly persistent: boolean;
  readonly autostart: boolean;
  /** null: no start of it waits. */
  readonly queued: QueuedInfo | null;
}

export interface IncarnationInfo extends HeldFields, DrainFields {
  readonly id: number;
  readonly state: string;
  readonly reason: string;
  readonly since: string;
  readonly pid: number | null;
  readonly helperPid: number | null;
  /** null: unknown, or nothing is left. */
  readonly heldAs: HeldKinds | null;
  readonly helper: 'preload, sandboxed' | 'qemu, outside the sandbox' | 'none' | 'lost';
  /** Programs that its devices need; pid null: it has ended. */
  readonly companions: readonly { readonly kind: 'swtpm' | 'virtiofsd'; readonly pid: number | null }[];
  readonly cgroup: string;
  readonly promisedBytes: number;
  readonly policy: string;
  readonly emulator: string;
  readonly emulatorVersion: string;
  readonly requester: Requester;
  /** What its guest was asked and has not done yet; destroyAt null: it is given all the time it needs. */
  readonly asked: { readonly to: 'shutdown' | 'reboot'; readonly destroyAt: string | null } | null;
  /** Ids it was force-started over. */
  readonly startedOver: readonly number[];
  /** While it may not have all it was promised. Figures are null until they were read; frozenMs: how long its vCPUs stood still. */
  readonly brake: {
    readonly since: string;
    readonly beganWithBytes: number;
    readonly limitBytes: number | null;
    readonly frozenMs: number | null;
  } | null;
  readonly busy: readonly BusyResource[];
  readonly freed: readonly Proof[];
  readonly freedAfterMs: number | null;
  readonly stalledForMs: number | null;
  readonly holder: string | null;
}

export interface DomainInfo extends DomainRow {
  readonly vcpus: number;
  readonly policy: string | null;
  /** Of the current incarnation; null when there is none. */
  readonly pid: number | null;
  readonly cgroup: string | null;
  /** Not released yet, newest first. */
  readonly incarnations: readonly IncarnationInfo[];
  readonly lastOutcome: (Outcome & { readonly id: number; readonly releasedAt: string }) | null;
  readonly queuedStart: boolean;
  /** What the definition gives to QEMU as it is (`<qemu:commandline>`). */
  readonly qemuArguments: readonly string[];
}

export interface DefineAnswer {
  readonly name: string;
  readonly uuid: string;
  readonly updated: boolean;
  readonly warnings: readonly string[];
}

export interface UndefineAnswer {
  readonly name: string;
  /** Incarnation that stays until it is released. */
  readonly stillHeldBy: number | null;
  readonly nvram: { readonly path: string; readonly removed: boolean } | null;
  /** State of its TPM; null: there was none. Not removed while an incarnation has it. */
  readonly tpm: { readonly path: string; readonly removed: boolean } | null;
}

export interface AutostartAnswer {
  readonly name: string;
  readonly autostart: boolean;
}

/** What a verb that acts on the guest left behind. */
export interface GuestAnswer {
  readonly name: string;
  readonly id: number;
  readonly state: string;
  readonly reason: string;
}

/** A start that waits for its turn. */
export interface QueuedInfo {
  /** 1: the next. */
  readonly position: number;
  readonly name: string;
  readonly verb: 'start' | 'force-start';
  /** Set aside for it. */
  readonly promisedBytes: number;
  readonly since: string;
  readonly waitingMs: number;
  /** When it gives up; null: never. */
  readonly deadline: string | null;
  readonly requester: Requester;
  /** Somebody waits for its answer; nobody does to one that an earlier daemon left behind. */
  readonly attended: boolean;
  /** Why it was not admitted when it was last looked at; null: it was not yet. */
  readonly refusal: { readonly code: ErrorCode; readonly message: string } | null;
}

export interface CancelAnswer {
  readonly name: string;
  readonly cancelled: true;
}

/** Also the answer of a dry run: then nothing was started, and `admitted` says whether it would be. */
export interface StartAnswer {
  readonly name: string;
  readonly admitted: boolean;
  readonly id: number | null;
  readonly arithmetic: Arithmetic;
  readonly policy: string;
  readonly allowedShortfallBytes: number;
  readonly allowedShortfall: string;
  readonly overIncarnations: readonly number[];
  /** Held by those; other domains' draining memory is in the arithmetic alone. */
  readonly overBytes: number;
  readonly memoryBytes: number;
  /** What it begins with, and in how long it may have all of its promise (null: no rate is known); null: with all of it. */
  readonly brake: { readonly limitBytes: number; readonly allInMs: number | null } | null;
  /** Why it would be refused; null when admitted. */
  readonly refusal: ErrorEnvelope['error'] | null;
  /** Of a definition given with the request. */
  readonly warnings?: readonly string[];
}

export interface StopAnswer {
  readonly name: string;
  readonly id: number;
  readonly state: string;
  readonly freedAfterMs: number | null;
  readonly releasedAfterMs: number | null;
  readonly drainingBytes: number | null;
  /** Why its guest could not be asked to shut down: it was destroyed when the time it was given was up. */
  readonly unasked?: string;
}

/** Huge pages, in bytes. */
export interface PoolFields {
  readonly totalBytes: number;
  readonly freeBytes: number;
}

export interface ResourcesAnswer {
  readonly memory: {
    readonly totalBytes: number;
    readonly availableBytes: number;
    readonly hugePoolBytes: number;
    readonly reserveBytes: number;
    readonly reserve: string;
    readonly overcommit: number;
    readonly foreignBytes: number;
    /** Promised by other daemons of this host, and not touched yet. */
    readonly elsewhereBytes: number;
    readonly capacityBytes: number;
    readonly promisedLiveBytes: number;
    readonly heldLiveBytes: number;
    readonly heldDrainingBytes: number;
    /** Set aside for starts that wait. */
    readonly queuedBytes: number;
    readonly freeToPromiseBytes: number;
  } | null;
  readonly memoryUnknown?: string;
  /** Pools that have pages, by size, each with its parts by node. */
  readonly hugePools: readonly (PoolFields & {
    readonly pageBytes: number;
    readonly nodes: readonly (PoolFields & { readonly node: number })[];
  })[];
  readonly liveDomains: number;
  readonly drainingIncarnations: number;
  readonly drainRateBytes: number | null;
  readonly drainEtaMs: number | null;
  /** In their order. */
  readonly queued: readonly QueuedInfo[];
  readonly incarnations: readonly (HeldFields & {
    readonly id: number;
    readonly name: string;
    readonly state: string;
    /** null when draining: only held counts then. */
    readonly promisedBytes: number | null;
    /** null: unknown, or nothing is left. */
    readonly heldAs: HeldKinds | null;
    /** Exclusive resources by kind. */
    readonly disks: number;
    readonly taps: number;
    readonly ports: number;
    readonly exclusiveFree: boolean;
  })[];
}

export interface DrainRow extends HeldFields, DrainFields {
  /** null: unknown, or nothing is left. */
  readonly heldAs: HeldKinds | null;
  readonly id: number;
  readonly name: string;
  readonly state: string;
  readonly fromBytes: number | null;
  readonly stalledForMs: number | null;
  readonly holder: string | null;
  /** Of the helper that gives it back; null: none is at work. */
  readonly helperPid: number | null;
  readonly busy: readonly BusyResource[];
}

export interface DrainAnswer {
  readonly draining: readonly DrainRow[];
  /** The latest that came to their end, oldest first. */
  readonly released: readonly {
    readonly id: number;
    readonly name: string;
    readonly fromBytes: number;
    readonly freedAfterMs: number;
    readonly releasedAfterMs: number;
  }[];
}

/** Something that happened to a domain. */
export interface DomainEvent {
  /** Grows by one, is never used again, and goes on where it was when the daemon starts anew. */
  readonly id: number;
  readonly at: string;
  readonly atMs: number;
  /** virsh's event name (lifecycle, reboot, watchdog, io-error, agent-lifecycle, ...) or ours: exiting draining stalled released lost found. */
  readonly event: string;
  readonly domain: string;
  readonly uuid: string;
  /** null: it is about the definition. */
  readonly incarnation: number | null;
  /** virsh's words after the name, e.g. `Started Booted`; '' when the event has none. */
  readonly text: string;
  readonly data: Readonly<Record<string, string | number | boolean | null>>;
}

/** In place of events that are not kept any more: those after `afterId` and before `nextId`. */
export interface EventGap {
  readonly event: 'gap';
  readonly afterId: number;
  readonly nextId: number;
}

/** What to be told: all of it for absent fields. */
export interface EventQuery {
  /** Name, UUID or id. */
  readonly domain?: string | undefined;
  readonly events?: readonly string[] | undefined;
  /** Events after this one; without it and `sinceMs`: those from now on. */
  readonly since?: number | undefined;
  /** Events not older, milliseconds since the epoch. */
  readonly sinceMs?: number | undefined;
  /** False: what is recorded, and then the end. */
  readonly follow?: boolean | undefined;
}

/** One value of a policy, as its file writes it, and where. */
export interface PolicyValue {
  /** Dotted YAML path, e.g. `forceStart.maxShortfall`. */
  readonly key: string;
  /** E.g. `25%`. */
  readonly value: string;
  /** Name of the file and 1-based line, as in `balanced.yaml:8`; `path` is the whole of it. */
  readonly file: string;
  readonly line: number;
  readonly path: string;
}

/** The policy a start of the domain would go by now, whole. */
export interface PolicyExplanation {
  readonly name: string;
  readonly policy: string;
  /** Who chose it: the domain's XML, or `defaultPolicy` of host.yaml. */
  readonly chosenBy: 'xml' | 'host.yaml';
  /** False: the XML names one that host.yaml does not allow, and every start is refused. */
  readonly allowed: boolean;
  readonly values: readonly PolicyValue[];
  /** What incarnations that are left were launched with, which their teardown goes by. */
  readonly launchedWith: readonly { readonly id: number; readonly policy: string }[];
}
