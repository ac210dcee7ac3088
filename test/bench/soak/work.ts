/** What a soak does to a daemon: all of its domains at once, round by round, and one lifecycle after the other. */
import type { Client } from '../../../lib/client/client.ts';
import { descriptorsOf, residentBytes } from '../processes.ts';
import { median } from '../statistics.ts';
import type { Site } from './census.ts';

/** A small domain of that emulator. */
export function domainXml(name: string, emulator: string, memoryMiB: number): string {
  return `<domain type='qemu'>
  <name>${name}</name>
  <memory unit='MiB'>${memoryMiB}</memory>
  <vcpu>1</vcpu>
  <os><type arch='x86_64' machine='q35'>hvm</type></os>
  <devices><emulator>${emulator}</emulator></devices>
</domain>
`;
}

/** Names of as many domains. */
export function namesOf(prefix: string, count: number): string[] {
  return Array.from({ length: count }, (_, index) => `${prefix}${String(index + 1).padStart(4, '0')}`);
}

export async function defineAll(
  client: Client,
  names: readonly string[],
  xmlOf: (name: string) => string,
): Promise<void> {
  for (const name of names) await client.define({ file: name, xml: xmlOf(name) });
}

export interface Round {
  readonly startMs: number;
  readonly destroyMs: number;
  /** Domains that ran at the same time. */
  readonly running: number;
}

/** Starts all at the same time, then destroys all at the same time; `between` has them running. */
export async function runRound(
  { client }: Site,
  names: readonly string[],
  between: () => Promise<void> = async () => undefined,
): Promise<Round> {
  const began = performance.now();
  await Promise.all(names.map(async (name) => client.start(name, {})));
  const started = performance.now();
  const running = (await client.list()).filter(({ state }) => state === 'running').length;
  await between();
  const ending = performance.now();
  await Promise.all(names.map(async (name) => client.destroy(name, { wait: 'off' })));
  return { startMs: started - began, destroyMs: performance.now() - ending, running };
}

/** The daemon after so many lifecycles. */
export interface Sample {
  readonly lifecycles: number;
  readonly residentBytes: number;
  readonly descriptors: number;
}

const samples = 100;

/** Starts and destroys, the names in turn, each name's lifecycles one after the other; samples the daemon meanwhile. */
export async function runLifecycles(
  { client, pid }: Site,
  names: readonly string[],
  count: number,
  onSample: (sample: Sample) => void = () => undefined,
): Promise<Sample[]> {
  const every = Math.max(1, Math.floor(count / samples));
  const taken: Sample[] = [];
  let [begun, done] = [0, 0];
  await Promise.all(
    names.map(async (name) => {
      while (begun < count) {
        begun += 1;
        await client.start(name, {});
        await client.destroy(name, { wait: 'off' });
        done += 1;
        if (done % every !== 0) continue;
        const descriptors = descriptorsOf(pid).length;
        const sample = { lifecycles: done, residentBytes: residentBytes(pid), descriptors };
        taken.push(sample);
        onSample(sample);
      }
    }),
  );
  return taken;
}

/** Whether a daemon grows: medians of the first and the last quarter, and the line through all samples after the first quarter. */
export interface Growth {
  readonly firstQuarter: number;
  readonly lastQuarter: number;
  /** Per thousand lifecycles. */
  readonly slope: number;
}

/** Of one figure of the samples. */
export function growthOf(taken: readonly Sample[], figure: (sample: Sample) => number): Growth {
  const quarter = Math.ceil(taken.length / 4);
  const settled = taken.slice(quarter);
  return {
    firstQuarter: median(taken.slice(0, quarter).map(figure)),
    lastQuarter: median(taken.slice(-quarter).map(figure)),
    slope: 1000 * slope(settled.map((sample) => [sample.lifecycles, figure(sample)])),
  };
}

/** Of the line of least squares. */
function slope(points: readonly (readonly [x: number, y: number])[]): number {
  const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
  const [meanX, meanY] = [mean(points.map(([x]) => x)), mean(points.map(([, y]) => y))];
  const across = points.reduce((sum, [x, y]) => sum + (x - meanX) * (y - meanY), 0);
  return across / points.reduce((sum, [x]) => sum + (x - meanX) ** 2, 0);
}
