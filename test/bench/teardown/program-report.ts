/** Programs without domctl, as tables. */
import { table } from '../table.ts';
import { spread, words } from '../statistics.ts';

export interface ProgramRun {
  readonly program: string;
  readonly preloaded: boolean;
  readonly gib: number;
  readonly exitMs: number;
  readonly backMs: number;
}

export interface ProgramResults {
  readonly runs: readonly ProgramRun[];
  /** Of each restart of PostgreSQL after SIGKILL, preloaded: until it answers; null: it refused. */
  readonly postgresMs: readonly (number | null)[];
  readonly notMeasured: readonly string[];
}

export function programTables({ runs, postgresMs, notMeasured }: ProgramResults): string[] {
  const kinds = [...new Set(runs.map(({ program, preloaded }) => `${program}${preloaded ? ', preloaded' : ''}`))];
  const rows = kinds.map((kind) => {
    const of = runs.filter(({ program, preloaded }) => `${program}${preloaded ? ', preloaded' : ''}` === kind);
    const figures = [of.map(({ exitMs }) => exitMs), of.map(({ backMs }) => backMs)];
    return [kind, `${of[0]!.gib} GiB`, `${of.length}`, ...figures.map((each) => words(spread(each)))];
  });
  const ready = postgresMs.filter((ms) => ms !== null);
  const postgres = `PostgreSQL, preloaded, started again at once after SIGKILL: ${ready.length} of ${postgresMs.length} came up (${words(spread(ready))} ms to the first answer).`;
  return [
    `### Programs without domctl\n\n${table(['program', 'holds', 'n', 'SIGKILL to exit, ms', 'memory back, ms'], rows)}`,
    ...(postgresMs.length > 0 ? [postgres] : []),
    ...(notMeasured.length > 0 ? [`Not measured: ${notMeasured.join('; ')}.`] : []),
  ];
}
