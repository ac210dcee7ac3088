/** What giving its memory back costs: the processor time of an incarnation's cgroup since its end began. */
import type { Cgroup } from '../../cgroups/cgroup.ts';
import { known, type Reading, unknown } from '../reading.ts';

const unseen = 'its end began before this daemon did';

export class TeardownTime {
  readonly #cgroup: Cgroup;
  #atBegin: Reading<number> = unknown(unseen);
  #atEnd: Reading<number> | null = null;

  constructor(cgroup: Cgroup) {
    this.#cgroup = cgroup;
  }

  /** The end begins: it was asked to, or was seen to be gone. */
  begin(): void {
    this.#atBegin = this.#read();
  }

  /** All of it is done, and the cgroup about to go. */
  end(): void {
    this.#atEnd ??= this.#read();
  }

  /** Microseconds so far, or of all of it: of hypervisor, helper and companions. */
  get spentUs(): Reading<number> {
    const begin = this.#atBegin;
    const end = this.#atEnd ?? this.#read();
    if (!begin.known) return begin;
    return end.known ? known(end.value - begin.value) : end;
  }

  #read(): Reading<number> {
    const usage = this.#cgroup.cpu();
    return usage.known ? known(usage.value.timeUs) : usage;
  }
}
