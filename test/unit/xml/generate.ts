import type { ParseOptions } from '../../../lib/xml/parse.ts';

/** Options whose generated UUIDs and MAC addresses are counted up from 1. */
export function countingOptions(file: string, allowUnsupported = false): ParseOptions {
  let uuids = 0;
  let macs = 0;
  return {
    file,
    allowUnsupported,
    generate: {
      uuid: () => `00000000-0000-4000-8000-${String(++uuids).padStart(12, '0')}`,
      mac: () => `52:54:00:00:00:${String(++macs).padStart(2, '0')}`,
    },
  };
}
