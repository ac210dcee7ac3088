/** A host with a hypervisor that means no good, and a healthy domain beside it, which must notice nothing. */
import { expect } from 'vitest';
import { median } from '../bench/statistics.ts';
import { patient } from '../setup/slowness.ts';
import { isAlive } from './facts.ts';
import { createHost, type Host, type HostOptions } from './harness.ts';

/** Generous: what hangs takes ten seconds and more, what is only busy takes less. */
const undisturbedMs = 3000;
const rounds = 5;

/** How long a hypervisor has to end by itself, and what it leaves has after it. */
export const killAfterMs = 3000;

/** A host with two healthy domains defined, one of them running, and a short way from SIGTERM to SIGKILL. */
export async function createNeighbourhood(options: HostOptions = {}): Promise<Host> {
  const host = await createHost({
    policies: { quick: { destroy: { killAfter: `${killAfterMs}ms` } } },
    hostYaml: { defaultPolicy: 'quick', allowedPolicies: ['quick'], overhead: { fixed: '8MiB' } },
    ...options,
  });
  await host.nextDaemon();
  for (const name of ['healthy', 'other']) await defineLight(host, name);
  await host.client().start('healthy', {});
  return host;
}

/** Defines a domain whose hypervisor misbehaves as its name says, if that is the name of a behaviour. */
export async function defineLight(host: Host, name: string, devices = ''): Promise<void> {
  const xml = host.xml({ name, memoryMiB: 16, emulator: host.lightQemu() });
  await host.client().define({ file: name, xml: xml.replace('</devices>', `${devices}</devices>`) });
}

/** Asks after a healthy domain, and starts and ends another, again and again; fails when it is kept waiting. */
export async function expectUndisturbed(host: Host): Promise<void> {
  const client = host.client();
  const questions = {
    dominfo: async () => client.info('healthy'),
    list: async () => client.list(),
    resources: async () => client.resources(),
    start: async () => client.start('other', {}),
    destroy: async () => client.destroy('other', { wait: 'off' }),
  };
  for (const [name, times] of Object.entries(await askInTurn(questions, rounds)))
    expect.soft(median(times), `${name}: ${times.map(Math.round).join(' ')} ms`).toBeLessThan(patient(undisturbedMs));
  const { state, pid } = await client.info('healthy');
  expect(state).toBe('running');
  expect(isAlive(pid!)).toBe(true);
}

/** Each question `times` times, one after the other; how long each answer took, in milliseconds. */
export async function askInTurn(
  questions: Readonly<Record<string, () => Promise<unknown>>>,
  times: number,
): Promise<Record<string, number[]>> {
  const taken: Record<string, number[]> = {};
  for (let round = 0; round < times; round += 1) {
    for (const [name, ask] of Object.entries(questions)) {
      const began = performance.now();
      await ask();
      (taken[name] ??= []).push(performance.now() - began);
    }
  }
  return taken;
}
