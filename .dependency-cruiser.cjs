/** Imports run one way: who may import whom, as a table. What it does not list is an error. */

/** Modules that know nothing of the rest. */
const leaves = ['errors', 'reading', 'format', 'clock', 'places', 'log', 'version', 'bundle'].map(
  (name) => `lib/${name}.ts`,
);
const [errors, reading, format] = leaves;

/** Each room, and the rooms (with a slash at the end) and files it may import besides itself. */
const mayImport = {
  'lib/domain/': [errors, reading],
  'lib/policy/': [errors],
  'lib/admission/': ['lib/domain/', 'lib/policy/', errors, reading],
  'lib/xml/': ['lib/domain/', errors, format],
  'lib/qemu/': ['lib/domain/', ...leaves],
  'lib/host/': ['lib/domain/', 'native/', ...leaves],
  'cgroups/': ['native/', errors, reading],
  'native/': [errors],
  'lib/drain/': ['lib/domain/', 'lib/admission/', 'lib/host/', 'cgroups/', 'native/', ...leaves],
  'lib/daemon/': [
    ...['domain', 'policy', 'admission', 'xml', 'qemu', 'host', 'drain', 'client'].map((room) => `lib/${room}/`),
    ...['cgroups/', 'native/'],
    ...leaves,
  ],
  // What the command line can tell without the daemon.
  'lib/doctor/': [
    ...['host', 'policy', 'qemu', 'client'].map((room) => `lib/${room}/`),
    ...['cgroups/', 'native/'],
    ...leaves,
  ],
  // A definition's command line, without the daemon.
  'lib/convert/': ['lib/domain/', 'lib/xml/', 'lib/qemu/', 'lib/host/', ...leaves],
  // A virtual host under the very rules of the real one.
  'lib/simulation/': ['lib/policy/', 'lib/admission/', errors, format, reading],
  'lib/client/': ['lib/domain/', 'lib/admission/', ...leaves],
  'lib/cli/': [
    ...['client', 'domain', 'xml', 'doctor', 'policy', 'convert', 'simulation'].map((room) => `lib/${room}/`),
    ...leaves,
  ],
  // Leaves import one another.
  'lib/[^/]+\\.ts$': leaves,
};

/** Types alone tie nobody down at run time. */
const mayImportTypes = {
  'lib/host/': ['lib/admission/'],
};

/** Each package is known to one place, so that it can be replaced there. zod checks at every edge. */
const packages = {
  'async-mutex': 'lib/daemon/',
  fastify: 'lib/daemon/',
  pino: 'lib/log\\.ts$',
  'prom-client': 'lib/daemon/',
  systeminformation: 'lib/host/',
  xml2js: 'lib/xml/',
  yaml: 'lib/policy/',
  yargs: 'lib/cli/',
  zod: 'lib/',
};

const house = '^(lib|cgroups|native|test)/';
const anyOf = (paths) => `^(${paths.join('|')})`;
const nameOf = (path) => path.replace('[^/]+', '*').replace(/[\\$]/g, '');
const packagePath = (name) => `node_modules/(@types/)?${name}/`;

const rooms = Object.entries(mayImport).map(([room, others]) => {
  const types = mayImportTypes[room] ?? [];
  return {
    name: `${nameOf(room)} may not import that`,
    severity: 'error',
    from: { path: `^${room}` },
    to: { path: house, pathNot: anyOf([room, ...others, ...types]) },
  };
});

const typesOnly = Object.entries(mayImportTypes).map(([room, others]) => ({
  name: `${nameOf(room)} may import only types from there`,
  severity: 'error',
  from: { path: `^${room}` },
  to: { path: anyOf(others), dependencyTypesNot: ['type-only'] },
}));

const packagesFromOnePlace = Object.entries(packages).map(([name, place]) => ({
  name: `${name} is imported only from ${nameOf(place)}`,
  severity: 'error',
  from: { pathNot: `^(${place}|test/)` },
  to: { path: packagePath(name) },
}));

module.exports = {
  forbidden: [
    ...rooms,
    ...typesOnly,
    ...packagesFromOnePlace,
    {
      name: 'no package without a place',
      severity: 'error',
      from: { path: '^(lib|cgroups|native)/' },
      to: { path: 'node_modules/', pathNot: Object.keys(packages).map(packagePath) },
    },
    { name: 'no cycles', severity: 'error', from: {}, to: { circular: true } },
    { name: 'everything is found', severity: 'error', from: {}, to: { couldNotResolve: true } },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: { conditionNames: ['import', 'node', 'default', 'types'] },
  },
};
