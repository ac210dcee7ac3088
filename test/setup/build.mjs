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
  banner: { js: moduleUrl },
  define: { DOMCTL_VERSION: JSON.stringify(version), 'import.meta.url': 'domctlModuleUrl' },
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
  { entryPoints: ['lib/cli/entry.ts'], outfile: 'dist/domctl.cjs', banner: { js: `${shebang}\n${moduleUrl}` } },
  {
    entryPoints: ['lib/cli/main.ts'],
    outfile: 'dist/cli.cjs',
    supported: { 'dynamic-import': false },
    plugins: [verbsBeside, widthOfAscii],
  },
  { entryPoints: ['lib/doctor/examine.ts'], outfile: 'dist/doctor.cjs' },
  { entryPoints: ['lib/policy/inspect.ts'], outfile: 'dist/policy.cjs' },
  { entryPoints: ['lib/convert/convert.ts'], outfile: 'dist/convert.cjs' },
  { entryPoints: ['lib/daemon/main.ts'], outfile: 'dist/daemon.cjs' },
  { entryPoints: ['lib/daemon/entry.ts'], outfile: 'dist/domctld.cjs', banner: { js: `${shebang}\n${moduleUrl}` } },
  { entryPoints: ['lib/simulation/simulate.ts'], outfile: 'dist/simulation.cjs' },
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
const cacheOf = (bundle) => join(checkout, `dist/${bundle}.cjs.cache`);

/** Bundles that every start loads, with what they are run with to be compiled. */
const cached = { cli: ['list', '--help'], daemon: [] };

function writeCodeCache([bundle, args]) {
  const outfile = `${cacheOf(bundle)}.${process.pid}`;
  const program = ['--import', './typescript.mjs', 'code-cache.mjs'];
  const env = { ...process.env, DOMCTL_STATE_DIR: 'none' };
  const argv = [...program, join(checkout, `dist/${bundle}.cjs`), outfile, ...args];
  execFileSync(process.execPath, argv, {
    cwd: join(checkout, 'test/setup'),
    env,
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  chmodSync(outfile, 0o644);
  renameSync(outfile, cacheOf(bundle));
}

/** domctl(1), by a program that is bundled for it and forgotten. */
async function writeManual() {
  const entry = { entryPoints: ['lib/cli/write-manual.ts'], outfile: 'write-manual.cjs' };
  const { outputFiles } = await build({ ...shared, ...entry });
  const outfile = join(checkout, 'dist/write-manual.cjs');
  replace({ path: outfile, contents: outputFiles[0].contents });
  const contents = execFileSync(process.execPath, [outfile]);
  unlinkSync(outfile);
  replace({ path: join(checkout, 'dist/man/domctl.1'), contents, mode: 0o644 });
}

const results = await Promise.all(programs.map((program) => build({ ...shared, ...program })));
for (const bundle of Object.keys(cached)) rmSync(cacheOf(bundle), { force: true });
for (const file of results.flatMap(({ outputFiles }) => outputFiles)) replace(file);
Object.entries(cached).forEach(writeCodeCache);
await writeManual();
