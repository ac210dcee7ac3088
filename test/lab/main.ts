/**
 * `npm run lab -- CMD ARGS...`: runs a command in a lab, and ends as it ends; 128 and the signal's number after a signal.
 * Exit 8: no lab can be had here. Exit 255: the lab died under the command. DOMCTL_LAB_MEMORY is the lab's memory in MiB.
 */
import { constants } from 'node:os';
import { bootLab } from './machine.ts';
import { LabError } from './site.ts';

const usageExit = 2;
const lacksExit = 8;
const diedExit = 255;
/** For a command that was asked to end. */
const patienceMs = 10_000;

/** What a signal to us does; later it goes to the command. */
let onSignal: (signal: NodeJS.Signals) => void;

const argv = process.argv.slice(2);
if (argv.length === 0) {
  process.stderr.write('usage: npm run lab -- COMMAND ARGUMENT...\n');
  process.exitCode = usageExit;
} else {
  process.exitCode = await runInLab();
}

async function runInLab(): Promise<number> {
  const ending = new AbortController();
  const endedBy = new Promise<number>((resolve) => {
    onSignal = (signal) => {
      ending.abort();
      resolve(128 + constants.signals[signal]);
    };
  });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGUSR1', 'SIGUSR2'] as const)
    process.on(signal, () => {
      onSignal(signal);
    });
  try {
    return await runBooted(ending.signal);
  } catch (error) {
    if (ending.signal.aborted) return endedBy;
    if (!(error instanceof LabError)) throw error;
    process.stderr.write(`lab: ${error.message}\nhint: ${error.hint}\n`);
    return lacksExit;
  }
}

async function runBooted(signal: AbortSignal): Promise<number> {
  const memory = Number(process.env['DOMCTL_LAB_MEMORY']);
  await using lab = await bootLab({ signal, ...(memory > 0 ? { memoryMiB: memory } : {}) });
  const command = lab.run(argv, process);
  onSignal = (name) => {
    command.kill(constants.signals[name]);
    if (name === 'SIGINT' || name === 'SIGTERM') setTimeout(() => void lab.close(), patienceMs).unref();
  };
  try {
    const end = await command.end;
    return end.code ?? 128 + (end.signal ?? 0);
  } catch (error) {
    process.stderr.write(`lab: it died under the command: ${error instanceof Error ? error.message : String(error)}\n`);
    return diedExit;
  }
}
