/** Where the things built from native/ are. Must not know what they are. */
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';

const directory = 'native/build/Release';

/**
 * Path of the built file `name`, upward from `start`, a file that is native/index.ts in the source tree and a bundle in
 * dist/ when installed; null where there is none.
 */
export function findBuilt(name: string, start: string): string | null {
  for (let above = dirname(start); ; above = dirname(above)) {
    const candidate = join(above, directory, name);
    if (existsSync(candidate)) return candidate;
    if (above === dirname(above)) return null;
  }
}
