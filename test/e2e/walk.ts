/**
 * Walks through a page's transcript as its reader would: every command by bash, in a directory and with programs of a
 * host's own. Owns what a reader has before the first command; must not know what a page is about.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { delimiter } from 'node:path';
import { fileURLToPath } from 'node:url';
import { stripVTControlCharacters } from 'node:util';
import { onTestFinished } from 'vitest';
import type { Host } from './harness.ts';
import { difference, readTranscript, type Step, type Typed } from './transcript.ts';

const program = fileURLToPath(new URL('../../dist/domctl.cjs', import.meta.url));
const pages = fileURLToPath(new URL('../../docs/', import.meta.url));

/** What pages show for the host's own directory and cgroup root. */
const shown = { directory: '/srv/vm', cgroupRoot: '/domctl' };

/** A reader's seat: an empty directory, `domctl` and the programs given (name -> script) in PATH. */
export class Reader {
  readonly #host: Host;

  constructor(host: Host, programs: Readonly<Record<string, string>> = {}) {
    this.#host = host;
    for (const directory of ['home', 'programs']) mkdirSync(host.at(directory), { recursive: true });
    const domctl = `#!/bin/sh\nexec ${process.execPath} ${program} "$@"\n`;
    for (const [name, script] of Object.entries({ domctl, ...programs })) {
      writeFileSync(host.at(`programs/${name}`), script);
      chmodSync(host.at(`programs/${name}`), 0o755);
    }
  }

  /** Does all that docs/`page` does; throws at the first command that prints something else. */
  async follow(page: string): Promise<void> {
    for (const step of readTranscript(`${pages}${page}`)) {
      const found = await this.perform(step);
      const differs = difference(step.output, found);
      if (differs !== null)
        throw new Error(`docs/${page}:${step.line}: $ ${step.command}\n${differs}\nall of it:\n${found.join('\n')}`);
    }
  }

  /** Does what no page shows; gives what it prints. */
  async run(command: string): Promise<string[]> {
    return this.perform({ line: 0, command, output: [], typed: [] });
  }

  /** The lines that a step's command prints, errors among them. */
  async perform({ command, typed }: Step): Promise<string[]> {
    const { environment, directory, cgroupRoot } = this.#host;
    const child = spawn('bash', ['-c', `exec 2>&1\n${command}`], {
      cwd: this.#host.at('home'),
      env: { ...process.env, ...environment, PATH: `${this.#host.at('programs')}${delimiter}${process.env['PATH']}` },
      stdio: ['pipe', 'pipe', 'ignore'],
    });
    // A command that never ends would outlive a test that timed out.
    onTestFinished(() => void child.kill('SIGKILL'));
    const typing = new Typing(typed, (text) => child.stdin.write(text));
    child.stdin.on('error', () => undefined);
    if (typed.length === 0) child.stdin.end();
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      typing.hear(text);
    });
    await once(child, 'close');
    return linesOf(typing.heard.replaceAll(directory, shown.directory).replaceAll(cgroupRoot, shown.cgroupRoot));
  }
}

/** Answers what is heard with what is to be typed, one after the other. */
class Typing {
  heard = '';
  #answered = 0;
  readonly #left: Typed[];
  readonly #type: (text: string) => void;

  constructor(typed: readonly Typed[], type: (text: string) => void) {
    this.#left = [...typed];
    this.#type = type;
  }

  hear(text: string): void {
    this.heard += text;
    for (let next = this.#left[0]; next; next = this.#left[0]) {
      const at = this.heard.indexOf(next.after, this.#answered);
      if (at < 0) return;
      this.#answered = at + next.after.length;
      this.#left.shift();
      this.#type(next.text);
    }
  }
}

function linesOf(text: string): string[] {
  const lines = stripVTControlCharacters(text).replaceAll('\r', '').split('\n');
  return lines.at(-1) === '' ? lines.slice(0, -1) : lines;
}
