/**
 * Writes what V8 makes of a bundle: `node code-cache.mjs BUNDLE CACHE`. It is loaded first, so that what every start runs is
 * compiled in it; the environment is one in which it ends itself as soon as it is loaded.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import Module, { createRequire } from 'node:module';
import { dirname } from 'node:path';
import { Script } from 'node:vm';

const [bundle, cache] = process.argv.slice(2);
const script = new Script(Module.wrap(readFileSync(bundle, 'utf8')), { filename: bundle });
try {
  const module = { exports: {} };
  script.runInThisContext()(module.exports, createRequire(bundle), module, bundle, dirname(bundle));
} catch {
  // By a place that is none, or for want of the addon: what was run till then is compiled.
}
writeFileSync(cache, script.createCachedData());
process.exit();
