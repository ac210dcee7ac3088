/** The daemon's HTTP on its socket, as curl or another program uses it. */
import { request } from 'node:http';
import { connect } from 'node:net';
import { expect, test } from 'vitest';
import { eventually, isAlive } from './facts.ts';
import { createHost, describeEndToEnd, type Host } from './harness.ts';

interface Answer {
  readonly status: number | undefined;
  readonly type: string | undefined;
  readonly body: string;
}

async function http(host: Host, method: string, path: string, body?: unknown): Promise<Answer> {
  const text = typeof body === 'string' ? body : body === undefined ? undefined : JSON.stringify(body);
  return new Promise((resolve, reject) => {
    const headers = text === undefined ? {} : { 'content-type': 'application/json' };
    const sent = request({ socketPath: host.socket, method, path, headers }, (response) => {
      let said = '';
      response.on('data', (chunk: Buffer) => (said += chunk.toString()));
      response.on('end', () =>
        resolve({ status: response.statusCode, type: response.headers['content-type'], body: said }),
      );
    });
    sent.on('error', reject);
    sent.end(text);
  });
}

describeEndToEnd('API', () => {
  test('is plain HTTP with JSON on a socket that only root may use', async () => {
    await using host = await createHost();
    await host.define({ name: 'db1' });
    const list = await http(host, 'GET', '/v1/domains');
    expect(list).toMatchObject({ status: 200, type: expect.stringContaining('application/json') });
    expect(JSON.parse(list.body)).toMatchObject([{ name: 'db1', state: 'shut off' }]);
    expect(JSON.parse((await http(host, 'GET', '/v1/version')).body)).toMatchObject({ name: 'domctl', api: 'v1' });
    const xml = await http(host, 'GET', '/v1/domains/db1/xml');
    expect(xml).toMatchObject({ status: 200, type: 'application/xml' });
    expect(xml.body).toContain('<name>db1</name>');
  });

  test('answers every refusal with its HTTP status and an envelope, and changes nothing', async () => {
    await using host = await createHost();
    await host.define({ name: 'db1' });
    const before = await host.snapshot();
    for (const [why, status, code, method, path, body] of [
      ['no such domain', 404, 'NO_SUCH_DOMAIN', 'GET', '/v1/domains/none', undefined],
      ['a state that forbids it', 409, 'DOMAIN_NOT_RUNNING', 'POST', '/v1/domains/db1/destroy', {}],
      ['an unknown field', 400, 'USAGE', 'POST', '/v1/domains/db1/start', { forse: true }],
      ['an unknown field', 400, 'USAGE', 'POST', '/v1/domains/db1/destroy', { wait: 'off', kill: true }],
      ['a wrong type', 400, 'USAGE', 'POST', '/v1/domains/db1/start', { force: 'yes' }],
      ['a wrong number', 400, 'USAGE', 'POST', '/v1/domains/db1/start', { timeoutMs: -1 }],
      ['a wrong word', 400, 'USAGE', 'POST', '/v1/domains/db1/destroy', { wait: 'never' }],
      ['not JSON', 400, 'USAGE', 'POST', '/v1/domains/db1/start', '{"force":'],
      ['invalid XML', 422, 'INVALID_XML', 'POST', '/v1/domains', { file: 'x', xml: '<domain' }],
      ['no XML', 400, 'USAGE', 'POST', '/v1/domains', { file: 'x' }],
      ['no such route', 404, 'USAGE', 'GET', '/v1/nothing', undefined],
      ['no such version', 404, 'USAGE', 'GET', '/v9/domains', undefined],
      ['a name that climbs', 404, 'NO_SUCH_DOMAIN', 'GET', '/v1/domains/..%2F..%2Fetc', undefined],
    ] as const) {
      const answer = await http(host, method, path, body);
      expect.soft(answer.status, why).toBe(status);
      expect.soft(JSON.parse(answer.body), why).toMatchObject({
        error: { code, exit: expect.any(Number), message: expect.any(String), details: expect.any(Object) },
      });
    }
    expect(await host.snapshot()).toEqual(before);
  });

  test('refuses a body that is too large by its announced length, before it is sent', async () => {
    await using host = await createHost();
    await host.ok('daemon', 'start');
    const socket = connect(host.socket);
    const head = ['POST /v1/domains HTTP/1.1', 'host: x', 'content-type: application/json', 'content-length: 17825792'];
    socket.write(`${head.join('\r\n')}\r\n\r\n`);
    let said = '';
    socket.on('data', (chunk: Buffer) => (said += chunk.toString()));
    await eventually('the answer is whole', () => said.endsWith('}}'));
    socket.destroy();
    expect(said).toMatch(/^HTTP\/1\.1 413 /);
    expect(said).toContain('"code":"USAGE"');
    expect(said).toContain('the request is longer than 16 MiB');
  });

  test('a caller that hangs up does not undo a destroy', async () => {
    await using host = await createHost({ policies: { quick: { destroy: { killAfter: '1s' } } } });
    const { pid } = await host.run({ name: 'db1', emulator: host.oddQemu('stubborn'), policy: 'quick' });
    const socket = connect(host.socket);
    socket.write(
      'POST /v1/domains/db1/destroy HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 14\r\n\r\n{"wait":"off"}',
    );
    await host.becomes('db1', 'exiting');
    socket.destroy();
    expect((await host.becomes('db1', 'shut off')).lastOutcome).toMatchObject({ kind: 'destroyed', rung: 'SIGKILL' });
    expect(isAlive(pid!)).toBe(false);
  });

  test('a caller that hangs up cancels its queued start, and no other', async () => {
    await using host = await createHost();
    const { pid } = await host.run({ name: 'db1', shared: true });
    const holder = await host.holdMemory(pid!);
    await host.ok('destroy', 'db1');
    const socket = connect(host.socket);
    socket.write(
      'POST /v1/domains/db1/start HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 13\r\n\r\n{"wait":true}',
    );
    const queued = async (wanted: boolean): Promise<unknown> =>
      eventually(`queued: ${wanted}`, async () => (await host.info('db1')).queuedStart === wanted);
    await queued(true);
    socket.destroy();
    await queued(false);
    const second = host.begin(['start', 'db1', '--wait']);
    await queued(true);
    await holder.letGo();
    expect((await second.done).exit).toBe(0);
  });

  test('nonsense on the socket ends neither the daemon nor a machine', async () => {
    await using host = await createHost();
    await host.run({ name: 'db1', emulator: host.oddQemu('polite') });
    const daemon = await host.daemonPid();
    const socket = connect(host.socket);
    socket.on('error', () => undefined);
    socket.resume();
    socket.end(Buffer.from([0, 1, 2, 255, 254, 10, 10, 0]));
    await new Promise((resolve) => socket.once('close', resolve));
    expect(await host.daemonPid()).toBe(daemon);
    expect(await host.state('db1')).toBe('running');
  });
});
