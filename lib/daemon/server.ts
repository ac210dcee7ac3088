/**
 * The daemon's HTTP face on a unix socket: routes, checked requests, failures as the contract's envelope. A route only
 * translates; what it does is in verbs, starting and views. curl works: `curl --unix-socket PATH http://domctl/v1/domains`.
 */
import Fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import { readFile } from 'node:fs/promises';
import type { IncomingMessage } from 'node:http';
import { join } from 'node:path';
import { z } from 'zod';
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
import { asDomctlError, DomctlError } from '../errors.ts';
import { errorEnvelope } from '../client/envelope.ts';
import type { Connections } from './connections.ts';
import { Consoles } from './console.ts';
import { findConsole } from './console-target.ts';
import { addEventStream } from './event-stream.ts';
import { explainPolicy } from './explain.ts';
import type { Fleet } from './fleet.ts';
import type { Guests } from './guests.ts';
import type { Hardware } from './hardware.ts';
import { readHostConfig } from './host-config.ts';
import { answerBrokenRequest, bodyLimitBytes, httpLimits } from './http-limits.ts';
import { packageDir } from '../places.ts';
import { countRefusals, type Metrics } from './metrics.ts';
import type { Neighbours } from './neighbours.ts';
import { sendMonitorCommand } from './monitor-command.ts';
import { requireRole, type Role } from './roles.ts';
import { SharedAnswers } from './shared-answers.ts';
import type { Starter } from './starting.ts';
import { domainStats, nodeView } from './stats.ts';
import { Turns } from './turns.ts';
import type { Services } from './supervisor.ts';
import type { Verbs } from './verbs.ts';
import { withoutSecrets } from '../xml/secrets.ts';
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
  readonly connections: Connections;
  /** Ends the daemon; VMs go on. */
  stop(): void;
}

/** A name of the longest kind, percent-encoded. */
const longestReference = 1024;

const byName = z.object({ domain: z.string() });
const inactiveQuery = z.object({ inactive: z.enum(['true', 'false']).default('false') });
const xmlQuery = inactiveQuery.extend({ securityInfo: z.enum(['true', 'false']).default('false') });
const undefineQuery = z.object({
  nvram: z.enum(['keep', 'remove']).optional(),
  tpm: z.enum(['keep', 'remove']).optional(),
});
const domainQuery = z.object({ domain: z.string().optional() });

function withoutSchemas(): never {
  throw new Error('a route has a schema: there is nothing to compile it with');
}

export function buildServer(daemon: Daemon): FastifyInstance {
  const app = Fastify({
    logger: false,
    bodyLimit: bodyLimitBytes,
    forceCloseConnections: true,
    http: httpLimits,
    requestTimeout: httpLimits.requestTimeout,
    clientErrorHandler: answerBrokenRequest,
    routerOptions: { maxParamLength: longestReference },
    // Requests are read by zod and answers are what they are: a tenth of our start would go to loading what no route asks for.
    schemaController: { compilersFactory: { buildValidator: withoutSchemas, buildSerializer: withoutSchemas } },
  });
  app.setErrorHandler(async (error, _request, reply) => {
    const failure = asHttpError(error);
    if (failure.code === 'FAILED') daemon.services.log.error({ err: error }, 'request');
    return reply.status(isTooLarge(error) ? 413 : failure.http).send(errorEnvelope(failure));
  });
  app.addHook('onRequest', async ({ method, raw }) => authorize(daemon, roleFor(method), raw));
  app.setNotFoundHandler(async (request, reply) =>
    reply.status(404).send(errorEnvelope(new DomctlError('USAGE', `no such route: ${request.method} ${request.url}`))),
  );
  const takeTurn = takingTurns(daemon.connections);
  countRefusals(app, daemon.metrics);
  void app.register(async (routes) => {
    addMetrics(routes, daemon);
    return Promise.resolve();
  });
  daemon.connections.watch(app.server, 'full');
  addConsoles(app, daemon);
  void app.register(
    async (routes) => {
      void routes.register(async (questions) => {
        questions.addHook('onRequest', takeTurn);
        addQuestions(questions, daemon);
        return Promise.resolve();
      });
      addVerbs(routes, daemon);
      addGuestVerbs(routes, daemon);
      addHardware(routes, daemon);
      addEventStream(routes, { ...daemon, takeTurn });
      return Promise.resolve();
    },
    { prefix: `/${apiVersion}` },
  );
  return app;
}

/** Of the program that asks. */
function takingTurns(connections: Connections): (request: FastifyRequest, reply: FastifyReply) => Promise<void> {
  const turns = new Turns();
  return async ({ raw }, reply) => turns.take(connections.requesterOf(raw).pid, reply.raw);
}

