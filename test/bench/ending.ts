/** What the benchmark changes on the host, undone in reverse when it ends: well, badly, or by a signal. */
import { chmodSync, mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const undo: (() => unknown)[] = [];

/** Runs at the end, last registered first. */
export function atEnd(action: () => unknown): void {
  undo.push(action);
}

/** A directory of the benchmark's own that every user may enter, gone with it. */
export function makeScratch(prefix: string): string {
  const directory = mkdtempSync(join(realpathSync(tmpdir()), prefix));
  atEnd(() => rmSync(directory, { recursive: true, force: true }));
  chmodSync(directory, 0o755);
  return directory;
}

let ending = false;

/** Throws once the end was asked for: whoever goes on would make what nobody undoes. */
export function goOn(): void {
  if (ending) throw new Error('it was told to end');
}

async function undoAll(): Promise<void> {
  ending = true;
  for (let action = undo.pop(); action !== undefined; action = undo.pop()) {
    try {
      await Promise.race([
        action(),
        new Promise((_, reject) => setTimeout(() => reject(new Error('not done within 20 s')), 20_000).unref()),
      ]);
    } catch (error) {
      console.error('clean-up:', error instanceof Error ? error.message : error);
    }
  }
}

/** Runs `body`; exits with 130 on a signal. What was registered is undone in each case. */
export async function withEnding(body: () => Promise<void>): Promise<void> {
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
    process.on(signal, () => {
      // A terminal tells all of a group, and who forwards it tells again: the first is enough.
      if (!ending) void undoAll().then(() => process.exit(130));
    });
  process.on('uncaughtException', (error) => {
    console.error(error);
    void undoAll().then(() => process.exit(1));
  });
  try {
    await body();
  } finally {
    // A signal's clean-up ends the process itself.
    if (ending) await new Promise(() => undefined);
    await undoAll();
  }
}
