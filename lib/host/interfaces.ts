/** Network interfaces of the host, from sysfs. */
import { readFileSync } from 'node:fs';
import { messageOf } from '../errors.ts';
import { known, type Reading, unknown } from '../reading.ts';

/** Frames in one direction. */
export interface Traffic {
  readonly bytes: number;
  readonly packets: number;
  readonly errors: number;
  readonly dropped: number;
}

/** What the host received from and sent to an interface since it was made; of a tap, what its guest sent and received. */
export function readTraffic(name: string): Reading<{ readonly received: Traffic; readonly sent: Traffic }> {
  try {
    return known({ received: readDirection(name, 'rx'), sent: readDirection(name, 'tx') });
  } catch (error) {
    return unknown(messageOf(error));
  }
}

function readDirection(name: string, direction: 'rx' | 'tx'): Traffic {
  const read = (figure: string): number =>
    Number(readFileSync(`/sys/class/net/${name}/statistics/${direction}_${figure}`, 'utf8'));
  return { bytes: read('bytes'), packets: read('packets'), errors: read('errors'), dropped: read('dropped') };
}
