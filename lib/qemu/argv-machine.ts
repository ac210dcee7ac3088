/** The board and its firmware as QEMU's arguments. Pure. */
import type { Domain, OperatingSystem } from '../domain/definition.ts';
import type { Firmware } from '../domain/firmware.ts';
import { DomctlError } from '../errors.ts';
import { machineTimers } from './argv-clock.ts';
import { accelerator, interruptChip } from './argv-features.ts';
import { speaker } from './argv-sound.ts';
import { given, impossible, json, onOff } from './arguments.ts';
import { type Capabilities, requireMachine } from './capabilities.ts';
import { machineFamily } from './machine-family.ts';

/** Flash chips, -machine and -accel. Throws HOST_LACKS when this emulator lacks the machine type or KVM. */
export function machineArguments(domain: Domain, capabilities: Capabilities, firmware: Firmware | null): string[] {
  requireMachine(capabilities, domain.os.machine);
  if (domain.type === 'kvm' && !capabilities.kvm) {
    throw new DomctlError('HOST_LACKS', `${capabilities.emulator} was built without KVM`, {
      hint: "use <domain type='qemu'>, or another emulator",
    });
  }
  const flash = firmware?.type === 'pflash' ? flashNodes(firmware) : [];
  return [...flash, '-machine', properties(domain, firmware), '-accel', accelerator(domain)];
}

/** What follows -cpu: firmware in place of the BIOS, or flash that only the firmware's own mode may write. */
export function firmwareArguments(firmware: Firmware | null): string[] {
  if (firmware?.type === 'rom') return ['-bios', firmware.code];
  return firmware?.secure ? ['-global', 'driver=cfi.pflash01,property=secure,value=on'] : [];
}

/** What the board does when its guest sleeps, and what becomes of the machine when the guest ends by itself. */
export function powerArguments(domain: Domain): string[] {
  return [...actions(domain), ...sleepStates(domain)];
}

/** Boot order is each device's own `bootindex`; here is what belongs to the machine. */
export function bootArguments({ os }: Domain): string[] {
  return [
    ...['-boot', `${bootMenu(os)}${retry(os)}strict=on`],
    ...(os.kernel === null ? [] : ['-kernel', os.kernel]),
    ...(os.initrd === null ? [] : ['-initrd', os.initrd]),
    ...(os.cmdline === null ? [] : ['-append', os.cmdline]),
  ];
}

function properties(domain: Domain, firmware: Firmware | null): string {
  const { features, memoryBacking, os } = domain;
  return [
    `${os.machine},usb=off`,
    toggle('vmport', features.vmport),
    toggle('smm', managementMode(domain, firmware)),
    interruptChip(domain),
    ',dump-guest-core=off',
    memoryBacking.mergePages ? '' : ',mem-merge=off',
    (domain.cpu?.numa ?? []).length === 0 ? ',memory-backend=pc.ram' : '',
    firmware?.type === 'pflash' ? flashChips(firmware) : '',
    speaker(domain),
    machineTimers(domain),
    toggle('acpi', features.acpi),
  ].join('');
}

/** Nothing for null: QEMU's default. */
function toggle(name: string, value: boolean | null): string {
  return value === null ? '' : `,${name}=${onOff(value)}`;
}

/** SMM, which a firmware that guards its variables needs: only q35 has it whole. */
function managementMode({ features, os }: Domain, firmware: Firmware | null): boolean | null {
  if (!firmware?.secure) return features.smm;
  if (features.smm !== false && machineFamily(os.machine) === 'q35') return true;
  throw impossible(
    `${firmware.code} guards its variables by SMM, which this machine has not`,
    "use machine='q35' with <smm state='on'/>, or a firmware without Secure Boot",
  );
}

const codeNode = 'libvirt-pflash0';
const variablesNode = 'libvirt-pflash1';

function flashChips({ vars, varsFormat }: Firmware): string {
  const variables = `,pflash1=${variablesNode}-${varsFormat === 'raw' ? 'storage' : 'format'}`;
  return `,pflash0=${codeNode}-format${vars === null ? '' : variables}`;
}

function flashNodes(firmware: Firmware): string[] {
  return [...codeNodes(firmware), ...variableNodes(firmware)].flatMap((node) => json('-blockdev', node));
}

function codeNodes({ code, codeFormat, readonly }: Firmware): object[] {
  const file = { driver: 'file', filename: code, 'node-name': `${codeNode}-storage` };
  const format = { 'node-name': `${codeNode}-format`, 'read-only': readonly, driver: codeFormat };
  return [
    { ...file, 'auto-read-only': true, discard: 'unmap' },
    { ...format, file: `${codeNode}-storage` },
  ];
}

/** The guest's own variables are locked like its disks. */
function variableNodes({ vars, varsFormat }: Firmware): object[] {
  if (vars === null) return [];
  const file = { driver: 'file', filename: vars, 'node-name': `${variablesNode}-storage`, locking: 'on' };
  if (varsFormat === 'raw') return [{ ...file, 'read-only': false }];
  const format = { 'node-name': `${variablesNode}-format`, 'read-only': false, driver: varsFormat };
  return [
    { ...file, 'auto-read-only': true, discard: 'unmap' },
    { ...format, file: `${variablesNode}-storage` },
  ];
}

function bootMenu({ bootMenu }: OperatingSystem): string {
  if (bootMenu === null) return '';
  const timeout = bootMenu.timeoutMs === null ? '' : `splash-time=${bootMenu.timeoutMs},`;
  return `menu=${onOff(bootMenu.enabled)},${timeout}`;
}

function retry({ rebootTimeoutMs }: OperatingSystem): string {
  return rebootTimeoutMs === null ? '' : `reboot-timeout=${rebootTimeoutMs},`;
}

/**
 * QEMU's own actions where they need no manager; the rest of `<on_*>` is its defaults: reset at reboot, end at
 * power-off and panic.
 */
function actions({ lifecycle, watchdog }: Domain): string[] {
  const all = Object.entries({
    ...given('reboot', lifecycle.onReboot === 'destroy' ? 'shutdown' : null),
    ...given('shutdown', lifecycle.onPoweroff === 'restart' ? 'pause' : null),
    ...given('panic', lifecycle.onCrash === 'destroy' ? null : 'pause'),
    ...given('watchdog', watchdog?.action ?? null),
  });
  return all.length === 0 ? [] : ['-action', all.map(([event, action]) => `${event}=${String(action)}`).join(',')];
}

const powerChips = { pc: 'PIIX4_PM', q35: 'ICH9-LPC' } as const;

/** Hiding a sleep state is a property of the board's power management chip. */
function sleepStates({ powerManagement, os }: Domain): string[] {
  const family = machineFamily(os.machine);
  const states = { s3: powerManagement.suspendToMemory, s4: powerManagement.suspendToDisk };
  return Object.entries(states).flatMap(([state, offered]) => {
    if (offered === null) return [];
    if (family === 'other') throw impossible(`machine type ${os.machine} has no <pm> to set`, 'remove <pm>');
    return ['-global', `${powerChips[family]}.disable_${state}=${offered ? 0 : 1}`];
  });
}
