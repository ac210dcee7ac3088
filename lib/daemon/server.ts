/**
 * The daemon's HTTP face on a unix socket: routes, checked requests, failures as the contract's envelope. A route only
 * translates; what it does is in verbs, starting and views. curl works: `curl --unix-socket PATH http://domctl/v1/domains`.
 */
import Fastify, { type FastifyInstance, type FastifyRequest } from 'fastify';
import { readFile } from 'node:fs/promises';
import type { Socket } from 'node:net';
import { join } from 'node:path';
import { z } from 'zod';
import { peerCredentials } from '../../native/index.ts';
import { apiVersion, type VersionAnswer } from '../client/contract.ts';
import {
  autostartRequest,
  createRequest,
  defineRequest,
  destroyRequest,
  memoryRequest,
  monitorRequest,
  rebootRequest,
  shutdownRequest,
  startRequest,
} from '../client/requests.ts';
import type { Requester } from '../domain/incarnation.ts';
import { asDomctlError, DomctlError } from '../errors.ts';
import { errorEnvelope } from '../client/envelope.ts';
import { Consoles } from './console.ts';
import { findConsole } from './console-target.ts';
import { addEventStream } from './event-stream.ts';
import { explainPolicy } from './explain.ts';
import type { Fleet } from './fleet.ts';
import type { Guests } from './guests.ts';
import type { Hardware } from './hardware.ts';
import { packageDir } from '../places.ts';
import { countRefusals, type Metrics } from './metrics.ts';
import type { Neighbours } from './neighbours.ts';
import { sendMonitorCommand } from './monitor-command.ts';
import { readHostConfig } from './host-config.ts';
import { requireRole } from './roles.ts';
import type { Starter } from './starting.ts';
import { domainStats, nodeView } from './stats.ts';
import type { Services } from './supervisor.ts';
import type { Verbs } from './verbs.ts';
import { domainInfo, drainView, listDomains, resourcesView } from './views.ts';

/** What the routes reach. */
export interface Daemon {
  readonly fleet: Fleet;
  readonly services: Services;
  readonly starter: Starter;
  readonly verbs: Verbs;
  readonly guests: Guests;
  readonly hardware: Hardware;
  readonly about: VersionAnswer;
  readonly metrics: Metrics;
  readonly neighbours: Neighbours;
  /** Ends the daemon; VMs go on. */
  stop(): void;
}

/** Room for a definition of the XML reader's own limit, so that its error is the one seen. */
const bodyLimitBytes = 16 * 1024 * 1024;

/** A name of the longest kind, percent-encoded. */
const longestReference = 1024;

const byName = z.object({ domain: z.string() });
const inactiveQuery = z.object({ inactive: z.enum(['true', 'false']).default('false') });
const undefineQuery = z.object({
  nvram: z.enum(['keep', 'remove']).optional(),
  tpm: z.enum(['keep', 'remove']).optional(),
});
const domainQuery = z.object({ domain: z.string().optional() });

export function buildServer(daemon: Daemon): FastifyInstance {
  const app = Fastify({
    logger: false,
    bodyLimit: bodyLimitBytes,
    forceCloseConnections: true,
    routerOptions: { maxParamLength: longestReference },
  });
  app.setErrorHandler(async (error, _request, reply) => {
    const failure = asHttpError(error);
    if (failure.code === 'FAILED') daemon.services.log.error({ err: error }, 'request');
    return reply.status(failure.http).send(errorEnvelope(failure));
  });
  app.addHook('onRequest', async (request) => {
    const role = request.method === 'GET' ? 'observe' : 'control';
    await requireRole(role, requesterOf(request), async () => readHostConfig(daemon.services.places));
  });
  app.setNotFoundHandler(async (request, reply) =>
    reply.status(404).send(errorEnvelope(new DomctlError('USAGE', `no such route: ${request.method} ${request.url}`))),
  );
  countRefusals(app, daemon.metrics);
  void app.register(async (routes) => {
    addMetrics(routes, daemon);
    return Promise.resolve();
  });
  addConsoles(app, daemon);
  void app.register(
    async (routes) => {
      addQuestions(routes, daemon);
      addVerbs(routes, daemon);
      addGuestVerbs(routes, daemon);
      addHardware(routes, daemon);
      addEventStream(routes, daemon);
      return Promise.resolve();
    },
    { prefix: `/${apiVersion}` },
  );
  return app;
}

