/**
 * The API as an OpenAPI 3.1 document: one entry of `operations` a route. Requests come from the schemas that check them,
 * answers from the types of the contract (`npm run openapi` writes both to docs/openapi.json, which is what is served).
 * A route without an entry here, or an entry without a route, fails unit/daemon/openapi.test.ts.
 */
import { z } from 'zod';
import { apiVersion } from '../client/contract.ts';
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

/** A JSON Schema, draft 2020-12. */
export type JsonSchema = Readonly<Record<string, unknown>>;

export interface Operation {
  readonly summary: string;
  /** Query parameters, as an object schema. */
  readonly query?: z.ZodObject;
  readonly request?: z.ZodType;
  /** Of a success. */
  readonly answer: { readonly contentType: string; readonly schema: JsonSchema };
}

const json = (schema: JsonSchema): Operation['answer'] => ({ contentType: 'application/json', schema });
const text = (contentType: string): Operation['answer'] => ({ contentType, schema: { type: 'string' } });
/** Of what a domain has: of its definition, even while it runs. */
const whichDefinition = z.object({ inactive: z.enum(['true', 'false']).optional() });
/** A type that lib/client/contract.ts, figures.ts or hardware.ts exports. */
const named = (type: string): JsonSchema => ({ $ref: `#/components/schemas/${type}` });
const listOf = (type: string): JsonSchema => ({ type: 'array', items: named(type) });

const stopAnswer = { type: 'object', properties: { stopping: { const: true } }, required: ['stopping'] };

/** By `METHOD /path`, a parameter as `{name}`. */
export const operations: Readonly<Record<string, Operation>> = {
  'GET /metrics': { summary: 'Metrics, as Prometheus reads them', answer: text('text/plain') },
  'GET /v1/openapi.json': { summary: 'This document', answer: json({ type: 'object' }) },
  'GET /v1/version': { summary: 'The daemon itself', answer: json(named('VersionAnswer')) },
  'GET /v1/domains': { summary: 'Every domain', answer: json(listOf('DomainRow')) },
  'POST /v1/domains': {
    summary: 'Define a domain, or redefine it',
    request: defineRequest,
    answer: json(named('DefineAnswer')),
  },
  'GET /v1/domains/{domain}': { summary: 'One domain and its incarnations', answer: json(named('DomainInfo')) },
  'POST /v1/domains/create': {
    summary: 'Start a transient domain: it goes with its incarnation',
    request: createRequest,
    answer: json(named('StartAnswer')),
  },
  'DELETE /v1/domains/{domain}': {
    summary: 'Remove the definition',
    query: z.object({ nvram: z.enum(['keep', 'remove']).optional(), tpm: z.enum(['keep', 'remove']).optional() }),
    answer: json(named('UndefineAnswer')),
  },
  'POST /v1/domains/{domain}/autostart': {
    summary: 'Whether it is started with the host',
    request: autostartRequest,
    answer: json(named('AutostartAnswer')),
  },
  'GET /v1/domains/{domain}/policy': {
    summary: 'Its policy, value by value, and what a start would come to now',
    answer: json(named('PolicyExplanation')),
  },
  'GET /v1/domains/{domain}/stats': { summary: 'Its figures', answer: json(named('DomainStats')) },
  'POST /v1/domains/{domain}/reboot': {
    summary: 'Ask the guest to reboot',
    request: rebootRequest,
    answer: json(named('GuestAnswer')),
  },
  'POST /v1/domains/{domain}/reset': { summary: 'Press the reset button', answer: json(named('GuestAnswer')) },
  'POST /v1/domains/{domain}/suspend': { summary: 'Hold the guest', answer: json(named('GuestAnswer')) },
  'POST /v1/domains/{domain}/resume': { summary: 'Let it go on', answer: json(named('GuestAnswer')) },
  'POST /v1/domains/{domain}/recover': {
    summary: 'Read the facts of a lost incarnation again',
    answer: json(named('GuestAnswer')),
  },
  'GET /v1/domains/{domain}/xml': {
    summary: 'Domain XML: of the live incarnation, else the definition',
    query: whichDefinition.extend({ securityInfo: z.enum(['true', 'false']).optional() }),
    answer: text('application/xml'),
  },
  'GET /v1/domains/{domain}/blocks': {
    summary: 'Its disks: of the live incarnation, else of the definition',
    query: whichDefinition,
    answer: json(listOf('BlockRow')),
  },
  'GET /v1/domains/{domain}/interfaces': {
    summary: 'Its network cards, likewise',
    query: whichDefinition,
    answer: json(listOf('InterfaceRow')),
  },
  'POST /v1/domains/{domain}/memory': {
    summary: 'Give its guest that much of its memory',
    request: memoryRequest,
    answer: json(named('MemoryAnswer')),
  },
  'POST /v1/domains/{domain}/monitor': {
    summary: 'Send its hypervisor a QMP command, at your own risk',
    request: monitorRequest,
    answer: json(named('MonitorAnswer')),
  },
  'POST /v1/domains/{domain}/start': {
    summary: 'Start or force-start; a dry run tells whether it would be admitted',
    request: startRequest,
    answer: json(named('StartAnswer')),
  },
  'DELETE /v1/domains/{domain}/start': {
    summary: 'Take a queued start out of the queue',
    answer: json(named('CancelAnswer')),
  },
  'POST /v1/domains/{domain}/shutdown': {
    summary: 'Ask the guest to shut down',
    request: shutdownRequest,
    answer: json(named('StopAnswer')),
  },
  'POST /v1/domains/{domain}/destroy': {
    summary: 'SIGTERM, then SIGKILL',
    request: destroyRequest,
    answer: json(named('StopAnswer')),
  },
  'GET /v1/resources': { summary: "The host's memory, as accounted for", answer: json(named('ResourcesAnswer')) },
  'GET /v1/node': { summary: "The host's processors and memory", answer: json(named('NodeAnswer')) },
  'GET /v1/events': {
    summary: 'Events from now on, or after one; as server-sent events',
    query: z.object({
      domain: z.string().optional(),
      event: z.string().optional(),
      since: z.string().optional(),
      sinceMs: z.string().optional(),
      follow: z.enum(['true', 'false']).optional(),
    }),
    answer: text('text/event-stream'),
  },
  'GET /v1/drain': {
    summary: 'Memory coming back',
    query: z.object({ domain: z.string().optional() }),
    answer: json(named('DrainAnswer')),
  },
  'POST /v1/daemon/stop': { summary: 'End the daemon; machines go on', answer: json(stopAnswer) },
};

