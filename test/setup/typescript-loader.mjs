/** The loader of typescript.mjs: types are stripped, nothing else is changed, so import.meta.url stays the file's own. */
import { transform } from 'esbuild';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';

export async function load(url, context, next) {
  if (!url.endsWith('.ts')) return next(url, context);
  const text = await readFile(new URL(url), 'utf8');
  const { code } = await transform(text, { loader: 'ts', target: 'node20', sourcefile: fileURLToPath(url) });
  return { format: 'module', source: code, shortCircuit: true };
}
