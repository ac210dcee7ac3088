/**
 * Bundles the programs into dist/, CommonJS, with all their packages: one file is read faster than four hundred.
 * Owns how they are bundled. `domctl.cjs` is apart from `cli.cjs` so that `--version` need not load the rest.
 */
import { build } from 'esbuild';
import { chmodSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';

const checkout = fileURLToPath(new URL('../..', import.meta.url));
const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));

const shebang = '#!/usr/bin/env node';
/** What import.meta.url stands for in CommonJS. */
const moduleUrl = "const domctlModuleUrl = require('node:url').pathToFileURL(__filename).href;";

const shared = {
  absWorkingDir: checkout,
  bundle: true,
  platform: 'node',
  target: 'node20',
  format: 'cjs',
  keepNames: true,
  legalComments: 'none',
  logLevel: 'warning',
  write: false,
  define: { DOMCTL_VERSION: JSON.stringify(version) },
};

/** entry.ts loads the command line from its source; bundled, from the bundle beside it, and by require. */
const cliBeside = {
  name: 'cli-beside',
  setup({ onResolve }) {
    onResolve({ filter: /^\.\/main\.ts$/ }, () => ({ path: './cli.cjs', external: true }));
  },
};

/** What only some verbs need is loaded by them, from a bundle of its own: the others would start a third slower. */
const ownBundles = { 'doctor/examine.ts': './doctor.cjs', 'policy/inspect.ts': './policy.cjs' };
const verbsBeside = {
  name: 'verbs-beside',
  setup({ onResolve }) {
    onResolve({ filter: /\/(doctor\/examine|policy\/inspect)\.ts$/ }, ({ path, kind }) =>
      kind === 'dynamic-import' ? { path: ownBundles[path.replace('../../', '')], external: true } : undefined,
    );
  },
};

const programs = [
  {
    entryPoints: ['lib/cli/entry.ts'],
    outfile: 'dist/domctl.cjs',
    banner: { js: shebang },
    define: { ...shared.define, 'import.meta.url': '""' },
    supported: { 'dynamic-import': false },
    plugins: [cliBeside],
  },
  ...[
    {
      entryPoints: ['lib/cli/main.ts'],
      outfile: 'dist/cli.cjs',
      banner: { js: moduleUrl },
      supported: { 'dynamic-import': false },
      plugins: [verbsBeside],
    },
    { entryPoints: ['lib/doctor/examine.ts'], outfile: 'dist/doctor.cjs', banner: { js: moduleUrl } },
    { entryPoints: ['lib/policy/inspect.ts'], outfile: 'dist/policy.cjs', banner: { js: moduleUrl } },
    { entryPoints: ['lib/daemon/main.ts'], outfile: 'dist/domctld.cjs', banner: { js: `${shebang}\n${moduleUrl}` } },
  ].map((program) => ({ ...program, define: { ...shared.define, 'import.meta.url': 'domctlModuleUrl' } })),
];

/** By rename: a program that starts meanwhile reads the old bundle or the new one, never half of it. */
function replace({ path, contents }) {
  mkdirSync(dirname(path), { recursive: true });
  const next = `${path}.${process.pid}`;
  writeFileSync(next, contents);
  chmodSync(next, 0o755);
  renameSync(next, path);
}

const results = await Promise.all(programs.map((program) => build({ ...shared, ...program })));
for (const file of results.flatMap(({ outputFiles }) => outputFiles)) replace(file);
