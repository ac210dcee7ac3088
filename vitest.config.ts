import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';
import { patient } from './test/setup/slowness.ts';

/** Hosts of continuous integration are shared, and these tests take their time: the reporter tells who needed a second try. */
const retries = process.env['CI'] ? 1 : 0;

/** One file at a time. */
function alone(name: string, groupOrder: number, timeouts: { testTimeout: number; hookTimeout: number }) {
  const { testTimeout, hookTimeout } = timeouts;
  const timeout = { testTimeout: patient(testTimeout), hookTimeout: patient(hookTimeout) };
  const include = [`test/${name}/**/*.test.ts`];
  return { test: { name, include, fileParallelism: false, sequence: { groupOrder }, retry: retries, ...timeout } };
}

/** On one processor (user-mode Linux) they would only take turns. */
const usualWorkers = availableParallelism() === 1 ? 1 : Math.min(8, 2 * availableParallelism());

/** Each of these tests has directories, cgroups and networks of its own, and waits for programs half of its time. */
function sideBySide(project: ReturnType<typeof alone>, maxWorkers = usualWorkers) {
  return { test: { ...project.test, fileParallelism: true, maxWorkers } };
}

/** Tests on hosts of their own, made by test/e2e/harness.ts; what they import is read once for all files, not for each. */
function endToEnd<Test extends object>(project: { readonly test: Test }) {
  return { test: { ...project.test, isolate: false, globalSetup: ['test/setup/emulator-home.ts'] } };
}

/** In one process for each processor: starting one per file would take twice as long as the tests. */
function together(name: string) {
  const include = [`test/${name}/**/*.test.ts`];
  return { test: { name, include, isolate: false, maxWorkers: availableParallelism(), testTimeout: patient(60_000) } };
}

/** What fails by chance is what these look for. */
function onlyOnce(project: ReturnType<typeof alone>) {
  return { test: { ...project.test, retry: 0 } };
}

export default defineConfig({
  test: {
    reporters: ['default', './test/setup/reporter.ts'],
    // Half of a unit run is otherwise to read what has not changed since the last one.
    experimental: { fsModuleCache: true },
    projects: [
      together('unit'),
      // Processor time and nothing else; too much of it for the unit tests.
      together('property'),
      // Downloads and builds the guests and the QEMU that the host has not, once, where others need them as well.
      endToEnd(alone('guest', 1, { testTimeout: 120_000, hookTimeout: 300_000 })),
      sideBySide(alone('native', 2, { testTimeout: 60_000, hookTimeout: 60_000 })),
      sideBySide(alone('kernel', 2, { testTimeout: 60_000, hookTimeout: 60_000 })),
      sideBySide(alone('qemu', 2, { testTimeout: 60_000, hookTimeout: 300_000 })),
      endToEnd(sideBySide(alone('e2e', 2, { testTimeout: 120_000, hookTimeout: 300_000 }))),
      // What docs/reliability.md is about: end to end as well, but for minutes, and some of it under load of its own.
      endToEnd(sideBySide(alone('reliability', 3, { testTimeout: 120_000, hookTimeout: 300_000 }), 2)),
      // Boots machines, and its first run downloads a kernel.
      alone('lab', 4, { testTimeout: 900_000, hookTimeout: 900_000 }),
      onlyOnce(alone('fuzz', 5, { testTimeout: 120_000, hookTimeout: 20_000 })),
    ],
  },
});