/** The document; `types` are the contract's types as JSON Schema, with references between them as `#/definitions/NAME`. */
export function describeApi(types: Readonly<Record<string, JsonSchema>>): JsonSchema {
  const paths: Record<string, Record<string, JsonSchema>> = {};
  for (const [route, operation] of Object.entries(operations)) {
    const [method = '', path = ''] = route.split(' ');
    paths[path] = { ...paths[path], [method.toLowerCase()]: describe(path, operation) };
  }
  const document = {
    openapi: '3.1.0',
    info: {
      title: 'domctl',
      version: apiVersion,
      description: 'Bytes are integers, times ISO 8601 or ...Ms; null is unknown, or none.',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url: 'http://domctl', description: 'unix socket, /run/domctl/domctld.sock' }],
    paths,
    components: { schemas: types },
  };
  return JSON.parse(
    JSON.stringify(document).replaceAll('"#/definitions/', '"#/components/schemas/'),
  ) as typeof document;
}

function describe(path: string, { summary, query, request, answer }: Operation): JsonSchema {
  const parameters = [...pathParameters(path), ...(query ? queryParameters(query) : [])];
  const required = request?.safeParse({}).success === false;
  const body = request && { required, content: { 'application/json': { schema: schemaOf(request) } } };
  return {
    summary,
    ...(parameters.length > 0 ? { parameters } : {}),
    ...(body ? { requestBody: body } : {}),
    responses: {
      200: { description: 'done', content: { [answer.contentType]: { schema: answer.schema } } },
      default: {
        description: 'refused or failed',
        content: { 'application/json': { schema: named('ErrorEnvelope') } },
      },
    },
  };
}

function pathParameters(path: string): JsonSchema[] {
  return [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => ({
    name,
    in: 'path',
    required: true,
    schema: { type: 'string' },
    ...(name === 'domain' ? { description: 'Name, UUID, or id of an incarnation' } : {}),
  }));
}

function queryParameters(query: z.ZodObject): JsonSchema[] {
  return Object.entries(query.shape).map(([name, schema]) => ({
    name,
    in: 'query',
    required: false,
    schema: schemaOf(schema as z.ZodType),
  }));
}

/** As it is sent: what has a default may be left out. */
function schemaOf(schema: z.ZodType): JsonSchema {
  const { $schema: _draft, ...rest } = z.toJSONSchema(schema, { io: 'input' });
  return rest;
}
