/** A simulation as people read it: the host, then a line a policy. */
import { formatBytes, formatElapsed, formatRate } from '../../format.ts';
import type { PolicyRun, Simulation } from '../../simulation/simulate.ts';
import { renderTable } from './table.ts';

export function renderSimulation({ description, host, restart, runs }: Simulation): string {
  const columns = [
    { title: 'Policy' },
    { title: 'Verb' },
    { title: 'Downtime', align: 'right' },
    { title: 'Mean', align: 'right' },
    { title: 'Braked', align: 'right' },
    { title: 'Stood still', align: 'right' },
    { title: 'Peak of host', align: 'right' },
    { title: 'Bound', align: 'right' },
  ] as const;
  const facts = [
    `Host ${formatBytes(host.totalBytes)}, capacity ${formatBytes(host.capacityBytes)}, other programs ${formatBytes(host.otherBytes)}`,
    `Restarted: ${restart.count} of ${formatBytes(restart.memoryBytes)}, each giving back ${formatRate(restart.drainRateBytes)}`,
  ];
  return [description, ...facts, '', renderTable(columns, runs.map(cellsOf))].join('\n');
}

function cellsOf(run: PolicyRun): string[] {
  const { downtimeMs } = run;
  return [
    run.policy,
    `${run.verb} --wait`,
    downtimeMs === null ? 'never' : formatElapsed(downtimeMs.longest),
    downtimeMs === null ? '-' : formatElapsed(downtimeMs.mean),
    run.brakedMs === 0 ? '-' : formatElapsed(run.brakedMs),
    run.heldBackMs === 0 ? '-' : formatElapsed(run.heldBackMs),
    formatBytes(run.peakBytes),
    formatBytes(run.boundBytes),
  ];
}
