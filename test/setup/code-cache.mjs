/**
 * Writes what V8 makes of a bundle: `node --import ./typescript.mjs code-cache.mjs BUNDLE CACHE [ARGUMENT...]`. It is loaded first, and its `main` run
 * where it has one, so that what every start runs is compiled in it; the environment is one in which the daemon ends itself
 * as soon as it is loaded.
 */
import { writeFileSync } from 'node:fs';
import { compileBundle, runBundle } from '../../lib/bundle.ts';

const [bundle, cache, ...args] = process.argv.slice(2);
const script = compileBundle(bundle);
process.once('exit', () => {
  writeFileSync(cache, script.createCachedData());
  process.exitCode = 0;
});
try {
  await runBundle(script, bundle).main?.(args);
} catch {
  // By a place that is none, or for want of the addon: what was run till then is compiled.
}
process.exit();
