/** What one QEMU, and this host, have that others have not. */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { promisify } from 'node:util';
import { readHugePools } from '../../lib/host/huge-pools.ts';
import type { Ability } from '../corpus/unstarted.ts';
import { hasVsock, virtiofsd } from './corpus-inputs.ts';

/** Spice and its cards are modules of QEMU's, packaged apart from it. */
export async function hasSpice(emulator: string): Promise<boolean> {
  const help = promisify(execFile)(emulator, ['-spice', 'help']);
  // It says what it can do as if that were an error.
  const { stdout, stderr } = await help.catch((error: unknown) => error as { stdout: string; stderr: string });
  return `${stdout}${stderr}`.includes('disable-ticketing');
}

/** Likewise its display on D-Bus. */
export async function hasBus(emulator: string): Promise<boolean> {
  const { stdout } = await promisify(execFile)(emulator, ['-display', 'help']);
  return /^dbus$/m.test(stdout);
}

/** Room for all definitions at once that want pages of 2 MiB. */
const enoughBytes = 4 * 2 ** 30;

export async function findAbilities(emulator: string): Promise<ReadonlySet<Ability>> {
  const pool = readHugePools().find(({ pageBytes }) => pageBytes === 2 ** 21);
  const there: Readonly<Record<Ability, boolean>> = {
    spice: await hasSpice(emulator),
    'D-Bus': await hasBus(emulator),
    'huge pages': (pool?.freeBytes ?? 0) >= enoughBytes,
    'four nodes': existsSync('/sys/devices/system/node/node3'),
    udmabuf: existsSync('/dev/udmabuf'),
    'vhost-vsock': hasVsock,
    virtiofsd: virtiofsd !== null,
  };
  return new Set((Object.keys(there) as Ability[]).filter((each) => there[each]));
}
