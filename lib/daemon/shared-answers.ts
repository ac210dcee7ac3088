/**
 * One answer for all who ask the same question in one turn of the event loop. Whoever asks gets one that was begun after he asked,
 * as if he had been alone; but the kernel and the hypervisor are read once for a crowd. Must not know: what is asked.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';

export class SharedAnswers {
  readonly #asked = new Map<string, Promise<unknown>>();

  /** The answer to `question`, which must say all that it depends on. */
  async ask<Answer>(question: string, answer: () => Answer | Promise<Answer>): Promise<Answer> {
    const same = this.#asked.get(question) ?? this.#begin(question, answer);
    return same as Promise<Answer>;
  }

  #begin(question: string, answer: () => unknown): Promise<unknown> {
    const begun = nextTurn().then(() => {
      this.#asked.delete(question);
      return answer();
    });
    this.#asked.set(question, begun);
    return begun;
  }
}
