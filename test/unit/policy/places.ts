/** Configuration directories for tests: the shipped files, and an operator's made of texts. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { onTestFinished } from 'vitest';
import { DomctlError } from '../../../lib/errors.ts';
import type { Places } from '../../../lib/policy/load.ts';

/** The directory of the shipped files. */
export const shippedDir = fileURLToPath(new URL('../../../policies', import.meta.url));

/** The text of a shipped file. */
export function shippedText(file: string): string {
  return readFileSync(join(shippedDir, file), 'utf8');
}

/** Places whose operator's directory holds these files, by path; gone when the test ends. */
export function operatorWith(files: Readonly<Record<string, string | Uint8Array>> = {}): Places {
  const configDir = mkdtempSync(join(tmpdir(), 'domctl-policy-'));
  onTestFinished(() => rmSync(configDir, { recursive: true }));
  for (const [path, content] of Object.entries(files)) {
    const file = join(configDir, path);
    // Whatever the umask of who runs the tests: what others may write does not count.
    mkdirSync(dirname(file), { recursive: true, mode: 0o755 });
    writeFileSync(file, content, { mode: 0o644 });
  }
  return { configDir, shippedDir };
}

/** The DomctlError a promise is rejected with, its message without the operator's directory. */
export async function failure(promise: Promise<unknown>, places: Places) {
  const error: unknown = await promise.then(
    () => null,
    (reason: unknown) => reason,
  );
  if (!(error instanceof DomctlError)) throw new Error('expected a DomctlError', { cause: error });
  const message = error.message.replaceAll(`${places.configDir}/`, '').replaceAll(`${places.shippedDir}/`, 'shipped/');
  return { message, hint: error.hint, code: error.code, exit: error.exit, details: error.details };
}
