/**
 * The kernel inside a bzImage. QEMU starts a bare vmlinux by its PVH note, which spares an emulated CPU the unpacking.
 * Owns as much of the x86 boot protocol as tells where the packed kernel lies.
 */
import { readFile, writeFile } from 'node:fs/promises';
import { run } from './packages.ts';

const sectorBytes = 512;
/** Places in the setup header, Documentation/arch/x86/boot.rst. */
const header = { setupSectors: 0x1f1, payloadOffset: 0x248, payloadLength: 0x24c };
/** The unpacked size, which the build appends for every packer but gzip. */
const sizeBytes = 4;

interface Packer {
  readonly magic: string;
  readonly command: string;
  readonly trailingBytes: number;
}

const packers: readonly Packer[] = [
  { magic: 'fd377a585a00', command: 'xz', trailingBytes: sizeBytes },
  { magic: '28b52ffd', command: 'zstd', trailingBytes: sizeBytes },
  { magic: '02214c18', command: 'lz4', trailingBytes: sizeBytes },
  { magic: '1f8b08', command: 'gzip', trailingBytes: 0 },
];

/** Writes the unpacked kernel to `target`. Throws where the host lacks the packer; `work` takes a file on the way. */
export async function unpackKernel(bzImage: string, target: string, work: string): Promise<void> {
  const image = await readFile(bzImage);
  const start = (image.readUInt8(header.setupSectors) + 1) * sectorBytes + image.readUInt32LE(header.payloadOffset);
  const payload = image.subarray(start, start + image.readUInt32LE(header.payloadLength));
  const packer = packers.find(({ magic }) => payload.toString('hex', 0, magic.length / 2) === magic);
  if (!packer) throw new Error(`${bzImage} is packed with something unknown`);
  const packed = `${work}/payload`;
  await writeFile(packed, payload.subarray(0, payload.length - packer.trailingBytes));
  const { stdout } = await run(packer.command, ['-dc', packed], { encoding: 'buffer', maxBuffer: Infinity });
  if (stdout.toString('latin1', 1, 4) !== 'ELF') throw new Error(`${bzImage} holds no ELF`);
  await writeFile(target, stdout);
}
