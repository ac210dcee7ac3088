/**
 * QMP commands of people, past all that domctl knows: what comes of them is told by the hypervisor's own events, or not at all.
 * Each is written to the log with who asked, before it is sent.
 */
import type { MonitorAnswer, MonitorRequestBody } from '../client/hardware.ts';
import type { Requester } from '../domain/incarnation.ts';
import { DomctlError } from '../errors.ts';
import { QmpError } from '../qemu/qmp-error.ts';
import { monitorOf } from './asking.ts';
import { thawed } from './brake.ts';
import type { Fleet } from './fleet.ts';
import { requireGuest } from './refusals.ts';

/** Sends one command to the hypervisor of a guest that is running or paused. Throws WRONG_STATE, FAILED with QEMU's sentence. */
export async function sendMonitorCommand(
  target: ReturnType<Fleet['locate']>,
  { command, arguments: args }: MonitorRequestBody,
  requester: Requester,
): Promise<MonitorAnswer> {
  const supervisor = requireGuest('send a monitor command to', target);
  const { launch, services } = supervisor;
  const audited = { command, arguments: withoutSecrets(args), requester };
  services.log.warn({ domain: launch.domain, incarnation: launch.id, ...audited }, 'qemu-monitor-command');
  try {
    const execute = async (): Promise<unknown> => monitorOf(supervisor).execute(command, args);
    return { return: command.startsWith('query-') ? await execute() : await thawed(supervisor, execute) };
  } catch (error) {
    if (!(error instanceof QmpError)) throw error;
    throw new DomctlError('FAILED', error.message, { details: { command, class: error.class }, cause: error });
  }
}

/** Keys of QMP's under which secrets go: a password of a screen, the data of a secret object, a cookie of a server. */
const secretKeys = /password|secret|cookie|^data$|^keyid$/i;

/** What is a password stays one in the log. Of a line for people, which may have one anywhere, only the command is told. */
export function withoutSecrets(args: MonitorRequestBody['arguments']): unknown {
  if (args === undefined) return undefined;
  const told = (key: string, value: unknown): unknown => {
    if (key === 'command-line' && typeof value === 'string') return value.replace(/\s[^]*$/, ' ***');
    return secretKeys.test(key) ? '***' : value;
  };
  return JSON.parse(JSON.stringify(args, told));
}
