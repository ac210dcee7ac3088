import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';
import { patient } from './test/setup/slowness.ts';

/** Hosts of continuous integration are shared, and these tests take their time: the reporter tells who needed a second try. */
const retries = process.env['CI'] ? 1 : 0;

/** Files of these change cgroups, start emulators and measure memory: one file at a time, or they see each other. */
function alone(name: string, groupOrder: number, timeouts: { testTimeout: number; hookTimeout: number }) {
  const { testTimeout, hookTimeout } = timeouts;
  const timeout = { testTimeout: patient(testTimeout), hookTimeout: patient(hookTimeout) };
  const include = [`test/${name}/**/*.test.ts`];
  return { test: { name, include, fileParallelism: false, sequence: { groupOrder }, retry: retries, ...timeout } };
}

/** Each of these tests has directories, cgroups and networks of its own, and waits for programs to start. */
function sideBySide(project: ReturnType<typeof alone>) {
  return { test: { ...project.test, fileParallelism: true, maxWorkers: Math.min(2, availableParallelism()) } };
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
      onlyOnce(alone('fuzz', 8, { testTimeout: 120_000, hookTimeout: 20_000 })),
      alone('native', 1, { testTimeout: 20_000, hookTimeout: 20_000 }),
      alone('kernel', 2, { testTimeout: 60_000, hookTimeout: 60_000 }),
      // Its first run downloads the QEMU that the host has not.
      sideBySide(alone('qemu', 3, { testTimeout: 60_000, hookTimeout: 300_000 })),
      // Boots machines, and its first run downloads a kernel.
      alone('lab', 7, { testTimeout: 900_000, hookTimeout: 900_000 }),
      // Its first run downloads and builds the guests.
      alone('guest', 4, { testTimeout: 120_000, hookTimeout: 300_000 }),
      sideBySide(alone('e2e', 5, { testTimeout: 120_000, hookTimeout: 300_000 })),
      // What docs/reliability.md is about: end to end as well, but for minutes.
      sideBySide(alone('reliability', 6, { testTimeout: 120_000, hookTimeout: 300_000 })),
    ],
  },
});
