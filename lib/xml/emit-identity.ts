/** Who a machine says it is -> XML. */
import type { OperatingSystem } from '../domain/definition.ts';
import type { Sysinfo, SysinfoEntries } from '../domain/sysinfo.ts';
import { tag, unlessEmpty, type Tag } from './serialize.ts';

/** `<sysinfo>`. */
export function sysinfo({ bios, system, baseBoards, chassis, oemStrings }: Sysinfo): Tag {
  return tag('sysinfo', { type: 'smbios' }, [
    unlessEmpty(entries('bios', bios)),
    unlessEmpty(entries('system', system)),
    ...baseBoards.map((board) => entries('baseBoard', board)),
    unlessEmpty(entries('chassis', chassis)),
    unlessEmpty(
      tag(
        'oemStrings',
        {},
        oemStrings.map((value) => tag('entry', {}, value)),
      ),
    ),
  ]);
}

function entries(name: string, list: SysinfoEntries): Tag {
  return tag(
    name,
    {},
    list.map((entry) => tag('entry', { name: entry.name }, entry.value)),
  );
}

/** Inside `<os>`: what the firmware adds and waits for. */
export function firmwareSettings({ acpiTables, rebootTimeoutMs, smbios }: OperatingSystem): (Tag | null)[] {
  return [
    unlessEmpty(
      tag(
        'acpi',
        {},
        acpiTables.map(({ type, path }) => tag('table', { type }, path)),
      ),
    ),
    rebootTimeoutMs === null ? null : tag('bios', { rebootTimeout: rebootTimeoutMs }),
    smbios === null ? null : tag('smbios', { mode: smbios }),
  ];
}
