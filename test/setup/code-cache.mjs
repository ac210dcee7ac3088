/**
 * Writes what V8 makes of a bundle: `node code-cache.mjs BUNDLE CACHE [ARGUMENT...]`. It is loaded first, and its `main` run
 * where it has one, so that what every start runs is compiled in it; the environment is one in which the daemon ends itself
 * as soon as it is loaded.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import Module, { createRequire } from 'node:module';
import { dirname } from 'node:path';
import { Script } from 'node:vm';

const [bundle, cache, ...args] = process.argv.slice(2);
const script = new Script(Module.wrap(readFileSync(bundle, 'utf8')), { filename: bundle });
process.once('exit', () => {
  writeFileSync(cache, script.createCachedData());
  process.exitCode = 0;
});
try {
  const module = { exports: {} };
  script.runInThisContext()(module.exports, createRequire(bundle), module, bundle, dirname(bundle));
  await module.exports.main?.(args);
} catch {
  // By a place that is none, or for want of the addon: what was run till then is compiled.
}
process.exit();
