import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { connectRunning } from '../../client/autostart.ts';
import { packageDir, placesEnvironment } from '../../places.ts';
import { type Context, defineVerb } from '../command.ts';

export const daemon = defineVerb({
  usage: 'daemon <action>',
  describe: 'Start, stop or ask for the daemon; stopping it ends no virtual machine',
  examples: [
    ['domctl daemon run', 'in the foreground, log on stderr'],
    ['domctl daemon stop', 'VMs go on; the next command starts it again'],
  ],
  build: (yargs) => yargs.positional('action', { choices: ['run', 'start', 'stop', 'status'] as const, demandOption: true, describe: 'What to do' }),
  async run({ action }, context) {
    if (action === 'run') return runInForeground(context);
    if (action === 'start') await context.connect();
    const client = await connectRunning(context.places);
    if (action === 'stop') await client?.stopDaemon();
    const about = client ? await client.version().catch(() => null) : null;
    context.say(describeDaemon(action, client !== null, about?.pid ?? null));
    context.answer({ running: action !== 'stop' && client !== null, pid: action === 'stop' ? null : (about?.pid ?? null) });
    return 0;
  },
});

function describeDaemon(action: string, running: boolean, pid: number | null): string {
  if (!running) return 'domctld is not running';
  return action === 'stop' ? 'domctld stopped; virtual machines go on' : `domctld is running (pid ${pid})`;
}

async function runInForeground(context: Context): Promise<number> {
  const child = spawn(process.execPath, [join(packageDir(), 'dist/domctld.cjs')], {
    env: { ...process.env, ...placesEnvironment(context.places) },
    stdio: 'inherit',
  });
  // A signal of the terminal reaches both; the child ends first.
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => child.kill(signal));
  return new Promise((resolve) => {
    child.once('exit', (code) => {
      resolve(code ?? 1);
    });
  });
}
