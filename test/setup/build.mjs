/**
 * Bundles the programs into dist/, CommonJS, with all their packages: one file is read faster than four hundred.
 * Owns how they are bundled. `domctl.cjs` is apart from `cli.cjs` so that `--version` need not load the rest.
 */
import { build } from 'esbuild';
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, readFileSync, renameSync, rmSync, unlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
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
const ownBundles = {
  'doctor/examine.ts': './doctor.cjs',
  'policy/inspect.ts': './policy.cjs',
  'convert/convert.ts': './convert.cjs',
  'simulation/simulate.ts': './simulation.cjs',
};
const verbsBeside = {
  name: 'verbs-beside',
  setup({ onResolve }) {
    onResolve(
      { filter: /\/(doctor\/examine|policy\/inspect|convert\/convert|simulation\/simulate)\.ts$/ },
      ({ path, kind }) =>
        kind === 'dynamic-import' ? { path: ownBundles[path.replace('../../', '')], external: true } : undefined,
    );
  },
};

/** What string-width knows of emoji and graphemes takes a third of a start to load, three times over, and our texts are ASCII. */
const widthOfAscii = {
  name: 'width-of-ascii',
  setup({ onResolve, onLoad }) {
    const namespace = 'ascii-first';
    onResolve({ filter: /^string-width$/ }, (asked) =>
      asked.namespace === namespace ? undefined : { path: asked.resolveDir, namespace },
    );
    onLoad({ filter: /./, namespace }, ({ path }) => ({ contents: asciiFirst, resolveDir: path }));
  },
};
const asciiFirst = `let whole;
  export default (text, options) =>
    /^[ -~]*$/.test(text) ? text.length : (whole ??= require('string-width').default)(text, options);`;

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
      plugins: [verbsBeside, widthOfAscii],
    },
    { entryPoints: ['lib/doctor/examine.ts'], outfile: 'dist/doctor.cjs', banner: { js: moduleUrl } },
    { entryPoints: ['lib/policy/inspect.ts'], outfile: 'dist/policy.cjs', banner: { js: moduleUrl } },
    { entryPoints: ['lib/convert/convert.ts'], outfile: 'dist/convert.cjs', banner: { js: moduleUrl } },
    { entryPoints: ['lib/daemon/main.ts'], outfile: 'dist/daemon.cjs', banner: { js: moduleUrl } },
    { entryPoints: ['lib/daemon/entry.ts'], outfile: 'dist/domctld.cjs', banner: { js: `${shebang}\n${moduleUrl}` } },
    { entryPoints: ['lib/simulation/simulate.ts'], outfile: 'dist/simulation.cjs', banner: { js: moduleUrl } },
  ].map((program) => ({ ...program, define: { ...shared.define, 'import.meta.url': 'domctlModuleUrl' } })),
];

/** By rename: a program that starts meanwhile reads the old bundle or the new one, never half of it. */
function replace({ path, contents, mode = 0o755 }) {
  mkdirSync(dirname(path), { recursive: true });
  const next = `${path}.${process.pid}`;
  writeFileSync(next, contents);
  chmodSync(next, mode);
  renameSync(next, path);
}

/** V8 takes it for that of any bundle of the same length: an old one is gone before there is another bundle. */
const daemonCache = join(checkout, 'dist/daemon.cjs.cache');

function writeCodeCache() {
  const outfile = `${daemonCache}.${process.pid}`;
  const program = join(checkout, 'test/setup/code-cache.mjs');
  const env = { ...process.env, DOMCTL_STATE_DIR: 'none' };
  execFileSync(process.execPath, [program, join(checkout, 'dist/daemon.cjs'), outfile], { env });
  chmodSync(outfile, 0o644);
  renameSync(outfile, daemonCache);
}

/** domctl(1), by a program that is bundled for it and forgotten. */
async function writeManual() {
  const { define } = programs[1];
  const entry = {
    entryPoints: ['lib/cli/write-manual.ts'],
    banner: { js: moduleUrl },
    define,
    outfile: 'write-manual.cjs',
  };
  const { outputFiles } = await build({ ...shared, ...entry });
  const outfile = join(checkout, 'dist/write-manual.cjs');
  replace({ path: outfile, contents: outputFiles[0].contents });
  const contents = execFileSync(process.execPath, [outfile]);
  unlinkSync(outfile);
  replace({ path: join(checkout, 'dist/man/domctl.1'), contents, mode: 0o644 });
}

const results = await Promise.all(programs.map((program) => build({ ...shared, ...program })));
rmSync(daemonCache, { force: true });
for (const file of results.flatMap(({ outputFiles }) => outputFiles)) replace(file);
writeCodeCache();
await writeManual();
