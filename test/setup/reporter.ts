/**
 * The last word of a test run: `N passed, N failed, N skipped`, from the runner's own result, and each skipped test with
 * its reason. Fails the run when nothing ran, and on a skip that expected-skips.json does not list: a test that quietly
 * stops running proves nothing any more. Tells who passed at the second try, and fails when those are many. Owns the count; must not know what is tested.
 */
import type { Reporter, SerializedError, TestCase, TestModule, Vitest } from 'vitest/node';
import expectedSkips from '../expected-skips.json' with { type: 'json' };
import { broken, formatCounts } from './counts.ts';
import { judgeSecondTries, type SecondTry } from './second-tries.ts';

/** `test` is `FILE > SUITE > TEST`, or a regular expression for it between slashes. */
interface ExpectedSkip {
  readonly test: string;
  readonly reason: string;
}

function fullName(test: TestCase): string {
  return `${test.module.relativeModuleId} > ${test.fullName}`;
}

function isFor(name: string) {
  return ({ test }: ExpectedSkip): boolean => {
    const pattern = /^\/(.*)\/$/.exec(test)?.[1];
    return pattern === undefined ? test === name : new RegExp(pattern).test(name);
  };
}

/** Tests that failed, were tried again and passed. */
function findSecondTries(tests: readonly TestCase[]): SecondTry[] {
  return tests
    .filter((test) => test.diagnostic()?.flaky)
    .map((test) => ({ name: fullName(test), error: test.result().errors?.[0]?.message ?? null }));
}

/** What failed outside any test: a file that cannot be loaded, a hook that threw. */
function countOtherErrors(module: TestModule): number {
  const suites = [module, ...module.children.allSuites()];
  return suites.reduce((sum, suite) => sum + suite.errors().length, 0);
}

export default class CountReporter implements Reporter {
  private counts = broken;
  private isFiltered = false;

  onInit(vitest: Vitest): void {
    this.isFiltered = vitest.config.testNamePattern !== undefined;
    // On exit, for nothing may be printed after it: not the runner's summary, nor what it says while closing.
    process.once('exit', () => {
      this.conclude();
    });
  }

  onTestRunEnd(modules: readonly TestModule[], unhandled: readonly SerializedError[]): void {
    const tests = modules.flatMap((module) => [...module.children.allTests()]);
    const of = (state: string): TestCase[] => tests.filter((test) => test.result().state === state);
    const skipped = of('skipped');
    const unexpected = this.isFiltered ? 0 : this.tellSkipped(skipped);
    const outside = modules.reduce((sum, module) => sum + countOtherErrors(module), unhandled.length);
    // A test still pending at the end never ran: its worker died.
    const broke = of('failed').length + of('pending').length + outside;
    const failed = broke + unexpected + this.tellSecondTries(tests);
    const passed = of('passed').length;
    this.counts = passed + failed === 0 ? broken : { passed, failed, skipped: skipped.length - unexpected };
  }

  /** Prints every skipped test, and gives how many of them nobody expected. */
  private tellSkipped(skipped: readonly TestCase[]): number {
    let unexpected = 0;
    for (const test of skipped) {
      const name = fullName(test);
      const result = test.result();
      const known = (expectedSkips as ExpectedSkip[]).find(isFor(name));
      if (!known) unexpected += 1;
      const note = result.state === 'skipped' ? result.note : undefined;
      const reason = note ?? known?.reason ?? 'no reason given';
      process.stdout.write(`${known ? 'skipped' : 'FAILED, an unexpected skip'}: ${name}: ${reason}\n`);
    }
    return unexpected;
  }

  /** Prints them; gives 1 when they are too many, which fails the run. */
  private tellSecondTries(tests: readonly TestCase[]): number {
    const { lines, tooMany } = judgeSecondTries(findSecondTries(tests));
    for (const line of lines) process.stdout.write(`${line}\n`);
    return tooMany ? 1 : 0;
  }

  private conclude(): void {
    if (this.counts.failed > 0) process.exitCode = 1;
    process.stdout.write(`${formatCounts(this.counts)}\n`);
  }
}
