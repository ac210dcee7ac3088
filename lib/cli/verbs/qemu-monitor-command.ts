import { DomctlError } from '../../errors.ts';
import type { MonitorRequestBody } from '../../client/hardware.ts';
import { defineVerb } from '../command.ts';
import { asEscapes } from '../printable.ts';

export const qemuMonitorCommand = defineVerb({
  usage: 'qemu-monitor-command <domain> <command>',
  describe: 'Send one QMP command to the hypervisor of a domain, at your own risk; the log says who did',
  examples: [
    [`domctl qemu-monitor-command web1 '{"execute":"query-block"}' --pretty`, 'what QEMU knows of its disks'],
    ['domctl qemu-monitor-command web1 query-status', 'a command without arguments'],
  ],
  build: (yargs) =>
    yargs
      .positional('domain', { type: 'string', demandOption: true, describe: 'Name, UUID or id' })
      .positional('command', { type: 'string', demandOption: true, describe: 'As JSON, or its name alone' })
      .option('pretty', { type: 'boolean', default: false, describe: 'The answer over several lines' }),
  async run({ domain, command, pretty }, context) {
    const body = readCommand(command);
    const client = await context.connect();
    const answer = await client.monitor(domain, body);
    context.say(asEscapes(JSON.stringify(answer, null, pretty ? 2 : undefined)));
    context.answer(answer);
    return 0;
  },
});

/** `{"execute":NAME,"arguments":{..}}`, or NAME. Throws USAGE. */
function readCommand(text: string): MonitorRequestBody {
  if (!text.trimStart().startsWith('{')) return { command: text };
  const parsed = parse(text);
  const { execute, arguments: args, ...others } = parsed;
  const [other] = Object.keys(others).filter((key) => key !== 'id');
  if (typeof execute !== 'string' || other !== undefined || !(args === undefined || isObject(args))) throw notQmp(text);
  return { command: execute, ...(args === undefined ? {} : { arguments: args }) };
}

function parse(text: string): Record<string, unknown> {
  try {
    return JSON.parse(text) as Record<string, unknown>;
  } catch {
    throw notQmp(text);
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function notQmp(text: string): DomctlError {
  return new DomctlError('USAGE', `not a QMP command: ${text}`, { hint: `as in '{"execute":"query-status"}'` });
}
