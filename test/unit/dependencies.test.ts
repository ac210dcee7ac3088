/** What is installed is what docs/dependencies.md answers for, to the byte, and runs nothing of its own on the way. */
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';

const textOf = (path: string): string => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8');

interface Locked {
  readonly version: string;
  readonly integrity?: string;
  readonly optional?: boolean;
  readonly hasInstallScript?: boolean;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly devDependencies?: Readonly<Record<string, string>>;
}

const lock = JSON.parse(textOf('package-lock.json')) as { packages: Readonly<Record<string, Locked>> };
const wanted = JSON.parse(textOf('package.json')) as Required<Pick<Locked, 'dependencies' | 'devDependencies'>>;
const page = textOf('docs/dependencies.md');

/** Name and major, as the table has them. */
const answeredFor = [...page.matchAll(/^\| (\S+) (\d+(?:\.\d+)?) \|/gm)].map(([, name, version]) => ({
  name,
  version,
}));

describe('a package', () => {
  test('that users get has its line in docs/dependencies.md, with its version, and no other has', () => {
    const direct = Object.entries(wanted.dependencies);
    expect(answeredFor.map(({ name }) => name).sort()).toEqual(direct.map(([name]) => name).sort());
    for (const { name, version } of answeredFor) {
      const pinned = wanted.dependencies[name!]!;
      expect.soft(pinned === version || pinned.startsWith(`${version}.`), `${name} ${pinned}`).toBe(true);
    }
  });

  test('is pinned, and the one that is locked', () => {
    for (const [name, version] of Object.entries({ ...wanted.dependencies, ...wanted.devDependencies })) {
      expect.soft(version, name).toMatch(/^\d+\.\d+\.\d+$/);
      expect.soft(lock.packages[`node_modules/${name}`]?.version, name).toBe(version);
    }
  });

  test('is known by its bytes', () => {
    const unknown = Object.entries(lock.packages).filter(([path, one]) => path !== '' && one.integrity === undefined);
    // Those of other platforms, which are never fetched: docs/decisions/0008.
    expect(unknown.filter(([, one]) => one.optional !== true).map(([path]) => path)).toEqual([]);
    for (const { integrity } of Object.values(lock.packages)) if (integrity) expect.soft(integrity).toMatch(/^sha512-/);
  });

  test('with an install script is named in docs/dependencies.md', () => {
    const scripted = Object.entries(lock.packages).filter(([, one]) => one.hasInstallScript);
    const named = /have one, for development all of them: (.*?)\./.exec(page)?.[1] ?? '';
    const names = scripted.map(([path]) => path.replace(/^.*node_modules\//, ''));
    expect([...new Set(names)].sort()).toEqual(named.match(/[\w@/-]+/g)?.sort());
  });
});
