/**
 * A bootable disk image made of a directory, without mounting anything: an ext4 that mke2fs fills, GRUB in the gap before
 * it for a BIOS, and a small EFI system partition behind it. Owns the layout and how it is started.
 */
import { open, readFile, writeFile, type FileHandle } from 'node:fs/promises';
import path from 'node:path';
import { run } from './packages.ts';

const MiB = 2 ** 20;
const sectorBytes = 512;
const layout = { root: { start: 1, size: 1022, type: 0x83 }, efi: { start: 1023, size: 8, type: 0xef }, end: 1031 };

/** Label of the root file system, by which GRUB and the kernel find it. */
const label = 'domctl-full';

export interface DiskTools {
  /** Root of the unpacked packages grub-common, grub-pc-bin, grub-efi-amd64-bin and mtools. */
  readonly root: string;
  /** For files on the way. */
  readonly work: string;
}

/** Writes a raw, sparse image of a gibibyte with the tree of `directory`, which holds /vmlinuz and /initrd.img. */
export async function writeDisk(directory: string, image: string, cmdline: string, tools: DiskTools): Promise<void> {
  await using disk = await open(image, 'w');
  await disk.truncate(layout.end * MiB);
  const options = `offset=${layout.root.start * MiB},lazy_itable_init=1`;
  await run('mke2fs', [
    '-q',
    '-F',
    '-t',
    'ext4',
    '-L',
    label,
    '-d',
    directory,
    '-E',
    options,
    image,
    `${layout.root.size}M`,
  ]);
  await writeLoader(disk, await makeLoader('i386-pc', cmdline, tools), tools);
  await writeEfi(image, await makeLoader('x86_64-efi', cmdline, tools), tools);
}

const modules = {
  'i386-pc': ['biosdisk'],
  'x86_64-efi': ['efi_gop', 'efi_uga'],
};

/** GRUB's core with all it needs inside, its configuration too. Gives the file. */
async function makeLoader(platform: keyof typeof modules, cmdline: string, { root, work }: DiskTools): Promise<string> {
  const config = path.join(work, 'grub.cfg');
  const lines = [`search --set=root --label ${label}`, `linux /vmlinuz root=LABEL=${label} ${cmdline}`];
  await writeFile(config, [...lines, 'initrd /initrd.img', 'boot', ''].join('\n'));
  const core = path.join(work, `core.${platform}`);
  const from = ['-d', path.join(root, 'usr/lib/grub', platform), '-c', config, '-p', '/'];
  const names = [...modules[platform], 'part_msdos', 'ext2', 'search', 'search_label', 'linux', 'boot'];
  await run(path.join(root, 'usr/bin/grub-mkimage'), ['-O', platform, ...from, '-o', core, ...names]);
  return core;
}

/** Of boot.img only what lies before the partition table; it loads the core from the sector behind it. */
const bootCodeBytes = 440;

async function writeLoader(disk: FileHandle, core: string, { root }: DiskTools): Promise<void> {
  const boot = await readFile(path.join(root, 'usr/lib/grub/i386-pc/boot.img'));
  const first = Buffer.alloc(sectorBytes);
  boot.copy(first, 0, 0, bootCodeBytes);
  Object.values([layout.root, layout.efi]).forEach((partition, index) => writePartition(first, index, partition));
  first.writeUInt16LE(0xaa55, 510);
  await disk.write(first, 0, sectorBytes, 0);
  await disk.write(await readFile(core), 0, null, sectorBytes);
}

/** An entry of the partition table: active flag, type, first sector, count of sectors; cylinders are nobody's business. */
function writePartition(
  sector: Buffer,
  index: number,
  { start, size, type }: { start: number; size: number; type: number },
): void {
  const at = 446 + 16 * index;
  sector.writeUInt8(index === 0 ? 0x80 : 0, at);
  sector.writeUInt8(type, at + 4);
  sector.writeUInt32LE((start * MiB) / sectorBytes, at + 8);
  sector.writeUInt32LE((size * MiB) / sectorBytes, at + 12);
}

async function writeEfi(image: string, core: string, { root }: DiskTools): Promise<void> {
  const partition = `${image}@@${layout.efi.start}M`;
  const mtools = (tool: string, ...args: string[]) => {
    return run(path.join(root, 'usr/bin/mtools'), ['-c', tool, '-i', partition, ...args]);
  };
  await mtools('mformat', '-T', String((layout.efi.size * MiB) / sectorBytes), '-h', '16', '-s', '32', '::');
  await mtools('mmd', '::/EFI', '::/EFI/BOOT');
  await mtools('mcopy', core, '::/EFI/BOOT/BOOTX64.EFI');
}
