/**
 * Places at which a test has the daemon killed, as the kernel would kill it: at once, with nothing tidied up. Off unless
 * DOMCTL_FAULT_POINT names one, and then `reach` compares two words (docs/decisions/0023). What must hold afterwards is in
 * test/reliability/crash-matrix/.
 */
import { writeSync } from 'node:fs';
import { constants } from 'node:os';
import { pidfdOpen, pidfdSignal } from '../../native/index.ts';
import type { EffectKind } from '../domain/transition-effect.ts';

/** Steps that are neither a write of the journal nor the beginning or end of an effect; each is reached once it is done. */
export type Step =
  // Of a launch, in their order.
  | 'promise told'
  | 'cgroup made'
  | 'runtime directory made'
  | 'limits set'
  | 'images lent'
  | 'companions born'
  | 'hypervisor born'
  | 'monitor answers'
  | 'hypervisor tuned'
  | 'guest runs'
  // Of an end.
  | 'images given back'
  | 'cgroup removed'
  | 'branch removed'
  | 'runtime directory removed'
  // Of files.
  | 'definition written, not in place'
  | 'autostart unmarked'
  | 'definition removed'
  | 'half of the events written'
  | 'events written'
  | 'journal compacted, not in place';

/** A record of the journal by its kind, or by the event that led to its state. `half of`: a torn line is on disk. */
type JournalPoint = `${'before' | 'half of' | 'after'} journal ${string}`;

/** `after` an effect: its work has ended, with all that it told. */
type EffectPoint = `${'before' | 'after'} effect ${EffectKind}`;

export type FaultPoint = Step | JournalPoint | EffectPoint;

const armed = process.env['DOMCTL_FAULT_POINT'];

/** Ends this process by SIGKILL if the point is the one that was asked for. */
export function reach(point: FaultPoint): void {
  if (isArmed(point)) die();
}

/** Whether it is; for a point at which something is left half done, before `die`. */
export function isArmed(point: FaultPoint): boolean {
  return armed !== undefined && point === armed;
}

/** SIGKILL to this process; said in the log before, where the next one looks. */
export function die(): never {
  writeSync(2, `fault point reached: ${armed}\n`);
  pidfdSignal(pidfdOpen(process.pid), constants.signals.SIGKILL);
  throw new Error('killed'); // the signal is there before the call returns
}
