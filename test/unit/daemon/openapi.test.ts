/** The OpenAPI document has every route of the server, and no other; requests are described by the schemas that check them. */
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { Connections } from '../../../lib/daemon/connections.ts';
import { describeApi, operations } from '../../../lib/daemon/openapi.ts';
import { buildServer, type Daemon } from '../../../lib/daemon/server.ts';

interface Document {
  readonly openapi: string;
  readonly paths: Readonly<Record<string, Readonly<Record<string, object>>>>;
  readonly components: { readonly schemas: Readonly<Record<string, object>> };
}

const committed = JSON.parse(
  readFileSync(new URL('../../../docs/openapi.json', import.meta.url), 'utf8'),
) as unknown as Document;

/** `METHOD /path/{parameter}` of every route the server has. */
async function routes(): Promise<string[]> {
  // No route is called: what they reach need not be there.
  const app = buildServer({ services: {}, connections: new Connections() } as Daemon);
  const found: string[] = [];
  app.addHook('onRoute', ({ method, url }) => {
    if (method !== 'HEAD') found.push(`${String(method)} ${url.replace(/:(\w+)/g, '{$1}')}`);
  });
  await app.ready();
  await app.close();
  return found.sort();
}

test('every route has its operation, and every operation its route', async () => {
  expect(await routes()).toEqual(Object.keys(operations).sort());
});

test('the committed document has these operations and request schemas (npm run openapi)', () => {
  const { paths } = describeApi({}) as unknown as Document;
  expect(committed.openapi).toBe('3.1.0');
  expect(committed.paths).toEqual(paths);
});

test('every reference in it leads somewhere', () => {
  const names = [...JSON.stringify(committed).matchAll(/"\$ref":"#\/components\/schemas\/([^"]+)"/g)];
  expect(names.length).toBeGreaterThan(20);
  for (const [, name] of names) expect.soft(Object.keys(committed.components.schemas)).toContain(name);
});

test('a request is described as it is sent: what has a default may be left out', () => {
  const { requestBody } = committed.paths['/v1/domains/{domain}/start']!['post'] as {
    requestBody: { content: { 'application/json': { schema: Record<string, object> } } };
  };
  const { properties, required, additionalProperties } = requestBody.content['application/json'].schema;
  expect(Object.keys(properties!)).toEqual(['force', 'dryRun', 'paused', 'wait', 'timeoutMs']);
  expect({ required, additionalProperties }).toEqual({ required: undefined, additionalProperties: false });
});
