/** XML -> who a machine says it is. */
import type { AcpiTable } from '../domain/definition.ts';
import type { Sysinfo, SysinfoEntries } from '../domain/sysinfo.ts';
import { find, findAll, has, need, valueAt, type Known } from './known.ts';

/** The generation a guest is of; made by `generate` where the definition asks for any. null: it is not told. */
export function readGenerationId(domain: Known, generate: () => string): string | null {
  return has(domain, '/domain/genid') ? (valueAt(domain, '/domain/genid') ?? generate()) : null;
}

/** `<sysinfo>`. */
export function readSysinfo(domain: Known): Sysinfo | null {
  const sysinfo = find(domain, '/domain/sysinfo');
  if (sysinfo === undefined) return null;
  const boards = findAll(sysinfo, '/domain/sysinfo', '/domain/sysinfo/baseBoard');
  return {
    bios: readEntries(sysinfo, 'bios'),
    system: readEntries(sysinfo, 'system'),
    baseBoards: boards.map((board) => readEntries(board, 'baseBoard')),
    chassis: readEntries(sysinfo, 'chassis'),
    oemStrings: readStrings(sysinfo),
  };
}

type Table = 'bios' | 'system' | 'baseBoard' | 'chassis';

/** An empty text says nothing. */
function readEntries(from: Known, table: Table): SysinfoEntries {
  return findAll(from, `/domain/sysinfo/${table}`, `/domain/sysinfo/${table}/entry`).flatMap((entry) => {
    const value = valueAt(entry, `/domain/sysinfo/${table}/entry`) ?? null;
    return value === null ? [] : [{ name: need(entry, `/domain/sysinfo/${table}/entry/@name`), value }];
  });
}

function readStrings(sysinfo: Known): string[] {
  return findAll(sysinfo, '/domain/sysinfo/oemStrings', '/domain/sysinfo/oemStrings/entry').flatMap((entry) => {
    const value = valueAt(entry, '/domain/sysinfo/oemStrings/entry') ?? null;
    return value === null ? [] : [value];
  });
}

/** Tables that the firmware adds to its own. */
export function readAcpiTables(domain: Known): AcpiTable[] {
  return findAll(domain, '/domain/os/acpi', '/domain/os/acpi/table').map((table) => ({
    type: need(table, '/domain/os/acpi/table/@type'),
    path: need(table, '/domain/os/acpi/table'),
  }));
}
