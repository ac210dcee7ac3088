/** Firmware on the host: which files a domain's `<loader>`, `<nvram>` or `firmware='efi'` come to, and its variables. */
import { randomUUID } from 'node:crypto';
import { access, constants, link, mkdir, open, readFile, rm } from 'node:fs/promises';
import path from 'node:path';
import type { Domain, Loader, Nvram } from '../domain/definition.ts';
import type { Firmware } from '../domain/firmware.ts';
import { DomctlError, isErrno, messageOf } from '../errors.ts';
import { type FirmwareDescriptor, listFirmware } from './firmware-descriptors.ts';

/** Firmware of a domain, and what its variables begin with when there are none yet; null: nothing to begin with. */
export type ResolvedFirmware = Firmware & { readonly varsTemplate: string | null };

/** Where descriptors are looked for, the later ones in precedence last. */
export interface FirmwareSearch {
  readonly directories: readonly string[];
}

const usualSearch: FirmwareSearch = { directories: ['/usr/share/qemu/firmware', '/etc/qemu/firmware'] };

const remedy = 'apt-get install --no-install-recommends ovmf';

/**
 * Firmware for a domain, its variables at `nvramDefaultPath` unless the definition says where; null: the machine's own
 * BIOS. Nothing is made here. Throws HOST_LACKS when this host has no firmware of that kind, or not the file named.
 */
export async function resolveFirmware(
  domain: Domain,
  nvramDefaultPath: string,
  search: FirmwareSearch = usualSearch,
): Promise<ResolvedFirmware | null> {
  const { loader, firmware, nvram } = domain.os;
  if (loader === null && firmware !== 'efi') return null;
  if (loader?.type === 'rom') return romFirmware(loader);
  const known = await listFirmware(search.directories);
  const resolved = loader ? await named(loader, nvram, known) : chosen(domain, known);
  await requireFile(resolved.code, 'firmware');
  return { ...resolved, vars: resolved.vars === null ? null : (nvram?.path ?? nvramDefaultPath) };
}

/**
 * Copies the template to where the guest's variables shall be, for their owner alone, unless they are there already.
 * Durable when it returns. Throws HOST_LACKS when there are none and nothing to begin with.
 */
export async function ensureVariables(
  { vars, varsTemplate }: ResolvedFirmware,
  owner: { readonly uid: number; readonly gid: number } | null,
): Promise<void> {
  if (vars === null || (await exists(vars))) return;
  if (varsTemplate === null) throw lacks(`${vars} (UEFI variables) does not exist`, 'name a <nvram template=..>');
  await mkdir(path.dirname(vars), { recursive: true, mode: 0o711 });
  const temporary = `${vars}.${randomUUID()}`;
  try {
    await writeDurably(temporary, await readTemplate(varsTemplate), owner);
    await link(temporary, vars).catch(unlessThere);
  } finally {
    await rm(temporary, { force: true });
  }
  await using directory = await open(path.dirname(vars), 'r');
  await directory.sync();
}

/** Variables are a placeholder until their path is known: what matters here is whether there are any. */
const somewhere = '';

async function romFirmware({ path: code }: Loader): Promise<ResolvedFirmware> {
  await requireFile(code, 'firmware');
  const formats = { codeFormat: 'raw', varsFormat: 'raw' } as const;
  return { code, type: 'rom', readonly: true, secure: false, vars: null, varsTemplate: null, ...formats };
}

/** A firmware named by its path: a descriptor of that path tells the rest, else the package's habit of naming. */
async function named(
  loader: Loader,
  nvram: Nvram | null,
  known: readonly FirmwareDescriptor[],
): Promise<ResolvedFirmware> {
  const descriptor = known.find(({ code }) => code === loader.path) ?? undescribed;
  if (loader.stateless === true) return withoutVariables(loader, descriptor.codeFormat);
  const template = nvram?.template ?? (loader.readonly ? (descriptor.template ?? (await sibling(loader.path))) : null);
  return {
    code: loader.path,
    codeFormat: descriptor.codeFormat,
    type: 'pflash',
    readonly: loader.readonly,
    secure: loader.secure,
    vars: nvram === null && template === null ? null : somewhere,
    varsFormat: descriptor.varsFormat,
    varsTemplate: template,
  };
}

