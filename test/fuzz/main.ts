/**
 * `npm run fuzz -- [COUNT [FIRST]]`: that many hostile texts, the first of seed FIRST. Ends with 1 at the first text that is neither
 * read nor refused as it should be, or that takes longer than half a minute; its seed and text are printed.
 */
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { hostileText } from './hostile.ts';
import { judge } from './judge.ts';

interface Work {
  readonly count: number;
  readonly first: number;
  /** One number: the seed at work. */
  readonly at: SharedArrayBuffer;
}

const looksEveryMs = 1000;
const patienceMs = 30_000;
const tellsEvery = 10_000;

if (isMainThread) await watch();
else run(workerData as Work);

/** The texts are judged in a thread: one that never ends is seen from here. */
async function watch(): Promise<void> {
  const [count = 200_000, first = 0] = process.argv.slice(2).map(Number);
  if (![count, first].every(Number.isSafeInteger)) throw new Error('usage: npm run fuzz -- [COUNT [FIRST]]');
  const at = new SharedArrayBuffer(4);
  const worker = new Worker(new URL(import.meta.url), { workerData: { count, first, at } satisfies Work });
  worker.on('message', (line: string) => process.stdout.write(`${line}\n`));
  const guard = setInterval(stopWhenStuck(new Int32Array(at)), looksEveryMs);
  process.exitCode = await new Promise<number>((resolve, reject) => worker.on('exit', resolve).on('error', reject));
  clearInterval(guard);
}

function stopWhenStuck(at: Int32Array): () => void {
  let seed = -1;
  let sinceMs = 0;
  return () => {
    const now = Atomics.load(at, 0);
    sinceMs = now === seed ? sinceMs + looksEveryMs : 0;
    seed = now;
    if (sinceMs < patienceMs) return;
    process.stderr.write(`seed ${seed} has not ended after ${patienceMs / 1000} s:\n${hostileText(seed)}\n`);
    process.exit(1);
  };
}

function run({ count, first, at }: Work): void {
  const current = new Int32Array(at);
  let read = 0;
  for (let seed = first; seed < first + count; seed += 1) {
    Atomics.store(current, 0, seed);
    read += judgeSeed(seed) ? 1 : 0;
    const done = seed - first + 1;
    if (done % tellsEvery === 0 || done === count) parentPort?.postMessage(`${done} texts, ${read} of them read`);
  }
}

/** Throws with the seed, after which the text is found again. */
function judgeSeed(seed: number): boolean {
  try {
    return judge(hostileText(seed));
  } catch (error) {
    throw new Error(`seed ${seed}:\n${hostileText(seed)}`, { cause: error });
  }
}
