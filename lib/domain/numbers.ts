/**
 * libvirt's numbers for a state and its reason (virDomainState and its reasons, include/libvirt/libvirt-domain.h), for
 * programs that read domstats. Our words say more: exiting and draining are both "being shut down" there.
 */

interface StateNumbers {
  readonly code: number;
  /** 0 is libvirt's "unknown" in every state. */
  readonly reasonCode: number;
}

const codes: Readonly<Record<string, number>> = {
  starting: 0,
  running: 1,
  paused: 3,
  'in shutdown': 4,
  exiting: 4,
  draining: 4,
  'shut off': 5,
  crashed: 6,
  pmsuspended: 7,
  unknown: 0,
};

const reasons: Readonly<Record<string, Readonly<Record<string, number>>>> = {
  running: { booted: 1, migrated: 2, restored: 3, unpaused: 5, wakeup: 8, crashed: 9 },
  paused: {
    user: 1,
    migration: 2,
    save: 3,
    'I/O error': 5,
    watchdog: 6,
    'shutting down': 8,
    panicked: 10,
    'starting up': 11,
  },
  'in shutdown': { 'guest request': 1, 'host request': 1 },
  'shut off': { shutdown: 1, destroyed: 2, crashed: 3, migrated: 4, saved: 5, failed: 6 },
  crashed: { panicked: 1 },
};

/** The numbers of a state word and of the reason shown beside it. */
export function stateNumbers(word: string, reason: string): StateNumbers {
  // `crashed, by the OOM killer`: the reason is what stands before the comma.
  const [short = ''] = reason.split(', ');
  return { code: codes[word] ?? 0, reasonCode: reasons[word]?.[short] ?? 0 };
}
