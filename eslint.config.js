/** Few rules, each with a reason. Layout is biome's, imports are dependency-cruiser's, dead code is knip's. */
import { defineConfig } from 'eslint/config';
import tseslint from 'typescript-eslint';

/** A call of `name`, alone or as a method. */
const callOf = (name) => `CallExpression:matches([callee.name=/^${name}$/], [callee.property.name=/^${name}$/])`;

const syntax = {
  kill: {
    selector: "CallExpression[callee.object.name='process'][callee.property.name='kill']",
    message: 'A pid may be reused between reading and signalling it: signal by pidfd (native/index.ts).',
  },
  removeTree: {
    selector: `${callOf('rm(Sync)?')} Property[key.name='recursive'][value.value=true]`,
    message: 'Removing a tree by a wrong path loses images: only lib/daemon/runtime-files.ts does it.',
  },
  cgroupPath: {
    selector:
      ':matches(Literal[value=/^\\u002fsys\\u002ffs\\u002fcgroup/], TemplateElement[value.raw=/^\\u002fsys\\u002ffs\\u002fcgroup/])',
    message: 'Only cgroups/ touches cgroupfs: it proves that it is one, and its errors tell what was written.',
  },
  mock: {
    selector: "CallExpression[callee.object.name='vi'][callee.property.name=/^(mock|doMock)$/]",
    message: 'A mocked module agrees with whatever is believed of it: use a real program, or pass the dependency.',
  },
  enum: {
    selector: 'TSEnumDeclaration',
    message: 'Not erasable: use a union of literals.',
  },
};

const restrictSyntax = (...banned) => ({ 'no-restricted-syntax': ['error', ...banned] });

const shell = {
  group: ['child_process', 'node:child_process'],
  importNames: ['exec', 'execSync'],
  message: 'A shell reads more into a name than a name: use execFile or spawn.',
};

const product = ['lib/**/*.ts', 'cgroups/**/*.ts', 'native/*.ts'];
const tests = ['test/**/*.ts', '*.ts'];

export default defineConfig(
  { ignores: ['dist/', 'native/build/', '.cache/', 'coverage/'] },
  { linterOptions: { reportUnusedDisableDirectives: 'error' } },
  {
    files: [...product, ...tests],
    extends: [tseslint.configs.strictTypeChecked],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      '@typescript-eslint/switch-exhaustiveness-check': ['error', { considerDefaultExhaustiveForUnions: true }],
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true }],
      // Calls end branches and arrows here whether they give something or not; what must be awaited has its own rule.
      '@typescript-eslint/no-confusing-void-expression': 'off',
      '@typescript-eslint/no-meaningless-void-operator': 'off',
      // A handler in a table is async because its neighbours are.
      '@typescript-eslint/require-await': 'off',
      // Spreads of text are by code point on purpose; functions in records are no methods.
      '@typescript-eslint/no-misused-spread': 'off',
      '@typescript-eslint/unbound-method': 'off',
      '@typescript-eslint/no-unused-vars': ['error', { varsIgnorePattern: '^_', argsIgnorePattern: '^_' }],
      'no-restricted-imports': ['error', { patterns: [shell] }],
    },
  },
  {
    files: product,
    rules: {
      // A switch counts as one: a case for each kind is what we want to read.
      complexity: ['error', { max: 10, variant: 'modified' }],
      'max-lines-per-function': ['error', { max: 60, skipBlankLines: true, skipComments: true }],
      'max-lines': ['error', { max: 300, skipBlankLines: true, skipComments: true }],
      ...restrictSyntax(syntax.kill, syntax.removeTree, syntax.cgroupPath, syntax.enum),
    },
  },
  { files: ['cgroups/**/*.ts'], rules: restrictSyntax(syntax.kill, syntax.removeTree, syntax.enum) },
  { files: ['lib/daemon/runtime-files.ts'], rules: restrictSyntax(syntax.kill, syntax.cgroupPath, syntax.enum) },
  {
    // The table of all states and events: torn apart it could not be read as one.
    files: ['lib/domain/transition.ts'],
    rules: { 'max-lines': 'off', 'max-lines-per-function': 'off' },
  },
  {
    files: tests,
    rules: {
      // What a test takes for granted and is not there fails the test: as good as an assertion.
      '@typescript-eslint/no-non-null-assertion': 'off',
      // Matchers and what programs print are `any`.
      '@typescript-eslint/no-unsafe-assignment': 'off',
      '@typescript-eslint/no-unsafe-member-access': 'off',
      '@typescript-eslint/no-unsafe-return': 'off',
      ...restrictSyntax(syntax.mock, syntax.enum),
    },
  },
);
