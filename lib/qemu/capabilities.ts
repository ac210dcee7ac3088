/**
 * What one emulator binary can do, asked from the binary itself and remembered for as long as the file is the same.
 * Owns the cache file's format. Must not know domains; `argv.ts` decides with what it finds here.
 */
import { createHash, randomUUID } from 'node:crypto';
import { mkdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { z } from 'zod';
import { DomctlError } from '../errors.ts';
import { type Answers, type Asking, emulatorDeadlineMs, interrogate } from './interrogate.ts';

const capabilitiesSchema = z.object({
  emulator: z.string(),
  version: z.string(),
  asyncTeardown: z.enum(['run-with', 'async-teardown']).nullable(),
  machines: z.array(z.object({ name: z.string(), alias: z.string().nullable() })).readonly(),
  kvm: z.boolean(),
  processors: z.array(z.string()).readonly(),
  devices: z.array(z.string()).readonly().nullable(),
});

/** What an emulator can do. */
export interface Capabilities extends Answers {
  /** Path it was asked at. */
  readonly emulator: string;
}

/** Raised when the shape or the meaning of a cached field changes. */
const cacheFormat = 2;
const cacheSchema = z.object({
  format: z.literal(cacheFormat),
  identity: z.string(),
  capabilities: capabilitiesSchema,
});

const remembered = new Map<string, Promise<Capabilities>>();

/**
 * Capabilities of the emulator at `emulator`, from memory, from `cacheDir` or from a short run of the binary
 * (as `asking` says). Concurrent callers share one run; a failure is not remembered.
 * Throws HOST_LACKS when the file is missing, not executable, or not QEMU.
 */
export async function probeCapabilities(
  emulator: string,
  cacheDir: string,
  asking: Asking = { deadlineMs: emulatorDeadlineMs, user: null },
): Promise<Capabilities> {
  const identity = await identify(emulator);
  const key = JSON.stringify([cacheDir, identity]);
  const known = remembered.get(key);
  if (known) return known;
  const asked = loadOrAsk({ emulator, identity, cacheDir, asking });
  remembered.set(key, asked);
  asked.catch(() => remembered.delete(key));
  return asked;
}

/** Throws HOST_LACKS unless the emulator has this machine type, by name or alias. */
export function requireMachine(capabilities: Capabilities, machine: string): void {
  if (capabilities.machines.some(({ name, alias }) => machine === name || machine === alias)) return;
  const aliases = capabilities.machines.flatMap(({ alias }) => (alias === null ? [] : [alias]));
  throw new DomctlError('HOST_LACKS', `QEMU ${capabilities.version} has no machine type ${JSON.stringify(machine)}`, {
    hint: `${capabilities.emulator} -machine help lists them; short names are ${aliases.sort().join(', ')}`,
    details: { emulator: capabilities.emulator, machine },
  });
}

/** Throws HOST_LACKS unless the emulator has this processor model. */
export function requireProcessor(capabilities: Capabilities, model: string): void {
  if (capabilities.processors.includes(model)) return;
  throw new DomctlError('HOST_LACKS', `QEMU ${capabilities.version} has no processor model ${JSON.stringify(model)}`, {
    hint: `${capabilities.emulator} -cpu help lists them`,
    details: { emulator: capabilities.emulator, model },
  });
}

/** Drivers that -device takes under another name than their type's. */
const aliases: Readonly<Record<string, string>> = { lsi: 'lsi53c895a', ahci: 'ich9-ahci' };

/** Throws HOST_LACKS for the first -device of `argv` that the emulator has not; one that lists none is believed. */
export function requireDevices(capabilities: Capabilities, argv: readonly string[]): void {
  const { devices } = capabilities;
  if (devices === null) return;
  const there = new Set(devices);
  const lacking = driversOf(argv).find((driver) => !there.has(aliases[driver] ?? driver));
  if (lacking === undefined) return;
  throw new DomctlError('HOST_LACKS', `QEMU ${capabilities.version} has no device ${JSON.stringify(lacking)}`, {
    hint: `some devices are packages of their own, see 'apt-cache search qemu-system'; or choose another model`,
    details: { emulator: capabilities.emulator, device: lacking },
  });
}

const driverSchema = z.object({ driver: z.string() });

function driversOf(argv: readonly string[]): string[] {
  const values = argv.filter((_value, index) => argv[index - 1] === '-device');
  return values.map((value) => driverSchema.parse(JSON.parse(value)).driver);
}

/** Throws HOST_LACKS unless the emulator is of that version or a newer one; `what` begins the sentence. */
export function requireVersion({ version, emulator }: Capabilities, least: string, what: string): void {
  const [own = [], wanted = []] = [version, least].map((each) => each.split('.').map(Number));
  const isOlder = (own[0] ?? 0) - (wanted[0] ?? 0) || (own[1] ?? 0) - (wanted[1] ?? 0);
  if (isOlder >= 0) return;
  throw new DomctlError('HOST_LACKS', `${what} needs QEMU ${least}, and ${emulator} is ${version}`, {
    hint: 'remove it, or name a newer <emulator>',
    details: { emulator, version },
  });
}

interface Request {
  readonly emulator: string;
  readonly identity: string;
  readonly cacheDir: string;
  readonly asking: Asking;
}

async function loadOrAsk(request: Request): Promise<Capabilities> {
  const file = cacheFile(request);
  const cached = await load(file, request.identity);
  if (cached) return cached;
  const capabilities = { emulator: request.emulator, ...(await interrogate(request.emulator, request.asking)) };
  // Without a cache the next process asks again, which costs a tenth of a second: no reason to fail a start.
  await store(file, { format: cacheFormat, identity: request.identity, capabilities }).catch(() => undefined);
  return capabilities;
}

function cacheFile({ emulator, cacheDir }: Request): string {
  const name = createHash('sha256').update(emulator).digest('hex').slice(0, 16);
  return path.join(cacheDir, `qemu-${name}.json`);
}

/** An upgrade, or an exchange within the same second and of the same size, changes at least one of these. */
async function identify(emulator: string): Promise<string> {
  try {
    const { dev, ino, size, mtimeNs } = await stat(emulator, { bigint: true });
    return [emulator, dev, ino, size, mtimeNs].join(' ');
  } catch (cause) {
    throw new DomctlError('HOST_LACKS', `there is no emulator at ${emulator}`, {
      hint: 'apt-get install --no-install-recommends qemu-system-x86',
      details: { emulator },
      cause,
    });
  }
}

/** Absent, damaged and outdated are all the same: it is asked again. */
async function load(file: string, identity: string): Promise<Capabilities | null> {
  try {
    const entry = cacheSchema.parse(JSON.parse(await readFile(file, 'utf8')));
    return entry.identity === identity ? entry.capabilities : null;
  } catch {
    return null;
  }
}

/** Atomic so that no reader sees half of it; not synced, because damage only costs a new question. */
async function store(file: string, entry: z.infer<typeof cacheSchema>): Promise<void> {
  const temporary = `${file}.${randomUUID()}`;
  try {
    await mkdir(path.dirname(file), { recursive: true });
    await writeFile(temporary, `${JSON.stringify(entry)}\n`, { flag: 'wx' });
    await rename(temporary, file);
  } finally {
    await rm(temporary, { force: true });
  }
}
