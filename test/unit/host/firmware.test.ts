import { chmod, mkdir, mkdtemp, readFile, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import type { Domain, OperatingSystem } from '../../../lib/domain/definition.ts';
import { type ResolvedFirmware, ensureVariables, resolveFirmware } from '../../../lib/host/firmware.ts';
import { bareDomain } from '../../fixtures/qmp/domains.ts';

let directory: string;

beforeEach(async () => {
  directory = await mkdtemp(path.join(tmpdir(), 'domctl-firmware-'));
  onTestFinished(() => rm(directory, { recursive: true, force: true }));
  for (const name of ['packaged', 'own']) await mkdir(path.join(directory, name));
  for (const name of ['CODE.secboot.fd', 'CODE.fd', 'VARS.fd', 'VARS.ms.fd']) await writeFile(at(name), name);
});

function at(name: string): string {
  return path.join(directory, name);
}

/** A descriptor as Debian's ovmf has them. */
function descriptor(code: string, template: string | null, change: object = {}): object {
  const nvram = template === null ? {} : { 'nvram-template': { filename: at(template), format: 'raw' } };
  return {
    description: 'UEFI firmware for tests',
    'interface-types': ['uefi'],
    mapping: { device: 'flash', executable: { filename: at(code), format: 'raw' }, ...nvram },
    targets: [{ architecture: 'x86_64', machines: ['pc-q35-*', 'pc-i440fx-*'] }],
    features: ['acpi-s3'],
    tags: [],
    ...change,
  };
}

const secure = {
  targets: [{ architecture: 'x86_64', machines: ['pc-q35-*'] }],
  features: ['secure-boot', 'enrolled-keys', 'requires-smm'],
};

async function describeFirmware(name: string, content: object | string): Promise<void> {
  await writeFile(at(name), typeof content === 'string' ? content : JSON.stringify(content));
}

async function debian(): Promise<void> {
  await describeFirmware('packaged/60-plain.json', descriptor('CODE.fd', 'VARS.fd'));
  await describeFirmware('packaged/40-secure.json', descriptor('CODE.secboot.fd', 'VARS.ms.fd', secure));
}

function resolve(
  os: Partial<OperatingSystem>,
  features: Partial<Domain['features']> = {},
): Promise<ResolvedFirmware | null> {
  const domain = {
    ...bareDomain,
    os: { ...bareDomain.os, ...os },
    features: { ...bareDomain.features, ...features },
  };
  return resolveFirmware(domain, '/state/nvram/bare_VARS.fd', { directories: [at('packaged'), at('own'), at('none')] });
}

const efi = { firmware: 'efi' } as const;

describe("firmware='efi'", () => {
  test('is the first that fits the machine, with what it needs', async () => {
    await debian();
    expect(await resolve(efi)).toEqual({
      code: at('CODE.secboot.fd'),
      codeFormat: 'raw',
      type: 'pflash',
      readonly: true,
      secure: true,
      vars: '/state/nvram/bare_VARS.fd',
      varsFormat: 'raw',
      varsTemplate: at('VARS.ms.fd'),
    });
  });

  test.each<[string, Partial<OperatingSystem>, Partial<Domain['features']>]>([
    ['another board', { machine: 'pc' }, {}],
    ['a versioned machine type', { machine: 'pc-i440fx-7.2' }, {}],
    ['a machine that may have no SMM', {}, { smm: false }],
  ])('is another for %s', async (_what, os, features) => {
    await debian();
    expect(await resolve({ ...efi, ...os }, features)).toMatchObject({ code: at('CODE.fd'), secure: false });
  });

  test("keeps the definition's own variables and template", async () => {
    await debian();
    const nvram = { path: '/n/own.fd', template: '/t/own.fd' };
    expect(await resolve({ ...efi, nvram })).toMatchObject({ vars: '/n/own.fd', varsTemplate: '/t/own.fd' });
  });

  test('follows the operator, who replaces or hides what packages say', async () => {
    await debian();
    await describeFirmware('own/40-secure.json', '');
    await describeFirmware('own/10-own.json', descriptor('CODE.fd', null));
    expect(await resolve(efi)).toMatchObject({ code: at('CODE.fd'), vars: null, varsTemplate: null });
    await rm(at('own/10-own.json'));
    expect(await resolve(efi)).toMatchObject({ code: at('CODE.fd'), varsTemplate: at('VARS.fd') });
  });

  test.each<[string, object]>([
    ['without any file', { mapping: null }],
    ['not UEFI', { 'interface-types': ['bios'] }],
    ['of another architecture', { targets: [{ architecture: 'aarch64', machines: ['*'] }] }],
    ['not for flash', { mapping: { device: 'memory', filename: '/m' } }],
  ])('is none of those %s: the host lacks it', async (_what, change) => {
    await describeFirmware('packaged/40-damaged.json', '{');
    await describeFirmware('packaged/50.json', descriptor('CODE.fd', null, change));
    await expect(resolve(efi)).rejects.toMatchObject({ code: 'HOST_LACKS', hint: expect.stringContaining('ovmf') });
  });

  test('is missing when the package left its descriptor behind', async () => {
    await describeFirmware('packaged/50.json', descriptor('GONE.fd', null));
    await expect(resolve(efi)).rejects.toMatchObject({
      code: 'HOST_LACKS',
      message: expect.stringContaining('GONE.fd'),
    });
  });
});

describe('a loader that is named', () => {
  test('as stateless keeps no variables', async () => {
    await debian();
    const stateless = { path: at('CODE.fd'), type: 'pflash', readonly: true, secure: false, stateless: true } as const;
    expect(await resolve({ loader: stateless })).toMatchObject({ code: at('CODE.fd'), vars: null, varsTemplate: null });
  });

  const loader = (name: string) =>
    ({ path: at(name), type: 'pflash', readonly: true, secure: false, stateless: null }) as const;

  test('is what its descriptor says', async () => {
    await debian();
    expect(await resolve({ loader: { ...loader('CODE.secboot.fd'), secure: true } })).toMatchObject({
      secure: true,
      vars: '/state/nvram/bare_VARS.fd',
      varsTemplate: at('VARS.ms.fd'),
    });
  });

  test('without a descriptor begins with the variables beside it', async () => {
    expect(await resolve({ loader: loader('CODE.secboot.fd') })).toMatchObject({ varsTemplate: at('VARS.fd') });
  });

  test('that may be written keeps its variables in itself', async () => {
    expect(await resolve({ loader: { ...loader('CODE.fd'), readonly: false } })).toMatchObject({ vars: null });
  });

  test('in place of the BIOS has no variables', async () => {
    expect(await resolve({ loader: { ...loader('CODE.fd'), type: 'rom' } })).toMatchObject({ type: 'rom', vars: null });
  });

  test('that is not there is lacking, by name', async () => {
    for (const type of ['rom', 'pflash'] as const) {
      const missing = resolve({ loader: { ...loader('NONE.fd'), type } });
      await expect(missing).rejects.toMatchObject({ code: 'HOST_LACKS', message: expect.stringContaining('NONE.fd') });
    }
  });
});

test.each<Partial<OperatingSystem>>([{}, { firmware: 'bios' }])('%j is the machine’s own BIOS', async (os) => {
  expect(await resolve(os)).toBeNull();
});

describe('variables', () => {
  async function resolved(change: Partial<ResolvedFirmware> = {}): Promise<ResolvedFirmware> {
    await debian();
    return { ...(await resolve({ machine: 'pc', ...efi }))!, vars: at('nvram/guest_VARS.fd'), ...change };
  }

  test('begin as the template, for their owner alone, and nothing else is left', async () => {
    const owner = process.getuid?.() === 0 ? { uid: 65_534, gid: 65_534 } : null;
    await ensureVariables(await resolved(), owner);
    expect(await readFile(at('nvram/guest_VARS.fd'), 'utf8')).toBe('VARS.fd');
    const { mode, uid } = await stat(at('nvram/guest_VARS.fd'));
    expect(mode & 0o777).toBe(0o600);
    if (owner) expect(uid).toBe(owner.uid);
    expect(await readdir(at('nvram'))).toEqual(['guest_VARS.fd']);
  });

  test("are the guest's from then on, whoever asks at the same time", async () => {
    const firmware = await resolved();
    await Promise.all([1, 2, 3].map(() => ensureVariables(firmware, null)));
    await chmod(at('nvram/guest_VARS.fd'), 0o640);
    await writeFile(at('nvram/guest_VARS.fd'), "the guest's");
    await ensureVariables(firmware, null);
    expect(await readFile(at('nvram/guest_VARS.fd'), 'utf8')).toBe("the guest's");
    expect((await stat(at('nvram/guest_VARS.fd'))).mode & 0o777).toBe(0o640);
    expect(await readdir(at('nvram'))).toEqual(['guest_VARS.fd']);
  });

  test('cannot begin with nothing', async () => {
    for (const varsTemplate of [null, at('NONE.fd')]) {
      const firmware = await resolved({ varsTemplate });
      await expect(ensureVariables(firmware, null)).rejects.toMatchObject({ code: 'HOST_LACKS' });
    }
  });

  test('are not made for a firmware that keeps none', async () => {
    await ensureVariables(await resolved({ vars: null }), null);
    await expect(stat(at('nvram'))).rejects.toMatchObject({ code: 'ENOENT' });
  });
});
