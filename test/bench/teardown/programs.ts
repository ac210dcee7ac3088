/** Programs that have nothing to do with domctl, with the library preloaded and without. */
import { execFileSync } from 'node:child_process';
import { realpathSync } from 'node:fs';
import { constants } from 'node:os';
import { CgroupRoot, readHierarchy } from '../../../cgroups/hierarchy.ts';
import { pidfdSignal } from '../../../native/index.ts';
import { nowMs } from './contender.ts';
import { atEnd, goOn } from '../ending.ts';
import { useThp } from '../machine.ts';
import { untilQuiet } from './measure.ts';
import { type MemoryProgram, memoryPrograms } from './memory-programs.ts';
import { restartPostgres } from './postgres.ts';
import { type Place, preloading } from './program-birth.ts';
import type { ProgramResults, ProgramRun } from './program-report.ts';
import type { Settings } from './run.ts';
import { backMs, compile, watch } from './watch.ts';

type ProgramSettings = Pick<Settings, 'scratch' | 'quick' | 'endMs'> & {
  /** What an earlier run measured on this machine. */
  readonly before: ProgramResults | null;
  save(results: ProgramResults): void;
};

export async function benchPrograms(settings: ProgramSettings): Promise<ProgramResults> {
  const { scratch, quick, before, endMs } = settings;
  const root = await CgroupRoot.open(readHierarchy(), `/domctl-bench-programs-${process.pid}`);
  await root.makeBranch();
  atEnd(async () => root.at().removeIfEmpty());
  useThp('never');
  const place = { root, scratch, stopwatch: compile('stopwatch', scratch) };
  const runs = [...(before?.runs ?? [])];
  const notMeasured: string[] = [];
  const results = { runs, postgresMs: [...(before?.postgresMs ?? [])], notMeasured };
  const there = memoryPrograms.filter(({ name }) => find(name) !== null || !notMeasured.push(`${name}: not installed`));
  const attempt = async (name: string, measured: () => Promise<void>): Promise<void> => {
    try {
      await measured();
    } catch (error) {
      goOn();
      notMeasured.push(`${name}: ${error instanceof Error ? error.message : String(error)}`);
    }
    settings.save(results);
  };
  // A matter of seconds: it has its place before the others' time is over.
  const postgres = find('postgres');
  const restarts = (quick ? 2 : 15) - results.postgresMs.length;
  if (postgres === null) notMeasured.push('PostgreSQL: not installed');
  else if (restarts > 0)
    await attempt('PostgreSQL', async () => {
      results.postgresMs.push(...(await restartPostgres(place, realpathSync(postgres), restarts)));
    });
  const rounds = quick ? 1 : 15;
  const lacks = ({ name, times }: MemoryProgram): boolean =>
    runs.filter(({ program }) => program === name).length < 2 * Math.min(times, rounds);
  for (let round = 0; round < rounds && nowMs() < endMs; round += 1)
    for (const program of there.filter(lacks))
      await attempt(program.name, async () => {
        runs.push(...(await measureBoth(place, program, { round, gib: quick ? 1 : 8 })));
      });
  return results;
}

function find(program: string): string | null {
  try {
    return execFileSync('sh', ['-c', `command -v ${program}`], { encoding: 'utf8' }).trim() || null;
  } catch {
    return null;
  }
}

/** With and without, in turns. */
async function measureBoth(
  place: Place,
  program: MemoryProgram,
  { round, gib }: { round: number; gib: number },
): Promise<ProgramRun[]> {
  const runs: ProgramRun[] = [];
  for (const preloaded of [round % 2 === 0, round % 2 !== 0])
    runs.push(await measure(place, program, { preloaded, gib }));
  return runs;
}

async function measure(
  place: Place,
  program: MemoryProgram,
  { preloaded, gib }: { preloaded: boolean; gib: number },
): Promise<ProgramRun> {
  const file = find(program.name)!;
  const running = await program.fill(place, { file, gib, env: preloaded ? preloading(realpathSync(file)) : {} });
  const guest = { gib, pages: '4k', touched: true } as const;
  await untilQuiet();
  const see = await watch(place.stopwatch, { pid: running.pid, image: '-' }, guest);
  const began = nowMs();
  pidfdSignal(running.pidfd, constants.signals.SIGKILL);
  await running.ended;
  const sight = await see();
  await running.remove();
  const figures = { exitMs: sight.goneMs - began, backMs: backMs(sight, guest) - began };
  process.stderr.write(`${program.name} ${preloaded ? 'preloaded' : 'plain'}: ${JSON.stringify(figures)}\n`);
  return { program: program.name, preloaded, gib, ...figures };
}
