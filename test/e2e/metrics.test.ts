/** GET /metrics: what Prometheus reads, held against the daemon's own answers. */
import { rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { expect, test } from 'vitest';
import type { ResourcesAnswer } from '../../lib/client/contract.ts';
import { eventually } from './facts.ts';
import { createHost, describeEndToEnd, type Host } from './harness.ts';

async function scrape(host: Host): Promise<{ type: string | undefined; body: string }> {
  return new Promise((resolve, reject) => {
    const sent = request({ socketPath: host.socket, path: '/metrics' }, (response) => {
      let body = '';
      response.on('data', (chunk: Buffer) => (body += chunk.toString()));
      response.on('end', () => resolve({ type: response.headers['content-type'], body }));
    });
    sent.on('error', reject);
    sent.end();
  });
}

const sample =
  /^([a-zA-Z_:][a-zA-Z0-9_:]*)(\{(?:[a-zA-Z_]\w*="(?:[^"\\]|\\.)*",?)*\})? (-?[\d.]+(?:e[+-]?\d+)?|NaN|[+-]Inf)$/;

/** Samples by name and labels, every line checked against the text format 0.0.4: a type before the first, none twice. */
function parse(text: string): Map<string, number> {
  const samples = new Map<string, number>();
  const types = new Set<string>();
  for (const line of text.trimEnd().split('\n').filter(Boolean)) {
    const type = /^# TYPE (\S+) (?:counter|gauge|histogram|summary)$/.exec(line);
    if (type) {
      expect(types).not.toContain(type[1]);
      types.add(type[1]!);
    } else if (!line.startsWith('# HELP ')) {
      const [, name, labels = '', value] = sample.exec(line) ?? [];
      expect(name, line).toBeDefined();
      expect(types.has(name!) || types.has(name!.replace(/_(bucket|sum|count)$/, '')), line).toBe(true);
      expect(samples.has(`${name}${labels}`), line).toBe(false);
      samples.set(`${name}${labels}`, Number(value));
    }
  }
  return samples;
}

describeEndToEnd('metrics', () => {
  test('are the figures of the ledger, and count what happened', async () => {
    await using host = await createHost();
    await host.run({ name: 'db1', emulator: host.oddQemu('polite') });
    await host.define({ name: 'off' });
    expect((await host.domctl(['start', 'db1'])).exit).toBe(4);
    await host.domctl(['force-start', 'db1', '--dry-run']);
    const { type, body } = await scrape(host);
    expect(type).toBe('text/plain; version=0.0.4; charset=utf-8');
    const metrics = parse(body);
    const { memory } = await host.json<ResourcesAnswer>('resources');
    expect(metrics.get('domctl_host_memory_bytes')).toBe(memory!.totalBytes);
    expect(metrics.get('domctl_promised_bytes')).toBe(memory!.promisedLiveBytes);
    expect(metrics.get('domctl_reserve_bytes')).toBe(memory!.reserveBytes);
    expect(metrics.get('domctl_domains{state="running"}')).toBe(1);
    expect(metrics.get('domctl_domains{state="shut off"}')).toBe(1);
    expect(metrics.get('domctl_incarnations_started_total')).toBe(1);
    expect(metrics.get('domctl_start_refusals_total{verb="start",code="DOMAIN_ACTIVE"}')).toBe(1);
    expect([...metrics.keys()].filter((key) => key.includes('force-start'))).toEqual([]);
    // Nothing drains: there is no rate, and none is said.
    expect(metrics.has('domctl_drain_rate_bytes_per_second')).toBe(false);
    expect(metrics.get('process_start_time_seconds')).toBeGreaterThan(1e9);
    await host.ok('destroy', 'db1', '--wait');
    const after = parse((await scrape(host)).body);
    expect(after.get('domctl_incarnations_ended_total{outcome="destroyed"}')).toBe(1);
    expect(after.get('domctl_drain_duration_seconds_count')).toBe(1);
    expect(after.get('domctl_domains{state="running"}')).toBeUndefined();
  });

  test('what cannot be known is absent, not zero, and the rest is there', async () => {
    await using host = await createHost();
    await host.define({ name: 'db1' });
    host.writeHostYaml('nonsense: [');
    const metrics = parse((await scrape(host)).body);
    expect([...metrics.keys()].filter((key) => /capacity|reserve|promise/.test(key))).toEqual([]);
    expect(metrics.get('domctl_domains{state="shut off"}')).toBe(1);
  });
});

describeEndToEnd('a refused autostart', () => {
  test('is told as an event, and counted', async () => {
    await using host = await createHost();
    const image = host.image('a.img');
    await host.define({ name: 'a', disks: [image] });
    await host.ok('autostart', 'a');
    rmSync(image);
    await host.stopDaemon();
    writeFileSync(host.at('state/autostarted'), 'another boot');
    await host.nextDaemon();
    const sentence = /event 'autostart-refused' for domain 'a': .*a\.img .* does not exist/;
    await eventually('it is told', async () => sentence.test(await host.ok('event', '--since', '1h')));
    const { body } = await scrape(host);
    expect(parse(body).get('domctl_start_refusals_total{verb="start",code="HOST_LACKS"}')).toBe(1);
  });
});
