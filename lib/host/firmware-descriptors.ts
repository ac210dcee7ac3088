/**
 * What firmware a host has, by the descriptors its packages install (QEMU's docs/interop/firmware.json).
 * Owns their format and order of precedence; must not know domains.
 */
import { readFile, readdir } from 'node:fs/promises';
import path from 'node:path';
import { z } from 'zod';
import type { FirmwareFormat } from '../domain/firmware.ts';
import { isErrno } from '../errors.ts';

/** A firmware of the host for flash chips. */
export interface FirmwareDescriptor {
  readonly code: string;
  readonly codeFormat: FirmwareFormat;
  /** null: it keeps no variables. */
  readonly template: string | null;
  readonly varsFormat: FirmwareFormat;
  /** Patterns of machine types, as a shell's. */
  readonly machines: readonly string[];
  readonly features: readonly string[];
}

const format = z.enum(['raw', 'qcow2']);
const file = z.object({ filename: z.string(), format: format.default('raw') });

const descriptorSchema = z.object({
  'interface-types': z.array(z.string()),
  mapping: z.object({
    device: z.literal('flash'),
    mode: z.enum(['split', 'stateless']).default('split'),
    executable: file,
    'nvram-template': file.optional(),
  }),
  targets: z.array(z.object({ architecture: z.string(), machines: z.array(z.string()) })),
  features: z.array(z.string()),
});

/**
 * UEFI firmwares for x86_64, the preferred first: by file name, where a later directory replaces or, by an empty file,
 * hides one of the same name. What is not UEFI in flash, or not readable as such, is passed over.
 */
export async function listFirmware(directories: readonly string[]): Promise<FirmwareDescriptor[]> {
  const byName = new Map<string, string>();
  for (const directory of directories) {
    for (const name of await jsonFiles(directory)) byName.set(name, path.join(directory, name));
  }
  const sorted = [...byName].sort(([a], [b]) => (a < b ? -1 : 1));
  const found = await Promise.all(sorted.map(([, each]) => readDescriptor(each)));
  return found.filter((each) => each !== null);
}

async function jsonFiles(directory: string): Promise<string[]> {
  try {
    return (await readdir(directory)).filter((name) => name.endsWith('.json'));
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return [];
    throw error;
  }
}

async function readDescriptor(at: string): Promise<FirmwareDescriptor | null> {
  const { data } = descriptorSchema.safeParse(parse(await readFile(at, 'utf8')));
  if (!data?.['interface-types'].includes('uefi')) return null;
  const { executable, 'nvram-template': template } = data.mapping;
  const machines = data.targets.flatMap((each) => (each.architecture === 'x86_64' ? each.machines : []));
  return {
    code: executable.filename,
    codeFormat: executable.format,
    template: template?.filename ?? null,
    varsFormat: template?.format ?? 'raw',
    machines,
    features: data.features,
  };
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
