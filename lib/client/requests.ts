/** The requests of the contract as schemas: what the server lets in. Not loaded by the command line, which must start fast. */
import { z } from 'zod';
import type {
  CreateRequest,
  DefineRequest,
  DestroyRequestBody,
  RebootRequestBody,
  ShutdownRequestBody,
  StartRequestBody,
} from './contract.ts';
import type { MemoryRequestBody, MonitorRequestBody } from './hardware.ts';

const durationMs = z
  .int()
  .positive()
  .max(2 ** 31 - 1);
const waitTarget = z.enum(['freed', 'off']);

export const defineRequest = z.strictObject({
  file: z.string().max(4096),
  xml: z.string(),
  allowUnsupported: z.boolean().default(false),
  edits: z.strictObject({ name: z.string(), xml: z.string().optional() }).optional(),
}) satisfies z.ZodType<unknown, DefineRequest>;

export const startRequest = z.strictObject({
  force: z.boolean().default(false),
  dryRun: z.boolean().default(false),
  paused: z.boolean().default(false),
  wait: z.boolean().default(false),
  timeoutMs: durationMs.optional(),
}) satisfies z.ZodType<unknown, StartRequestBody>;

export const createRequest = z.strictObject({
  ...defineRequest.shape,
  paused: z.boolean().default(false),
  dryRun: z.boolean().default(false),
}) satisfies z.ZodType<unknown, CreateRequest>;

const modes = z.array(z.enum(['agent', 'acpi'])).nonempty();

export const rebootRequest = z.strictObject({
  modes: modes.optional(),
  wait: z.boolean().default(false),
  timeoutMs: durationMs.optional(),
}) satisfies z.ZodType<unknown, RebootRequestBody>;

export const autostartRequest = z.strictObject({ enabled: z.boolean() });

export const shutdownRequest = z.strictObject({
  forceAfterMs: durationMs.optional(),
  modes: modes.optional(),
  resume: z.boolean().default(false),
  wait: waitTarget.optional(),
  timeoutMs: durationMs.optional(),
}) satisfies z.ZodType<unknown, ShutdownRequestBody>;

export const destroyRequest = z.strictObject({
  graceful: z.boolean().default(false),
  wait: waitTarget.default('freed'),
  timeoutMs: durationMs.optional(),
}) satisfies z.ZodType<unknown, DestroyRequestBody>;

export const memoryRequest = z.strictObject({
  bytes: z.int().positive().multipleOf(1024),
  live: z.boolean().default(false),
  config: z.boolean().default(false),
}) satisfies z.ZodType<unknown, MemoryRequestBody>;

export const monitorRequest = z.strictObject({
  command: z.string().regex(/^[A-Za-z_][\w.-]{0,99}$/, 'not the name of a QMP command'),
  arguments: z.record(z.string(), z.unknown()).optional(),
}) satisfies z.ZodType<unknown, MonitorRequestBody>;
