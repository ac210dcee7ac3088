/** This process's terminal while bytes go through it raw: it is put back however the process ends, SIGKILL apart. */
import { constants } from 'node:os';

/** Puts the terminal, if there is one, into raw mode; the returned function puts it back, any number of times. */
export function rawTerminal(): () => void {
  const { stdin } = process;
  const leave = leaveOnSignal();
  if (stdin.isTTY) stdin.setRawMode(true);
  const restore = (): void => {
    if (stdin.isTTY && stdin.isRaw) stdin.setRawMode(false);
    process.removeListener('exit', restore);
    leave();
  };
  process.on('exit', restore);
  return restore;
}

/** A signal's usual end would not pass by the `exit` event. */
function leaveOnSignal(): () => void {
  const signals = ['SIGTERM', 'SIGHUP', 'SIGQUIT'] as const;
  const exit = (signal: NodeJS.Signals): void => process.exit(128 + constants.signals[signal]);
  for (const signal of signals) process.on(signal, exit);
  return () => {
    for (const signal of signals) process.removeListener(signal, exit);
  };
}