/** Beside the versioned API: the format is Prometheus'. A configuration that cannot be read leaves out what follows from it. */
function addMetrics(app: FastifyInstance, { fleet, metrics, neighbours, services }: Daemon): void {
  app.get('/metrics', async (_request, reply) => {
    const host = await readHostConfig(services.places).catch(() => null);
    return reply.type(metrics.contentType).send(await metrics.text(fleet, neighbours, host && host.value));
  });
}

/** Consoles are no requests with an answer: they take their connection over. */
function addConsoles(app: FastifyInstance, { fleet, services }: Daemon): void {
  const consoles = new Consoles(async (domain, devname) => findConsole(fleet, domain, devname), services.log);
  consoles.serve(app.server);
  app.addHook('preClose', async () => consoles.close());
}

/** Routes that change nothing, and wait for nothing but the kernel's files. */
function addQuestions(app: FastifyInstance, { fleet, neighbours, services, verbs, about }: Daemon): void {
  app.get('/version', () => about);
  app.get('/openapi.json', async (_request, reply) => reply.type('application/json').send(await readApiDocument()));
  app.get('/domains', () => listDomains(fleet));
  app.get('/domains/:domain', (request) => domainInfo(fleet, fleet.locate(nameOf(request)).entry));
  app.get('/domains/:domain/xml', (request, reply) => {
    const { inactive } = check(inactiveQuery, request.query);
    return reply.type('application/xml').send(verbs.xml(nameOf(request), inactive === 'true'));
  });
  app.get('/domains/:domain/policy', async (request) =>
    explainPolicy(fleet.locate(nameOf(request)).entry, services.places),
  );
  app.get('/domains/:domain/stats', async (request) => domainStats(fleet, fleet.locate(nameOf(request)).entry));
  app.get('/node', nodeView);
  app.get('/resources', async () => {
    const { value: host } = await readHostConfig(services.places);
    return resourcesView({ fleet, neighbours, host });
  });
  app.get('/drain', (request) => {
    const { domain } = check(domainQuery, request.query);
    return drainView(fleet, domain === undefined ? null : fleet.locate(domain).entry);
  });
}

function addGuestVerbs(app: FastifyInstance, { guests }: Daemon): void {
  app.post('/domains/:domain/reboot', async (request) => {
    const { modes, wait, timeoutMs } = check(rebootRequest, request.body ?? {});
    return guests.reboot(nameOf(request), { modes, wait, timeoutMs, signal: callerSignal(request) });
  });
  app.post('/domains/:domain/reset', async (request) => guests.reset(nameOf(request)));
  app.post('/domains/:domain/suspend', async (request) => guests.suspend(nameOf(request)));
  app.post('/domains/:domain/resume', async (request) => guests.resume(nameOf(request)));
  app.post('/domains/:domain/recover', async (request) => guests.recover(nameOf(request)));
}

/** A guest's devices and memory, and the way past domctl to its hypervisor. */
function addHardware(app: FastifyInstance, { fleet, hardware }: Daemon): void {
  app.get('/domains/:domain/blocks', (request) => {
    return hardware.blocks(nameOf(request), check(inactiveQuery, request.query).inactive === 'true');
  });
  app.get('/domains/:domain/interfaces', (request) => {
    return hardware.interfaces(nameOf(request), check(inactiveQuery, request.query).inactive === 'true');
  });
  app.post('/domains/:domain/memory', async (request) =>
    hardware.setMemory(nameOf(request), check(memoryRequest, request.body)),
  );
  app.post('/domains/:domain/monitor', async (request) => {
    const body = check(monitorRequest, request.body);
    return sendMonitorCommand(fleet.locate(nameOf(request)), body, requesterOf(request));
  });
}

