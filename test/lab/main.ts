/** `npm run lab -- CMD ARGS...`: runs a command in a lab, and ends as it ends. */
import { constants } from 'node:os';
import { bootLab, LabError } from './machine.ts';

/** As a shell has it: the host lacks something; the lab died under the command. */
const lacksExit = 8;
const diedExit = 255;
/** For a command that was asked to end. */
const patienceMs = 10_000;

const argv = process.argv.slice(2);
if (argv.length === 0) {
  process.stderr.write('usage: npm run lab -- COMMAND ARGUMENT...\n');
  process.exit(2);
}
const ending = new AbortController();
let onSignal = (signal: NodeJS.Signals): void => {
  ending.abort();
  process.exitCode = 128 + constants.signals[signal];
};
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGUSR1', 'SIGUSR2'] as const) process.on(signal, () => onSignal(signal));

try {
  process.exitCode = await runInLab();
} catch (error) {
  if (!ending.signal.aborted) tell(error);
}

async function runInLab(): Promise<number> {
  await using lab = await bootLab({ signal: ending.signal });
  const command = lab.run(argv, process);
  onSignal = (signal) => {
    command.kill(constants.signals[signal]);
    if (signal === 'SIGINT' || signal === 'SIGTERM') setTimeout(() => void lab.close(), patienceMs).unref();
  };
  const { code, signal } = await command.end.catch((error: unknown) => {
    tell(error);
    return { code: diedExit, signal: null };
  });
  return code ?? 128 + (signal ?? 0);
}

function tell(error: unknown): void {
  process.exitCode = lacksExit;
  if (!(error instanceof LabError)) throw error;
  process.stderr.write(`lab: ${error.message}\nhint: ${error.hint}\n`);
}
