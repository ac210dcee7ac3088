/**
 * Every key of the two files, with its kind of value and its meaning, and the step from key to field.
 * Owns: the tables of keys. Must not know: YAML, files, inheritance.
 */
import { z } from 'zod';
import * as field from './fields.ts';
import type { HostConfig, Policy } from './types.ts';
import { smallestReserveBytes } from './values.ts';

const version = field.exactly(1, 'Version of this format.');

/** What every policy file says about itself, and what never comes from another file. */
export const policyHead = {
  kind: field.exactly('policy', 'What this file is.'),
  version,
  name: field.policyName("The policy's name, equal to the file's."),
  extends: field.policyNameOrNull('The policy that supplies the keys left out here, one level deep; null for none.'),
};

/** The keys of a policy that may be inherited. */
export const policyShape = {
  description: field.prose('One line for people.'),
  forceStart: z.strictObject({
    allow: field.flag('Whether force-start is allowed at all.'),
    maxShortfall: field.share('How much memory may be short at the start: a size, or a share of the promise.'),
    maxDrainTime: field.durationOr('unlimited', 'With a shortfall: how long the drain may last, by its measured rate.'),
    maxPredecessors: field.integer(0, 1000, 'How many draining incarnations of the same domain may be overlapped.'),
    maxPressure: field.percent('With a shortfall: how much memory pressure (PSI some avg10) the host may have.'),
  }),
  brake: z.strictObject({
    margin: field.sizeOrAuto('How far below the bound a braked domain is slowed down.'),
    onStall: field.oneOf(['keep', 'kill-helper', 'stop-new'], 'What happens when the awaited memory stops falling.'),
  }),
  start: z.strictObject({
    queueTimeout: field.durationOr('never', 'How long a start --wait stays queued.'),
  }),
  shutdown: z.strictObject({
    mode: field.orderOf(['agent', 'acpi'], 'Ways to ask the guest, in the order they are tried.'),
    forceAfter: field.durationOr('never', 'How long a shutdown may take before it becomes a destroy.'),
  }),
  destroy: z.strictObject({
    killAfter: field.duration('Time between SIGTERM and SIGKILL.'),
    freedTimeout: field.duration('How long destroy waits until all but memory is free.'),
  }),
  teardown: z.strictObject({
    helper: field.oneOf(['auto', 'preload', 'qemu', 'none'], 'What gives memory back after the hypervisor has ended.'),
    mode: field.oneOf(['fast', 'gentle'], 'Whether memory is given back at full speed or at gentleRate.'),
    threads: field.integerOrAuto(1, 1024, 'Threads that give memory back; auto: as many as allowed CPUs.'),
    gentleRate: field.size('Memory given back per second in mode gentle.', 1024),
    minimumSize: field.size('Guests smaller than this get no helper.'),
    stalledAfter: field.duration('How long no byte may come back before the drain counts as stalled.', 1),
    preferredOomVictim: field.flag('Whether the helper is what the OOM killer takes first.'),
  }),
  postcopyPaused: field.oneOf(['freeze', 'keep-running'], 'What a guest does whose postcopy migration lost its link.'),
};

/** What the host's file says about itself. */
export const hostHead = { kind: field.exactly('host', 'What this file is.'), version };

/** The keys of the host's configuration. */
export const hostShape = {
  defaultPolicy: field.policyName('The policy of domains that name none.'),
  allowedPolicies: field.policyNames('The policies a domain may name in its metadata.'),
  capacity: z.strictObject({
    overcommit: field.factor(0.1, 4, 'Memory that may be promised per byte of memory; above 1 needs swap.'),
    reserve: field.share("The host's own memory: a size, or a share of MemTotal; at least 1GiB.", smallestReserveBytes),
  }),
  overhead: z.strictObject({
    fixed: field.size('Added to every promise, for the hypervisor itself.'),
    perVcpu: field.size('Added to a promise for each vCPU.'),
    memory: field.percent("Added to a promise as a share of the guest's memory."),
  }),
  security: z.strictObject({
    user: field.userName('The user hypervisors run as when the daemon is root.'),
    allowRootHypervisor: field.flag('Whether a hypervisor may run as root.'),
    allowQemuCommandline: field.flag('Whether <qemu:commandline> in XML is accepted.'),
    control: field.principals('Who may change anything.'),
    forceStart: field.principals('Who of those in control may force-start.'),
    observe: field.principalsOrEveryone('Who may look: everyone, or a list.'),
  }),
};

/** A policy file as written: the head is required, the rest may be inherited, and nothing else may stand there. */
export const policyFile = z.strictObject({
  ...policyHead,
  extends: policyHead.extends.optional(),
  ...optional(policyShape),
});

/** The host's file as written: what it leaves out takes the shipped default. */
export const hostFile = z.strictObject({ ...hostHead, ...optional(hostShape) });

/** Dotted paths of the keys a complete policy has values for. */
export const policyKeys: readonly string[] = ['name', ...leaves(policyShape)];

/** Dotted paths of the keys a complete host configuration has values for. */
export const hostKeys: readonly string[] = leaves(hostShape);

const wholePolicy = z.object({ name: policyHead.name, ...policyShape });
const wholeHost = z.object(hostShape);

/** A policy from complete data that passed `policyFile`; throws ZodError on any other. */
export function toPolicy(data: unknown): Policy {
  const { forceStart, brake, start, shutdown, destroy, teardown, ...rest } = wholePolicy.parse(data);
  return {
    name: rest.name,
    description: rest.description,
    forceStart: {
      allow: forceStart.allow,
      maxShortfall: forceStart.maxShortfall,
      maxDrainTimeMs: forceStart.maxDrainTime,
      maxPredecessors: forceStart.maxPredecessors,
      maxPressurePercent: forceStart.maxPressure,
    },
    brake,
    start: { queueTimeoutMs: start.queueTimeout },
    shutdown: { mode: shutdown.mode, forceAfterMs: shutdown.forceAfter },
    destroy: { killAfterMs: destroy.killAfter, freedTimeoutMs: destroy.freedTimeout },
    teardown: {
      helper: teardown.helper,
      mode: teardown.mode,
      threads: teardown.threads,
      gentleRateBytes: teardown.gentleRate,
      minimumSizeBytes: teardown.minimumSize,
      stalledAfterMs: teardown.stalledAfter,
      preferredOomVictim: teardown.preferredOomVictim,
    },
    postcopyPaused: rest.postcopyPaused,
  };
}

/** A host configuration from complete data that passed `hostFile`; throws ZodError on any other. */
export function toHostConfig(data: unknown): HostConfig {
  const { overhead, ...rest } = wholeHost.parse(data);
  const { fixed, perVcpu, memory } = overhead;
  return { ...rest, overhead: { fixedBytes: fixed, perVcpuBytes: perVcpu, memoryPercent: memory } };
}

/** The same keys, none of them required. */
export function optional(shape: z.ZodRawShape): z.ZodRawShape {
  const entries = Object.entries(shape).map(([key, schema]) => [
    key,
    schema instanceof z.ZodObject ? schema.partial().optional() : (schema as z.ZodType).optional(),
  ]);
  return Object.fromEntries(entries) as z.ZodRawShape;
}

function leaves(shape: z.ZodRawShape): string[] {
  return Object.entries(shape).flatMap(([key, schema]) =>
    schema instanceof z.ZodObject ? Object.keys(schema.shape).map((inner) => `${key}.${inner}`) : [key],
  );
}
