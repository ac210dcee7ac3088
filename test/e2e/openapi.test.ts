/** The API's description: current with the contract's types, and served as it is. Reading the types takes seconds. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { request } from 'node:http';
import { expect, test } from 'vitest';
import { createHost, describeEndToEnd } from './harness.ts';

const committed = readFileSync(new URL('../../docs/openapi.json', import.meta.url), 'utf8');

describeEndToEnd('the OpenAPI document', () => {
  test('is what the contract says now (npm run openapi)', () => {
    const fresh = execFileSync(process.execPath, ['test/setup/openapi.mjs', '--print'], { encoding: 'utf8' });
    expect(JSON.parse(committed)).toEqual(JSON.parse(fresh));
  });

  test('is served', async () => {
    await using host = await createHost();
    await host.ok('daemon', 'start');
    const body = await new Promise<string>((resolve, reject) => {
      const sent = request({ socketPath: host.socket, path: '/v1/openapi.json' }, (response) => {
        let said = '';
        response.on('data', (chunk: Buffer) => (said += chunk.toString()));
        response.on('end', () => resolve(said));
      });
      sent.on('error', reject).end();
    });
    expect(body).toBe(committed);
  });
});
