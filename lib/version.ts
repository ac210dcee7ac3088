/** The version of this package: inlined when bundled, read from package.json when run from source. */
import { readFileSync } from 'node:fs';

declare const DOMCTL_VERSION: string | undefined;

export const version: string = typeof DOMCTL_VERSION === 'string' ? DOMCTL_VERSION : readVersion();

function readVersion(): string {
  const text = readFileSync(new URL('../package.json', import.meta.url), 'utf8');
  return String((JSON.parse(text) as { version: unknown }).version);
}