function addVerbs(app: FastifyInstance, { starter, verbs, services, stop }: Daemon): void {
  app.post('/domains', async (request) => verbs.define(check(defineRequest, request.body)));
  app.post('/domains/create', async (request) =>
    verbs.create(check(createRequest, request.body), {
      requester: requesterOf(request),
      signal: callerSignal(request),
    }),
  );
  app.delete('/domains/:domain', async (request) => {
    const { nvram = null, tpm = 'remove' } = check(undefineQuery, request.query);
    return verbs.undefine(nameOf(request), { nvram, tpm });
  });
  app.post('/domains/:domain/autostart', async (request) =>
    verbs.autostart(nameOf(request), check(autostartRequest, request.body).enabled),
  );
  app.post('/domains/:domain/start', async (request) => {
    const body = check(startRequest, request.body ?? {});
    const order = {
      ...body,
      timeoutMs: body.timeoutMs,
      requester: requesterOf(request),
      signal: callerSignal(request),
    };
    if (body.force && !body.dryRun)
      await requireRole('forceStart', order.requester, async () => readHostConfig(services.places));
    return starter.start(nameOf(request), order);
  });
  app.delete('/domains/:domain/start', (request) => starter.cancel(nameOf(request)));
  app.post('/domains/:domain/shutdown', async (request) => {
    const { wait = null, ...order } = check(shutdownRequest, request.body ?? {});
    const { timeoutMs, forceAfterMs, modes, resume } = order;
    return verbs.shutdown(nameOf(request), {
      ...{ wait, timeoutMs, forceAfterMs, modes, resume },
      signal: callerSignal(request),
    });
  });
  app.post('/domains/:domain/destroy', async (request) => {
    const { wait, timeoutMs, graceful } = check(destroyRequest, request.body ?? {});
    return verbs.destroy(nameOf(request), { wait, timeoutMs, graceful, signal: callerSignal(request) });
  });
  app.post('/daemon/stop', (_request, reply) => {
    reply.raw.once('close', stop);
    return { stopping: true };
  });
}

/** Written by `npm run openapi`; part of every installation. */
async function readApiDocument(): Promise<Buffer> {
  return readFile(join(packageDir(), 'docs/openapi.json'));
}

function nameOf(request: FastifyRequest): string {
  return check(byName, request.params).domain;
}

/** The value by its schema. Throws USAGE naming the field. */
function check<T>(schema: z.ZodType<T>, value: unknown): T {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  throw new DomctlError('USAGE', `request: ${issue?.path.join('.') || 'body'}: ${issue?.message ?? 'not valid'}`);
}

/** Who asks, as the kernel tells of the socket. */
function requesterOf(request: FastifyRequest): Requester {
  // Node has no public way to a socket's descriptor.
  const { _handle: handle } = request.raw.socket as Socket & { _handle?: { fd?: number } };
  if (handle?.fd === undefined || handle.fd < 0) return { uid: null, pid: null };
  const { uid, pid } = peerCredentials(handle.fd);
  return { uid, pid };
}

/** Aborts when the caller hangs up before its answer. */
function callerSignal(request: FastifyRequest): AbortSignal {
  const controller = new AbortController();
  request.raw.socket.once('close', () => {
    controller.abort(new DomctlError('INTERRUPTED', 'the caller is gone'));
  });
  return controller.signal;
}

/** Fastify's own errors (body too large, not JSON) are the caller's. */
function asHttpError(error: unknown): DomctlError {
  const status = error instanceof Error && 'statusCode' in error ? Number(error.statusCode) : 500;
  if (error instanceof DomctlError || status >= 500 || !(error instanceof Error)) return asDomctlError(error);
  return new DomctlError('USAGE', error.message, { cause: error });
}