/** What the guest sets is lost with the machine. */
function withoutVariables(
  { path: code, secure }: Loader,
  codeFormat: ResolvedFirmware['codeFormat'],
): ResolvedFirmware {
  return {
    code,
    codeFormat,
    type: 'pflash',
    readonly: true,
    secure,
    vars: null,
    varsFormat: 'raw',
    varsTemplate: null,
  };
}

const undescribed = { codeFormat: 'raw', varsFormat: 'raw', template: null } as const;

/** `OVMF_VARS_4M.fd` beside `OVMF_CODE_4M.secboot.fd`. */
async function sibling(code: string): Promise<string | null> {
  const { dir, base } = path.parse(code);
  if (!base.includes('CODE')) return null;
  const name = base.replace('CODE', 'VARS').replace(/\..*\.fd$/, '.fd');
  const template = path.join(dir, name);
  return (await exists(template)) ? template : null;
}

/** The first that fits, as libvirt takes it: with the packages of Debian one with Secure Boot where there is SMM. */
function chosen({ os, features }: Domain, known: readonly FirmwareDescriptor[]): ResolvedFirmware {
  const fitting = known.filter((each) => each.machines.some((pattern) => matches(pattern, fullName(os.machine))));
  const found = fitting.find((each) => features.smm !== false || !each.features.includes('requires-smm'));
  if (!found) throw lacks(`this host has no UEFI firmware for machine type ${os.machine}`, remedy);
  return {
    code: found.code,
    codeFormat: found.codeFormat,
    type: 'pflash',
    readonly: true,
    secure: found.features.includes('requires-smm'),
    vars: found.template === null ? null : somewhere,
    varsFormat: found.varsFormat,
    varsTemplate: os.nvram?.template ?? found.template,
  };
}

/** Descriptors speak of versioned names; the short ones stand for the newest. */
function fullName(machine: string): string {
  return { q35: 'pc-q35-0', pc: 'pc-i440fx-0' }[machine] ?? machine;
}

/** As fnmatch does, for the `*` and `?` that descriptors use. */
function matches(pattern: string, machine: string): boolean {
  const literal = pattern.replaceAll(/[$()+.[\\\]^{|}]/g, String.raw`\$&`);
  return new RegExp(`^${literal.replaceAll('*', '.*').replaceAll('?', '.')}$`).test(machine);
}

async function exists(file: string): Promise<boolean> {
  return access(file, constants.F_OK).then(
    () => true,
    (error: unknown) => {
      if (isErrno(error, 'ENOENT', 'ENOTDIR')) return false;
      throw error;
    },
  );
}

async function requireFile(file: string, use: string): Promise<void> {
  if (!(await exists(file))) throw lacks(`${file} (${use}) does not exist`, remedy);
}

async function readTemplate(template: string): Promise<Buffer> {
  return readFile(template).catch((error: unknown) => {
    throw lacks(`${template} (template of UEFI variables) cannot be read: ${messageOf(error)}`, remedy);
  });
}

async function writeDurably(
  file: string,
  content: Buffer,
  owner: { readonly uid: number; readonly gid: number } | null,
): Promise<void> {
  await using handle = await open(file, 'wx', 0o600);
  await handle.writeFile(content);
  if (owner) await handle.chown(owner.uid, owner.gid);
  await handle.sync();
}

/** Somebody else was quicker: theirs stay. */
function unlessThere(error: unknown): void {
  if (!isErrno(error, 'EEXIST')) throw error;
}

function lacks(message: string, hint: string): DomctlError {
  return new DomctlError('HOST_LACKS', message, { hint });
}
