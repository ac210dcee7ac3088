/** Hosts that may promise so much and no more, whatever memory the machine of the test has: what is promised is not touched. */
import { MiB } from './facts.ts';
import type { Host } from './harness.ts';

const GiB = 1024 * MiB;
const overhead = { fixed: '16MiB', perVcpu: '1MiB', memory: '0%' };

/** A host.yaml by which the host may promise `capacityGiB`, give or take what other programs do. Starts the daemon. */
export async function mayPromise(host: Host, capacityGiB: number, more: object = {}): Promise<void> {
  host.writeHostYaml({ overhead });
  await host.ok('daemon', 'start');
  const { memory } = await host.client().resources();
  const neededBytes = capacityGiB * GiB + memory!.foreignBytes;
  const overcommit = 1 + Math.ceil(neededBytes / memory!.totalBytes);
  const reserveBytes = memory!.totalBytes * overcommit - neededBytes;
  host.writeHostYaml({ overhead, capacity: { overcommit, reserve: `${Math.floor(reserveBytes / MiB)}MiB` }, ...more });
}
