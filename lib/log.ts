/** The daemon's own log: JSON lines on stderr, which its starter leads into domctld.log. */
import { pino } from 'pino';

export type Log = ReturnType<typeof createLog>;

export function createLog() {
  return pino(
    { level: process.env['DOMCTL_LOG_LEVEL'] ?? 'info', base: { pid: process.pid } },
    pino.destination({ fd: 2, sync: true }),
  );
}
