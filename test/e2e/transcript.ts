/**
 * Transcripts in documentation, run: every command of a ```console block is executed in order, and what it prints is
 * compared with what the page shows. What differs from run to run (amounts, times, pids) is compared by its form; a line
 * `[...]` stands for any number of lines. An HTML comment before a block may say what is typed into its last command:
 * `<!-- typed: "root" after "login: "; "\x1d" after "# " -->`, one pair after the other.
 */
import { readFileSync } from 'node:fs';

/** One command of a page, and what the page says it prints. */
export interface Step {
  readonly line: number;
  readonly command: string;
  readonly output: readonly string[];
  readonly typed: readonly Typed[];
}

/** Sent when the command has printed `after`. */
export interface Typed {
  readonly text: string;
  readonly after: string;
}

/** Every step of a page's console blocks, in order. */
export function readTranscript(path: string): Step[] {
  const steps: Step[] = [];
  let typed: readonly Typed[] = [];
  let inside = false;
  for (const [index, line] of readFileSync(path, 'utf8').split('\n').entries()) {
    const comment = /^<!-- typed: (.*) -->$/.exec(line)?.[1];
    if (comment !== undefined) typed = comment.split('; ').map(readTyped);
    else if (line === '```console') inside = true;
    else if (line === '```') {
      inside = false;
      typed = [];
    } else if (inside && line.startsWith('$ ')) {
      steps.push({ line: index + 1, command: line.slice(2), output: [], typed });
    } else if (inside) {
      const last = steps.pop();
      if (!last) throw new Error(`${path}:${index + 1}: output without a command`);
      steps.push({ ...last, output: [...last.output, line] });
    }
  }
  return steps;
}

function readTyped(pair: string): Typed {
  const match = /^("(?:[^"\\]|\\.)*") after ("(?:[^"\\]|\\.)*")$/.exec(pair);
  if (!match) throw new Error(`not a pair of what is typed and after what: ${pair}`);
  return { text: JSON.parse(match[1]!) as string, after: JSON.parse(match[2]!) as string };
}

const masks: readonly (readonly [RegExp, string])[] = [
  [/[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}/g, '<uuid>'],
  [/\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?(Z|\+0000)?/g, '<time>'],
  [/\d+\.\d [KMGT]iB/g, '<amount>'],
  [/\b\d+(\.\d+)? (ms|s|min|h)\b/g, '<duration>'],
  [/\bpid \d+/g, 'pid <pid>'],
  [/^(PID: +)\d+/g, '$1<pid>'],
  [/-{4,}/g, '----'],
  [/ {2,}/g, '  '],
];

/** A line with what differs from run to run taken out. */
function mask(line: string): string {
  return masks.reduce((text, [pattern, to]) => text.replace(pattern, to), line.trimEnd());
}

/** null when `found` is what `shown` says; else the first line that is not. */
export function difference(shown: readonly string[], found: readonly string[]): string | null {
  const rest = found.map(mask);
  for (const [index, line] of shown.map(mask).entries()) {
    if (line === '[...]') {
      const next = shown[index + 1];
      const at = next === undefined ? rest.length : rest.indexOf(mask(next));
      rest.splice(0, at < 0 ? rest.length : at);
      continue;
    }
    const actual = rest.shift();
    if (actual !== line) return `shown: ${line}\nfound: ${actual ?? '(nothing)'}`;
  }
  return rest.length === 0 ? null : `shown: (nothing)\nfound: ${rest[0]}`;
}
