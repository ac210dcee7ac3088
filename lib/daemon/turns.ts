/**
 * How many questions of one program are answered at the same time; its others wait. So a crowd of one program's is no more to
 * everybody else than a few callers, however many connections it has. Must not know: what is asked.
 */
import { Semaphore } from 'async-mutex';

/** What a `ServerResponse` tells of itself. */
interface Answer {
  readonly closed: boolean;
  once(event: 'close', listener: () => void): unknown;
}

export class Turns {
  readonly #atOnce: number;
  readonly #programs = new Map<number | null, Semaphore>();

  constructor(atOnce = 4) {
    this.#atOnce = atOnce;
  }

  /** Resolves when the program has a turn for this question, which ends with its answer or its connection. */
  async take(pid: number | null, answer: Answer): Promise<void> {
    const program = this.#programs.get(pid) ?? new Semaphore(this.#atOnce);
    this.#programs.set(pid, program);
    const [, release] = await program.acquire();
    const leave = (): void => {
      release();
      if (program.getValue() === this.#atOnce) this.#programs.delete(pid);
    };
    if (answer.closed) leave();
    else answer.once('close', leave);
  }
}
