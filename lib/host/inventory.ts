/** What the host has: memory, huge page pools, boot, processors. Facts only, as readings. */
import { messageOf } from '../errors.ts';
import { readdirSync, readFileSync } from 'node:fs';
import { mem } from 'systeminformation';
import type { HostMemory } from '../admission/ledger.ts';
import { known, type Reading, unknown } from '../reading.ts';

const hugePages = '/sys/kernel/mm/hugepages';

/** MemTotal, MemAvailable and the huge page pools, in bytes. */
export async function readHostMemory(): Promise<Reading<HostMemory>> {
  try {
    const { total, available } = await mem();
    if (!(total > 0) || !(available >= 0)) return unknown('the host tells no MemTotal or MemAvailable');
    return known({ totalBytes: total, availableBytes: available, hugePoolBytes: readHugePools() });
  } catch (error) {
    return unknown(messageOf(error));
  }
}

/** MemTotal and all of the swap there is, in bytes. */
export async function readMemoryAndSwap(): Promise<{
  readonly total: Reading<number>;
  readonly swap: Reading<number>;
}> {
  try {
    const { total, swaptotal } = await mem();
    return { total: known(total), swap: known(swaptotal) };
  } catch (error) {
    const reason = unknown(messageOf(error));
    return { total: reason, swap: reason };
  }
}

/** Bytes in all pools, used or not: none of them serves 4 KiB memory. */
function readHugePools(): number {
  return readdirSync(hugePages).reduce((sum, name) => {
    const kib = Number(/^hugepages-(\d+)kB$/.exec(name)?.[1] ?? 0);
    return sum + kib * 1024 * Number(readFileSync(`${hugePages}/${name}/nr_hugepages`, 'utf8'));
  }, 0);
}

/** The identity of this boot; pids mean nothing under another one. */
export function readBootId(): string {
  return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
}
