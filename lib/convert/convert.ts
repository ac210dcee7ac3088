/**
 * A definition as the command line that would run it, without a daemon. Nothing it names need be on this host: what
 * cannot be found out is assumed, and said.
 */
import path from 'node:path';
import type { Domain } from '../domain/definition.ts';
import type { Firmware } from '../domain/firmware.ts';
import { DomctlError } from '../errors.ts';
import { resolveFirmware } from '../host/firmware.ts';
import { nvramPath } from '../host/nvram.ts';
import { isExecutable } from '../host/programs.ts';
import { nobody } from '../host/users.ts';
import type { Places } from '../places.ts';
import { buildArgv } from '../qemu/argv.ts';
import type { Capabilities } from '../qemu/capabilities.ts';
import { hypervisorEnvironment } from '../qemu/environment.ts';
import { emulatorDeadlineMs, interrogate } from '../qemu/interrogate.ts';
import { parseDomain } from '../xml/parse.ts';
import { assumeCapabilities, assumeFirmware, type Assumed, placeholderLaunch } from './placeholders.ts';

/** Where a definition comes from. */
export interface ConvertRequest {
  /** Names the text in errors. */
  readonly file: string;
  readonly xml: string;
  readonly allowUnsupported: boolean;
  readonly places: Places;
}

/** `argv` begins with the emulator; `notes` say what was assumed, one sentence each. */
export interface Converted {
  readonly argv: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  readonly notes: readonly string[];
}

const usualEmulator = '/usr/bin/qemu-system-x86_64';

/**
 * The command line of a definition. The emulator it names is asked what it can do when it is there, else QEMU 10.0 is assumed.
 * Throws INVALID_XML as define does, HOST_LACKS for what an emulator that is there has not.
 */
export async function convertDefinition({ file, xml, allowUnsupported, places }: ConvertRequest): Promise<Converted> {
  const { domain, warnings } = parseDomain(xml, { file, allowUnsupported, generate: placeholders() });
  const capabilities = await findCapabilities(domain, domain.emulator ?? usualEmulator);
  const firmware = await findFirmware(domain, places);
  const launch = placeholderLaunch(domain, {
    capabilities: capabilities.value,
    firmware: firmware.value,
    directory: path.join(places.runtimeDir, 'incarnations', '0'),
    nowMs: Date.now(),
  });
  const argv = [capabilities.value.emulator, ...buildArgv(domain, launch.value)];
  const notes = [...warnings, ...madeUp(xml), ...capabilities.notes, ...firmware.notes, ...launch.notes];
  return { argv, environment: hypervisorEnvironment(domain), notes };
}

/** What define makes anew for each domain is the same here every time. */
function placeholders(): { uuid(): string; mac(): string } {
  let macs = 0;
  return {
    uuid: () => '00000000-0000-4000-8000-000000000000',
    mac: () => `52:54:00:00:00:${(macs++ % 256).toString(16).padStart(2, '0')}`,
  };
}

function madeUp(xml: string): string[] {
  return /<uuid[\s>]/.test(xml) ? [] : ['the definition has no uuid: one is made when it is defined'];
}

async function findCapabilities(domain: Domain, emulator: string): Promise<Assumed<Capabilities>> {
  if (!(await isExecutable(emulator))) {
    const { value, notes } = assumeCapabilities(domain, emulator);
    return { value, notes: notes.map((note) => `there is no ${emulator} here: ${note}`) };
  }
  // Whoever writes a definition names its emulator.
  const user = process.getuid?.() === 0 ? nobody : null;
  const answers = await interrogate(emulator, { deadlineMs: emulatorDeadlineMs, user });
  return { value: { emulator, ...answers }, notes: [`for QEMU ${answers.version} at ${emulator}`] };
}

/** As a start would choose it, where this host has it. */
async function findFirmware(domain: Domain, { stateDir }: Places): Promise<Assumed<Firmware | null>> {
  const variables = nvramPath(domain, stateDir);
  try {
    const found = await resolveFirmware(domain, variables);
    if (found === null) return { value: null, notes: [] };
    const { varsTemplate: _template, ...firmware } = found;
    return { value: firmware, notes: [] };
  } catch (error) {
    if (!(error instanceof DomctlError && error.code === 'HOST_LACKS')) throw error;
    const assumed = assumeFirmware(domain, variables);
    return { ...assumed, notes: [`${error.message}: ${assumed.notes.join('; ') || 'it is named all the same'}`] };
  }
}
