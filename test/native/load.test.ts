/** Finding the addon: from the source tree (every other test does) and from a bundle somewhere in the package. */
import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { buildSync } from 'esbuild';
import { expect, it } from 'vitest';
import { addonPath, scratch } from './support.ts';

/** A package with a dist/ that holds native/index.ts as an esbuild bundle. */
function bundled(): { root: string; run: () => string } {
  const root = scratch();
  const bundle = join(root, 'dist', 'bundle.cjs');
  buildSync({
    entryPoints: ['native/index.ts'],
    outfile: bundle,
    bundle: true,
    platform: 'node',
    format: 'cjs',
    define: { 'import.meta.url': 'here' },
    banner: { js: "const here = require('node:url').pathToFileURL(__filename).href;" },
  });
  const script = `console.log(require(${JSON.stringify(bundle)}).pidfdExited.name)`;
  return { root, run: () => execFileSync(process.execPath, ['-e', script], { encoding: 'utf8', stdio: 'pipe' }) };
}

it('a bundle in dist/ finds the addon of its package', () => {
  const { root, run } = bundled();
  const copy = join(root, 'native/build/Release/domctl_native.node');
  mkdirSync(dirname(copy), { recursive: true });
  cpSync(addonPath, copy);
  expect(run()).toBe('pidfdExited\n');
});

it('a package without the addon says how to build it', () => {
  expect(bundled().run).toThrow(/domctl_native\.node is missing/u);
});
