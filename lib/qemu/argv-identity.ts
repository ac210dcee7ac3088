/** Who a machine says it is, as QEMU's arguments. Pure. */
import type { Domain } from '../domain/definition.ts';
import type { SysinfoEntries } from '../domain/sysinfo.ts';
import { device, text } from './arguments.ts';

/** Its tables of SMBIOS where the definition says that they are its own, and the generation it is of. */
export function identityArguments({ os, sysinfo, genid }: Domain): string[] {
  const isOwn = os.smbios === 'sysinfo' && sysinfo !== null;
  return [
    ...(isOwn
      ? [
          ...table(0, sysinfo.bios),
          ...table(1, sysinfo.system),
          ...sysinfo.baseBoards.flatMap((board) => table(2, board)),
          ...table(3, sysinfo.chassis),
          ...table(
            11,
            sysinfo.oemStrings.map((value) => ({ name: 'value', value })),
          ),
        ]
      : []),
    ...(genid === null ? [] : device({ driver: 'vmgenid', guid: genid, id: 'vmgenid0' })),
  ];
}

function table(type: number, entries: SysinfoEntries): string[] {
  if (entries.length === 0) return [];
  return ['-smbios', [`type=${type}`, ...entries.map(({ name, value }) => `${name}=${text(value)}`)].join(',')];
}

/** Tables that the firmware adds to its own. */
export function acpiTableArguments({ os }: Domain): string[] {
  return os.acpiTables.flatMap(({ type, path }) => {
    const signature = type === 'raw' ? '' : `sig=${type.toUpperCase()},`;
    return ['-acpitable', `${signature}file=${text(path)}`];
  });
}
