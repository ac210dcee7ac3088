/**
 * Many well-formed clients at once, as a program of their own: `storm.ts '{"socket":..,"clients":..,"requests":..,"domains":[..]}'`. Each
 * has one connection and asks its next question as soon as the last one is answered. Prints one line of JSON: a `Storm`.
 */
import { Agent, request } from 'node:http';
import { quantile } from '../statistics.ts';

export interface StormOrder {
  readonly socket: string;
  readonly clients: number;
  /** In all. */
  readonly requests: number;
  readonly domains: readonly string[];
}

/** What came of it. */
export interface Storm {
  readonly answered: number;
  readonly seconds: number;
  /** How often each answer but 200 came, by its status or the error's code. */
  readonly failures: Readonly<Record<string, number>>;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

/** A question of each kind, by its number; most of them are what a monitor asks. */
function questionOf(number: number, domains: readonly string[]): string {
  const domain = domains[number % domains.length] ?? '';
  const kinds = [
    '/v1/domains',
    `/v1/domains/${domain}`,
    `/v1/domains/${domain}/stats`,
    '/v1/version',
    `/v1/events?follow=false&sinceMs=${Date.now()}`,
  ];
  return kinds[number % kinds.length] ?? '/v1/version';
}

async function ask(agent: Agent, socketPath: string, path: string): Promise<string> {
  return new Promise((resolve) => {
    const sent = request({ agent, socketPath, path }, (response) => {
      response.resume();
      response.once('end', () => resolve(String(response.statusCode)));
      response.once('error', (error) => resolve(error.message));
    });
    sent.once('error', (error) => resolve('code' in error ? String(error.code) : error.message));
    sent.end();
  });
}

async function run({ socket, clients, requests, domains }: StormOrder): Promise<Storm> {
  const failures: Record<string, number> = {};
  const latencies: number[] = [];
  let next = 0;
  const client = async (): Promise<void> => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    while (next < requests) {
      const path = questionOf(next++, domains);
      const began = performance.now();
      const status = await ask(agent, socket, path);
      latencies.push(performance.now() - began);
      if (status !== '200') failures[status] = (failures[status] ?? 0) + 1;
    }
    agent.destroy();
  };
  const began = performance.now();
  await Promise.all(Array.from({ length: clients }, client));
  const failed = Object.values(failures).reduce((sum, count) => sum + count, 0);
  const seconds = (performance.now() - began) / 1000;
  const [p50Ms, p99Ms] = [0.5, 0.99].map((share) => quantile(latencies, share));
  return { answered: latencies.length - failed, seconds, failures, p50Ms: p50Ms ?? NaN, p99Ms: p99Ms ?? NaN };
}

const [order] = process.argv.slice(2);
if (order !== undefined && process.argv[1]?.endsWith('storm.ts'))
  process.stdout.write(`${JSON.stringify(await run(JSON.parse(order) as StormOrder))}\n`);
