import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { connectRunning, daemonEnvironment } from '../../client/autostart.ts';
import type { Client } from '../../client/client.ts';
import { DomctlError } from '../../errors.ts';
import { packageDir } from '../../places.ts';
import { type Context, defineVerb } from '../command.ts';

const stopDeadlineMs = 10_000;
const lookEveryMs = 10;
const notRunning = 'domctld is not running';

export const daemon = defineVerb({
  usage: 'daemon <action>',
  describe: 'Start, stop or ask for the daemon; stopping it ends no virtual machine',
  examples: [
    ['domctl daemon run', 'in the foreground, log on stderr'],
    ['domctl daemon stop', 'VMs go on; the next command starts it again'],
  ],
  build: (yargs) =>
    yargs.positional('action', {
      choices: ['run', 'start', 'stop', 'status'] as const,
      demandOption: true,
      describe: 'What to do',
    }),
  run: async ({ action }, context) => actions[action](context),
});

const actions = {
  run: runInForeground,
  async start(context: Context) {
    await context.connect();
    return actions.status(context);
  },
  async stop(context: Context) {
    const client = await connectRunning(context.places);
    if (client) await stop(client, (await client.version()).pid);
    context.say(client ? 'domctld stopped; virtual machines go on' : notRunning);
    context.answer({ running: false, pid: null });
    return 0;
  },
  async status(context: Context) {
    const client = await connectRunning(context.places);
    const pid = client && (await client.version()).pid;
    context.say(pid === null ? notRunning : `domctld is running (pid ${pid})`);
    context.answer({ running: pid !== null, pid });
    return 0;
  },
};

/** Returns when it is gone: the next command must not meet one that is closing. */
async function stop(client: Client, pid: number): Promise<void> {
  await client.stopDaemon();
  const deadlineMs = performance.now() + stopDeadlineMs;
  while (isRunning(pid)) {
    if (performance.now() > deadlineMs)
      throw new DomctlError('DEADLINE_PASSED', `domctld (pid ${pid}) has not ended yet`);
    await sleep(lookEveryMs);
  }
}

/** A zombie that nobody has reaped yet is gone. */
function isRunning(pid: number): boolean {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}

async function runInForeground(context: Context): Promise<number> {
  const child = spawn(process.execPath, [join(packageDir(), 'dist/domctld.cjs')], {
    env: daemonEnvironment(context.places),
    stdio: 'inherit',
  });
  // A signal of the terminal reaches both: the child's end is awaited, so the command's own way to end on Ctrl-C goes.
  process.removeAllListeners('SIGINT');
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => child.kill(signal));
  return new Promise((resolve) => {
    child.once('exit', (code) => {
      resolve(code ?? 1);
    });
  });
}
