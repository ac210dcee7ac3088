/** The host's memory: what may be promised, how it is given out, how pressure is told. */
import { formatBytes } from '../../format.ts';
import { type Finding, judge, pass, warn } from '../finding.ts';
import type { HostReadings, HugePool } from '../readings.ts';

export function checkMemory({ memory, configuration }: HostReadings): Finding[] {
  return [
    judge('memory', memory.total, (bytes) => pass('memory', formatBytes(bytes))),
    swapFinding(memory, configuration.host?.overcommit ?? 1),
    judge('vm.overcommit_memory', memory.overcommitMemory, overcommitFinding),
    judge('transparent huge pages', memory.transparentHugePages, thpFinding),
    judge('huge page pools', memory.pools, (pools) => pass('huge page pools', describePools(pools))),
    pressureFinding(memory),
  ];
}

/** What is promised above the memory there is can only be kept by swap. */
function swapFinding(memory: HostReadings['memory'], overcommit: number): Finding {
  const what = 'swap and overcommit';
  return judge(what, memory.swap, (swap) => {
    const setting = `host.yaml: capacity.overcommit ${overcommit.toFixed(1)}`;
    if (overcommit <= 1) return pass(what, `${formatBytes(swap)} of swap; ${setting} needs none`);
    return judge(what, memory.total, (total) => {
      const needed = total * (overcommit - 1);
      if (swap >= needed) return pass(what, `${formatBytes(swap)} of swap; ${setting} needs ${formatBytes(needed)}`);
      return warn(
        what,
        `${formatBytes(swap)} of swap; ${setting} needs ${formatBytes(needed)}`,
        'add swap, or lower capacity.overcommit: guests that use all they were promised end in the OOM killer',
      );
    });
  });
}

function overcommitFinding(mode: string): Finding {
  const what = 'vm.overcommit_memory';
  if (mode !== '2') return pass(what, mode);
  return warn(
    what,
    '2: the kernel counts every mapping in full, and QEMU maps more than it uses',
    'sysctl vm.overcommit_memory=0: domctl keeps its own account of what is promised',
  );
}

function thpFinding(word: string): Finding {
  const what = 'transparent huge pages';
  if (word !== 'never') return pass(what, word);
  return warn(
    what,
    'never: guest memory is in 4 KiB pages, and takes longest to give back',
    'echo madvise > /sys/kernel/mm/transparent_hugepage/enabled',
  );
}

function describePools(pools: readonly HugePool[]): string {
  const filled = pools.filter(({ pages }) => pages > 0);
  if (filled.length === 0) return 'none; only domains with <hugepages/> need one';
  return filled
    .map(({ pageBytes, pages, freePages }) => `${pages} of ${pageBytes / 1024} KiB, ${freePages} free`)
    .join('; ');
}

function pressureFinding({ pressure }: HostReadings['memory']): Finding {
  const what = 'memory pressure (PSI)';
  if (pressure.known) return pass(what, 'told by the kernel');
  return warn(what, `cannot be read: ${pressure.reason}`, 'boot with psi=1');
}
