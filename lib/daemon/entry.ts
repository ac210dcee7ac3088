/**
 * `domctld` itself: runs the daemon's bundle beside it, by what V8 made of that when it was built, where this is the same
 * V8. To compile it anew is a third of the processor time that a start takes; nothing else is different without.
 */
import { readFileSync } from 'node:fs';
import Module, { createRequire } from 'node:module';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Script } from 'node:vm';

type Wrapped = (exports: object, require: NodeJS.Require, module: object, file: string, directory: string) => void;

const bundle = fileURLToPath(new URL('daemon.cjs', import.meta.url));
const cachedData = readCache(`${bundle}.cache`);
const script = new Script(Module.wrap(readFileSync(bundle, 'utf8')), { filename: bundle, ...cachedData });
const module = { exports: {} };
(script.runInThisContext() as Wrapped)(module.exports, createRequire(bundle), module, bundle, dirname(bundle));

function readCache(file: string): { readonly cachedData?: Buffer } {
  try {
    return { cachedData: readFileSync(file) };
  } catch {
    return {};
  }
}
