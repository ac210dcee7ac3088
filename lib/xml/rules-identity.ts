/** Rules on who a machine says it is. */
import { find, findAll, valueAt, type Known } from './known.ts';
import type { Problem } from './problems.ts';
import { repeats, when, type Ruled } from './rule.ts';
import { uuid } from './values.ts';

/** What is wrong with `<sysinfo>` and `<loader stateless>`. */
export function brokenIdentity(known: Known, domain: Ruled): Problem[] {
  return [...brokenSysinfo(known, domain), ...brokenStateless(known, domain)];
}

function brokenSysinfo(known: Known, { os, sysinfo, uuid: own }: Ruled): Problem[] {
  const told = sysinfo?.system.find(({ name }) => name === 'uuid')?.value;
  const read = told === undefined ? null : uuid.read(told);
  const isOther = read !== null && !('value' in read && read.value === own);
  const none = 'there is no <sysinfo> to take it from';
  const other = 'its UUID is not that of the machine';
  return [
    ...when(
      os.smbios === 'sysinfo' && sysinfo === null,
      known,
      '/domain/os/smbios',
      none,
      "add it, or write mode='emulate'",
    ),
    ...when(isOther, known, '/domain/sysinfo/system', other, 'make it the same as <uuid>'),
    ...repeatedEntries(known),
  ];
}

/** QEMU takes the last, libvirt the first; nobody means two. */
function repeatedEntries(known: Known): Problem[] {
  const sysinfo = find(known, '/domain/sysinfo');
  return (['bios', 'system', 'baseBoard', 'chassis'] as const).flatMap((table) => {
    const tables = sysinfo ? findAll(sysinfo, '/domain/sysinfo', `/domain/sysinfo/${table}`) : [];
    return tables.flatMap((one) => {
      const key = `/domain/sysinfo/${table}/entry` as const;
      const elements = findAll(one, `/domain/sysinfo/${table}`, key);
      const isRepeated = repeats(elements.map((element) => valueAt(element, `${key}/@name`) ?? null));
      return elements.flatMap((element, index) => {
        return when(isRepeated(index), element, key, 'this entry is given twice', 'keep one of them');
      });
    });
  });
}

function brokenStateless(known: Known, { os }: Ruled): Problem[] {
  const isStateless = valueAt(known, '/domain/os/loader/@stateless') === true;
  const stateful = valueAt(known, '/domain/os/loader/@stateless') === false && os.loader?.type === 'rom';
  const key = '/domain/os/loader';
  return [
    ...when(isStateless && os.loader === null, known, key, 'a stateless loader has no path', 'write its path'),
    ...when(isStateless && os.nvram !== null, known, '/domain/os/nvram', 'its loader keeps no variables', 'remove it'),
    ...when(stateful, known, key, 'only a loader in flash keeps variables', "remove stateless='no'"),
  ];
}
