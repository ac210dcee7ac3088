/** Programs and files that only some definitions need, and the daemon. */
import { type Finding, fail, pass, warn } from '../finding.ts';
import type { HostReadings, ToolName } from '../readings.ts';

/** What each program is for, and the Debian package that has it. */
const tools: Readonly<Record<ToolName, { readonly use: string; readonly package: string }>> = {
  ip: { use: 'to look at bridges and taps', package: 'iproute2' },
  swtpm: { use: 'for <tpm>', package: 'swtpm' },
  virtiofsd: { use: "for <filesystem> of driver 'virtiofs'", package: 'virtiofsd' },
  'qemu-img': { use: 'to make and look at images', package: 'qemu-utils' },
};

export function checkTools(host: HostReadings): Finding[] {
  const names = Object.keys(tools) as ToolName[];
  return [...names.map((name) => toolFinding(name, host.tools[name])), firmwareFinding(host.firmware)];
}

function toolFinding(name: ToolName, path: string | null): Finding {
  if (path !== null) return pass(name, path);
  return warn(name, `not found; needed ${tools[name].use}`, `apt-get install ${tools[name].package}`);
}

function firmwareFinding(files: readonly string[]): Finding {
  const [first] = files;
  if (first !== undefined) return pass('UEFI firmware', first);
  return warn('UEFI firmware', "not found; needed for <os firmware='efi'>", 'apt-get install ovmf');
}

export function checkDaemon({ daemon, program }: HostReadings): Finding[] {
  const what = 'domctld';
  switch (daemon.kind) {
    case 'none':
      return [pass(what, 'not running; it starts at the first command that needs it')];
    case 'failed':
      return [fail(what, daemon.failure.message, daemon.failure.hint ?? "'domctl daemon run' shows what it says")];
    case 'running':
      if (daemon.version === program.version) return [pass(what, `${daemon.version} is running (pid ${daemon.pid})`)];
      return [
        warn(
          what,
          `${daemon.version} is running (pid ${daemon.pid}), and domctl is ${program.version}`,
          "'domctl daemon stop': virtual machines go on, and the next command starts the new one",
        ),
      ];
  }
}
