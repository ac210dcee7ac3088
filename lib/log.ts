/** The daemon's own log: JSON lines on stderr, which its starter leads into domctld.log. */
import { pino } from 'pino';

export type Log = ReturnType<typeof createLog>;

export function createLog() {
  const destination = pino.destination({ fd: 2, sync: true });
  const log = pino({ level: process.env['DOMCTL_LOG_LEVEL'] ?? 'info', base: { pid: process.pid } }, destination);
  // A log that cannot be written (a full disk) must not end the daemon. After pino's own listener, which raises it again.
  destination.on('error', () => undefined);
  return log;
}
