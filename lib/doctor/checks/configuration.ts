/** host.yaml, every policy file, and the directories domctl keeps its files in. */
import { type Finding, fail, judge, pass, warn } from '../finding.ts';
import type { DirectoryReading, HostReadings } from '../readings.ts';

export function checkConfiguration({ configuration }: HostReadings): Finding[] {
  const broken = configuration.files.flatMap(({ file, failure }) =>
    failure ? [fail(file, failure.message, failure.hint ?? "'domctl policy check' tells more")] : [],
  );
  const valid = configuration.files.length - broken.length;
  return [
    ...(valid > 0 ? [pass('configuration files', `${valid} valid`)] : []),
    ...broken,
    ...rawOptions(configuration),
  ];
}

/** They may undo the confinement, and whatever domctl proves of resources. */
function rawOptions({ host }: HostReadings['configuration']): Finding[] {
  if (host?.allowQemuCommandline !== true) return [];
  const why = 'host.yaml lets definitions give QEMU any option (security.allowQemuCommandline)';
  return [warn('qemu:commandline', why, 'set it to false unless whoever defines domains may act as their user')];
}

export function checkDirectories({ directories, locks }: HostReadings): Finding[] {
  return [
    ...directories.flatMap((each) => [directoryFinding(each), ...modeFindings(each), ...journalFindings(each)]),
    ...locks.map(({ directory, seen }) => {
      const what = `file locks in ${directory}`;
      return judge(what, seen, (value) =>
        value
          ? pass(what, 'a lock of one open file description is seen by another')
          : fail(
              what,
              'a lock is not seen by others: two hypervisors could write one image',
              'keep images on a file system with OFD locks (mounted without nolock)',
            ),
      );
    }),
  ];
}

function directoryFinding(directory: DirectoryReading): Finding {
  const { use, path, nearest, exists, writable } = directory;
  const what = `${use} directory`;
  if (nearest === null)
    return fail(what, `${path} is not a directory`, `move that file away, or set DOMCTL_${variable(use)}_DIR`);
  if (use === 'configuration') return pass(what, exists ? path : `${path} is not there: the shipped files count`);
  return judge(what, writable, (value) => {
    if (!value) {
      const why = exists ? 'is not writable for us' : `cannot be made in ${nearest.path}`;
      return fail(what, `${path} ${why}`, `give it to this user, or set DOMCTL_${variable(use)}_DIR`);
    }
    return pass(what, exists ? path : `${path} is not there yet: it is made at first use`);
  });
}

/** Nothing is lost by it but what stood there: every state is proven anew. */
function journalFindings({ path, damaged = [] }: DirectoryReading): Finding[] {
  return damaged.map((name) =>
    warn(
      'journal',
      `${path}/${name} could not be read whole`,
      'domctld.log says what of it; remove it once you have looked',
    ),
  );
}

function variable(use: DirectoryReading['use']): string {
  return use === 'configuration' ? 'CONFIG' : use.toUpperCase();
}

/** Whoever may write the configuration decides who may start what; the journal is nobody's business. */
function modeFindings({ use, path, nearest, exists }: DirectoryReading): Finding[] {
  if (!exists || nearest === null) return [];
  const mode = (nearest.mode & 0o777).toString(8).padStart(3, '0');
  if ((nearest.mode & 0o002) !== 0)
    return [warn(`${use} directory's mode`, `${path} has mode ${mode}: anyone may write it`, `chmod o-w ${path}`)];
  // The hypervisors' users pass through it to what is theirs (mode 711, as the daemon makes it).
  if (use === 'state' && (nearest.mode & 0o066) !== 0)
    return [warn("state directory's mode", `${path} has mode ${mode}: others may look into it`, `chmod 711 ${path}`)];
  return [];
}