function roleFor(method: string): Role {
  return method === 'GET' || method === 'HEAD' ? 'observe' : 'control';
}

/** Throws POLICY_FORBIDS for who has not the role, or came through the door that is for questions alone. */
async function authorize({ connections, services }: Daemon, role: Role, request: IncomingMessage): Promise<void> {
  if (role !== 'observe' && connections.doorOf(request) === 'readonly')
    throw new DomctlError('POLICY_FORBIDS', 'this socket is for questions alone', {
      hint: 'who may change anything (host.yaml, security.control) does so through domctld.sock beside it',
    });
  await requireRole(role, connections.requesterOf(request), async () => readHostConfig(services.places));
}

/** Beside the versioned API: the format is Prometheus'. A configuration that cannot be read leaves out what follows from it. */
function addMetrics(app: FastifyInstance, { fleet, metrics, neighbours, services }: Daemon): void {
  app.get('/metrics', async (_request, reply) => {
    const host = await readHostConfig(services.places).catch(() => null);
    return reply.type(metrics.contentType).send(await metrics.text(fleet, neighbours, host && host.value));
  });
}

/** Consoles are no requests with an answer: they take their connection over. */
function addConsoles(app: FastifyInstance, daemon: Daemon): void {
  const consoles = new Consoles({
    authorize: async (request) => authorize(daemon, 'control', request),
    find: async (domain, devname) => findConsole(daemon.fleet, domain, devname),
    log: daemon.services.log,
  });
  consoles.serve(app.server);
  app.addHook('preClose', async () => consoles.close());
}

/** Routes that change nothing, and wait for nothing but the kernel's files. */
function addQuestions(app: FastifyInstance, daemon: Daemon): void {
  const { fleet, neighbours, services, verbs, about } = daemon;
  const shared = new SharedAnswers();
  app.get('/version', () => about);
  app.get('/openapi.json', async (_request, reply) => reply.type('application/json').send(await readApiDocument()));
  app.get('/domains', async ({ url }) => shared.ask(url, () => listDomains(fleet)));
  app.get('/domains/:domain', async (request) =>
    shared.ask(request.url, () => domainInfo(fleet, fleet.locate(nameOf(request)).entry)),
  );
  app.get('/domains/:domain/xml', async (request, reply) => {
    const { inactive, securityInfo } = check(xmlQuery, request.query);
    const xml = verbs.xml(nameOf(request), inactive === 'true');
    if (securityInfo === 'true') await authorize(daemon, 'control', request.raw);
    return reply.type('application/xml').send(securityInfo === 'true' ? xml : withoutSecrets(xml));
  });
  app.get('/domains/:domain/policy', async (request) =>
    explainPolicy(fleet.locate(nameOf(request)).entry, services.places),
  );
  app.get('/domains/:domain/stats', async (request) =>
    shared.ask(request.url, async () => domainStats(fleet, fleet.locate(nameOf(request)).entry)),
  );
  app.get('/node', async ({ url }) => shared.ask(url, nodeView));
  app.get('/resources', async ({ url }) =>
    shared.ask(url, async () => {
      const { value: host } = await readHostConfig(services.places);
      return resourcesView({ fleet, neighbours, host });
    }),
  );
  app.get('/drain', async (request) => {
    const { domain } = check(domainQuery, request.query);
    return shared.ask(request.url, () => drainView(fleet, domain === undefined ? null : fleet.locate(domain).entry));
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
function addHardware(app: FastifyInstance, { fleet, hardware, connections }: Daemon): void {
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
    return sendMonitorCommand(fleet.locate(nameOf(request)), body, connections.requesterOf(request.raw));
  });
}

function addVerbs(app: FastifyInstance, daemon: Daemon): void {
  const { starter, verbs, connections, stop } = daemon;
  app.post('/domains', async (request) => verbs.define(check(defineRequest, request.body)));
  app.post('/domains/create', async (request) =>
    verbs.create(check(createRequest, request.body), {
      requester: connections.requesterOf(request.raw),
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
      requester: connections.requesterOf(request.raw),
      signal: callerSignal(request),
    };
    if (body.force && !body.dryRun) await authorize(daemon, 'forceStart', request.raw);
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
  if (isTooLarge(error))
    return new DomctlError('USAGE', `the request is longer than ${bodyLimitBytes / 1024 ** 2} MiB`, { cause: error });
  const status = statusOf(error);
  if (error instanceof DomctlError || status >= 500 || !(error instanceof Error)) return asDomctlError(error);
  return new DomctlError('USAGE', error.message, { cause: error });
}

function isTooLarge(error: unknown): boolean {
  return statusOf(error) === 413;
}

function statusOf(error: unknown): number {
  return error instanceof Error && 'statusCode' in error ? Number(error.statusCode) : 500;
}
