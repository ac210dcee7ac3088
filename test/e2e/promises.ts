/** Hosts that may promise so much and no more; what is promised is not touched. 20 GiB can be promised on a machine of 6. */
import { MiB } from './facts.ts';
import type { Host } from './harness.ts';

const GiB = 1024 * MiB;
/** As much as host.yaml takes. */
const overcommit = 4;
const overhead = { fixed: '16MiB', perVcpu: '1MiB', memory: '0%' };

/** A host.yaml by which the host may promise `capacityGiB`, give or take what other programs do. Starts the daemon. */
export async function mayPromise(host: Host, capacityGiB: number, more: object = {}): Promise<void> {
  host.writeHostYaml({ overhead });
  await host.ok('daemon', 'start');
  const { memory } = await host.client().resources();
  const reserveBytes = memory!.totalBytes * overcommit - memory!.foreignBytes - capacityGiB * GiB;
  host.writeHostYaml({ overhead, capacity: { overcommit, reserve: `${Math.floor(reserveBytes / MiB)}MiB` }, ...more });
}
