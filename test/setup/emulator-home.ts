/** The directory of one run of a project's tests in which `Emulators` keeps what is made or asked once; gone with the run. */
import { chmodSync, mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestProject } from 'vitest/node';

declare module 'vitest' {
  export interface ProvidedContext {
    emulatorHome: string;
  }
}

export default function makeEmulatorHome(project: TestProject): () => void {
  const directory = mkdtempSync(join(realpathSync(tmpdir()), 'e2e-emulators-'));
  chmodSync(directory, 0o755);
  project.provide('emulatorHome', directory);
  return () => rmSync(directory, { recursive: true, force: true });
}
