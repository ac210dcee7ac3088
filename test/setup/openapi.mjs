/**
 * Writes docs/openapi.json: the routes and request schemas of the daemon, and the contract's types as JSON Schema. With
 * --print it goes to standard output, for the test that the committed one is current.
 */
import { buildSync } from 'esbuild';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { createGenerator } from 'ts-json-schema-generator';

const checkout = fileURLToPath(new URL('../..', import.meta.url));

/** Every exported type of the contract, and those they name. Unknown fields may come: a later version adds them. */
function contractTypes() {
  const generator = createGenerator({
    path: join(checkout, 'lib/client/{contract,figures,hardware}.ts'),
    tsconfig: join(checkout, 'tsconfig.json'),
    type: '*',
    skipTypeCheck: true,
    additionalProperties: true,
  });
  return generator.createSchema('*').definitions;
}

/** lib/daemon/openapi.ts, which Node 20 cannot load as it is. */
async function load() {
  const directory = mkdtempSync(join(tmpdir(), 'domctl-openapi-'));
  const outfile = join(directory, 'openapi.mjs');
  try {
    buildSync({
      absWorkingDir: checkout,
      entryPoints: ['lib/daemon/openapi.ts'],
      outfile,
      bundle: true,
      platform: 'node',
      format: 'esm',
    });
    return await import(pathToFileURL(outfile).href);
  } finally {
    rmSync(directory, { recursive: true });
  }
}

const { describeApi } = await load();
const text = `${JSON.stringify(describeApi(contractTypes()), null, 1)}\n`;
if (process.argv.includes('--print')) process.stdout.write(text);
else writeFileSync(join(checkout, 'docs/openapi.json'), text);
