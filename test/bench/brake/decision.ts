/** How long a decision takes on a host of a thousand domains: the ledger drawn up and asked, as for each start. */
import { decide, type ForceStartRule, type StartRequest } from '../../../lib/admission/decision.ts';
import { drawUp, type LedgerEntry } from '../../../lib/admission/ledger.ts';
import { known } from '../../../lib/reading.ts';
import { median, quantile } from '../statistics.ts';

const GiB = 2 ** 30;
const domains = 1000;
const times = 5000;
const warmUp = 500;

const host = known({ totalBytes: 4096 * GiB, availableBytes: 1000 * GiB, hugePoolBytes: 0 });
const rule: ForceStartRule = {
  ...{ allow: true, maxShortfallBytes: 100 * GiB, maxPredecessors: 1 },
  ...{ maxDrainTimeMs: 60_000, maxPressurePercent: 10 },
};

/** Every tenth drains. */
const entries: readonly LedgerEntry[] = Array.from({ length: domains }, (_, index) => ({
  incarnation: index + 1,
  domain: `vm${index}`,
  phase: index % 10 === 0 ? 'draining' : 'live',
  promisedBytes: 3 * GiB,
  held: known(2 * GiB),
}));

const request: StartRequest = {
  ...{ domain: 'vm0', verb: 'force-start', promisedBytes: 64 * GiB, overheadBytes: GiB },
  ...{ class: 'lazy', ownDraining: [1] },
};

/** Prints the median and the slowest of a hundred. */
export async function decision(): Promise<void> {
  const took: number[] = [];
  for (let count = 0; count < times + warmUp; count += 1) {
    const begin = process.hrtime.bigint();
    const { refusal } = decide(drawUp(host, { overcommit: 1, reserveBytes: 80 * GiB }, entries), request, rule, {
      drainRateBytes: 20 * GiB,
      pressurePercent: known(0),
    });
    const us = Number(process.hrtime.bigint() - begin) / 1000;
    if (refusal) throw new Error(`the decision of the bench is a refusal: ${refusal.code}`);
    if (count >= warmUp) took.push(us);
  }
  const text = `${median(took).toFixed(0)} us median, ${quantile(took, 0.99).toFixed(0)} us p99, n = ${times}`;
  process.stdout.write(`decision with ${domains} domains: ${text}\n`);
  return Promise.resolve();
}
