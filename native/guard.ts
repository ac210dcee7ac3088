/**
 * domctl-brake as a caller sees it: where it is, its words, and one that runs. Owns its pipe, so that a caller who dies is
 * noticed by it. Must not know: domains, policies, where the bound comes from. native/guard/README.md says what it does.
 */
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { DomctlError } from '../lib/errors.ts';
import { findBuilt } from './built.ts';

/** Directories and bytes. */
export interface GuardOrder {
  /** Where its memory is charged. */
  readonly memory: string;
  /** Where its vCPU threads are. */
  readonly freezers: readonly string[];
  /** Where memory is charged that comes back. */
  readonly drains: readonly string[];
  /** A file: of all guards that were told of it, one at a time has the brake in hand. */
  readonly turn: string;
  readonly neededBytes: number;
  /** What all of them may hold together. */
  readonly boundBytes: number;
  readonly marginBytes: number;
  /** A limit it was given before. */
  readonly floorBytes: number;
  readonly vcpus: number;
  /** Texts for memory.max and memory.high at the end. */
  readonly maxAfter: string;
  readonly highAfter: string;
}

/** As of a moment; bytes, and how long the vCPUs have stood still: without a break, and in all. */
export interface GuardStatus {
  readonly heldBytes: number;
  readonly drainingBytes: number;
  readonly limitBytes: number;
  readonly stillMs: number;
  readonly frozenMs: number;
}

/** lifted: all that was promised is there. gone: the cgroup is. let go: as it was told. died: nobody knows what is frozen. */
export type GuardEnd = 'lifted' | 'gone' | 'let go' | 'died';

const programName = 'domctl-brake';
/** A fifth of what it takes for silence. */
const beatMs = 100;
/** It may wait for the kernel to take a fence. */
const answerMs = 2000;
const lastWords: ReadonlySet<string> = new Set<GuardEnd>(['lifted', 'gone', 'let go']);

type Child = ChildProcessByStdio<Writable, Readable, null>;

export class Guard {
  /** Resolves when it has ended, whatever ended it. */
  readonly ended: Promise<GuardEnd>;
  readonly #child: Child;
  readonly #beating: NodeJS.Timeout;
  readonly #onStatus: (status: GuardStatus) => void;
  #waiting: (() => void)[] = [];
  #ready: (() => void) | null = null;
  #complaint: string | null = null;
  #last: GuardEnd = 'died';

  private constructor(child: Child, onStatus: (status: GuardStatus) => void) {
    this.#child = child;
    this.#onStatus = onStatus;
    // It may end while it is spoken to.
    child.stdin.on('error', () => undefined);
    createInterface({ input: child.stdout }).on('line', (line) => {
      this.#hear(line);
    });
    this.#beating = setInterval(() => {
      this.#say('beat');
    }, beatMs);
    this.ended = new Promise((resolve) => {
      child.on('close', () => {
        clearInterval(this.#beating);
        this.#answerAll();
        resolve(this.#last);
      });
    });
  }

  /** Resolves when it has the brake in hand. Throws HOST_LACKS when it is not built, FAILED with what the kernel refused. */
  static async start(order: GuardOrder, onStatus: (status: GuardStatus) => void): Promise<Guard> {
    const program = findBuilt(programName, fileURLToPath(import.meta.url));
    if (program === null)
      throw new DomctlError('HOST_LACKS', `${programName} is missing`, {
        hint: 'build it: npx node-gyp rebuild --directory native',
      });
    // A session of its own: no signal of a terminal is meant for it.
    const stdio = ['pipe', 'pipe', 'inherit'] as const;
    const child = spawn(program, argumentsOf(order), { stdio: [...stdio], detached: true, cwd: '/', env: {} });
    const guard = new Guard(child, onStatus);
    await guard.#becomesReady();
    return guard;
  }

  get pid(): number | null {
    return this.#child.pid ?? null;
  }

  /** What all of them may hold together from now on. */
  bound(bytes: number): void {
    this.#say(`bound ${bytes}`);
  }

  /** Another one that gives memory back. */
  drain(directory: string): void {
    this.#say(`drain ${directory}`);
  }

  /** Lets the vCPUs run, for `ms` at most; resolves when they do, when the guard is gone, or when it is too long in answering. */
  async thaw(ms: number): Promise<void> {
    const leased = new Promise<void>((resolve) => {
      this.#waiting.push(resolve);
    });
    this.#say(`thaw ${Math.ceil(ms)}`);
    await Promise.race([leased, this.ended, sleep(answerMs, undefined, { ref: false })]);
  }

  /** Ends the lease. */
  brake(): void {
    this.#say('brake');
  }

  /** Thaws, takes the fence away and ends. */
  async lift(): Promise<void> {
    this.#say('lift');
    await this.ended;
  }

  /** As the end of this process would: it thaws, and leaves the fence to itself. */
  abandon(): void {
    clearInterval(this.#beating);
    this.#child.stdin.end();
    this.#child.unref();
  }

  #say(line: string): void {
    if (this.#child.stdin.writable) this.#child.stdin.write(`${line}\n`);
  }

  async #becomesReady(): Promise<void> {
    const ready = new Promise<'ready'>((resolve) => {
      this.#ready = () => {
        resolve('ready');
      };
    });
    const failed = new Promise<'died'>((resolve) => {
      this.#child.on('error', (error) => {
        this.#complaint = error.message;
        resolve('died');
      });
    });
    const which = await Promise.race([ready, failed, this.ended]);
    if (which === 'ready') return;
    clearInterval(this.#beating);
    throw new DomctlError('FAILED', `the brake cannot be held: ${this.#complaint ?? 'its guard ended'}`);
  }

  #hear(line: string): void {
    if (line === 'ready') this.#ready?.();
    else if (line === 'leased') this.#waiting.shift()?.();
    else if (lastWords.has(line)) this.#last = line as GuardEnd;
    else if (line.startsWith('status ')) this.#onStatus(parseStatus(line));
    else if (line.startsWith('error ')) this.#complaint = line.slice('error '.length);
  }

  #answerAll(): void {
    for (const resolve of this.#waiting) resolve();
    this.#waiting = [];
  }
}

function argumentsOf(order: GuardOrder): string[] {
  const sizes = {
    need: order.neededBytes,
    bound: order.boundBytes,
    margin: order.marginBytes,
    floor: order.floorBytes,
    vcpus: order.vcpus,
  };
  return [
    `--vm=${order.memory}`,
    ...order.freezers.map((directory) => `--freezer=${directory}`),
    ...order.drains.map((directory) => `--drain=${directory}`),
    `--turn=${order.turn}`,
    ...Object.entries(sizes).map(([name, size]) => `--${name}=${Math.floor(size)}`),
    `--max-after=${order.maxAfter}`,
    `--high-after=${order.highAfter}`,
  ];
}

function parseStatus(line: string): GuardStatus {
  const figures = new Map(line.split(' ').map((word) => [word.split('=')[0], Number(word.split('=')[1])]));
  const figure = (name: string): number => figures.get(name) ?? 0;
  return {
    heldBytes: figure('held'),
    drainingBytes: figure('draining'),
    limitBytes: figure('limit'),
    stillMs: figure('still'),
    frozenMs: figure('frozen'),
  };
}
