/** Lines of the table: who a machine says it is, and what it does before its guest runs. */
import { sysinfoNames } from '../domain/sysinfo.ts';
import { integer } from './numbers.ts';
import { first, holder, ignored, missing, only, part, required, several, under, value, whole } from './property.ts';
import { flag, line, listedPath, orNothing, supported, text, uuid } from './values.ts';

const yesNo = value(flag('yes', 'no'));
const most = Number.MAX_SAFE_INTEGER;

const entry = { '/entry': several(value(line)) } as const;

const mapping = {
  '': several(whole(ignored(holder))),
  '/@start': ignored(value(integer(0, most))),
  '/@target': ignored(value(integer(0, most))),
  '/@count': ignored(value(integer(0, most))),
} as const;

export const identity = {
  '/domain/genid': value(orNothing(uuid)),
  ...under('/domain/sysinfo', {
    '': first(whole(holder)),
    '/@type': required(only('smbios')),
    '/bios': holder,
    ...under('/bios', entry),
    '/bios/entry/@name': required(only(...sysinfoNames.bios)),
    '/system': holder,
    ...under('/system', entry),
    '/system/entry/@name': required(only(...sysinfoNames.system)),
    '/baseBoard': several(holder),
    ...under('/baseBoard', entry),
    '/baseBoard/entry/@name': required(only(...sysinfoNames.baseBoard)),
    '/chassis': holder,
    ...under('/chassis', entry),
    '/chassis/entry/@name': required(only(...sysinfoNames.chassis)),
    '/oemStrings': holder,
    ...under('/oemStrings', entry),
  }),
  '/domain/os/smbios': holder,
  '/domain/os/smbios/@mode': required(only('emulate', 'sysinfo')),
  '/domain/os/loader/@stateless': yesNo,
  '/domain/os/bios': holder,
  '/domain/os/bios/@useserial': ignored(value(supported('no'))),
  '/domain/os/bios/@rebootTimeout': value(integer(-1, 65535)),
  '/domain/os/acpi': holder,
  '/domain/os/acpi/table': several(value(listedPath('/etc/web1.slic'))),
  '/domain/os/acpi/table/@type': required(only('raw', 'slic', 'msdm')),
  ...under('/domain/seclabel', {
    '': several(whole(ignored(holder))),
    '/@type': ignored(part(supported('none', 'dynamic'))),
    '/@model': ignored(value(text)),
    '/@relabel': ignored(yesNo),
    '/label': ignored(part(text)),
    '/imagelabel': ignored(part(text)),
    '/baselabel': missing('remove it; a hypervisor of domctl is held by its user, its cgroup and its sandbox'),
  }),
  '/domain/resource': whole(ignored(holder)),
  '/domain/resource/partition': ignored(part(supported('/machine'))),
  '/domain/idmap': ignored(holder),
  ...under('/domain/idmap/uid', mapping),
  ...under('/domain/idmap/gid', mapping),
  '/domain/perf': ignored(holder),
  '/domain/perf/event': several(whole(ignored(holder))),
  '/domain/perf/event/@name': ignored(value(text)),
  '/domain/perf/event/@enabled': ignored(yesNo),
  '/domain/on_lockfailure': ignored(only('poweroff', 'restart', 'pause', 'ignore')),
  '/domain/keywrap': missing(),
  '/domain/launchSecurity': missing(),
} as const;
