/**
 * libasyncteardown.so as a caller sees it: where it is, the environment it wants, what its helper is called, and which
 * programs can take it. Owns the names of its variables. Must not know: policies, domains, how a program is started.
 */
import { closeSync, openSync, readSync, statSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { findBuilt } from './built.ts';

/** What a preloaded helper is told. */
export interface PreloadSettings {
  /** Absolute path of the program it is for; in every other one it does nothing. */
  readonly program: string;
  /** `auto`: as many as the program may use CPUs. In mode gentle there is one, whatever this says. */
  readonly threads: 'auto' | number;
  readonly mode: 'fast' | 'gentle';
  /** Bytes a second, in mode gentle only. */
  readonly gentleRateBytes: number;
  /** What the program must hold at its end; with less, exit is as fast. */
  readonly minimumSizeBytes: number;
  /** Whether the OOM killer is to prefer what is left of the program. */
  readonly preferredOomVictim: boolean;
}

/** What the library takes at most and at least; it stays off, with a line on standard error, where it is told else. */
const mostThreads = 64;
const leastRateBytes = 2 ** 20;

/** Path of the library, which every user of a preloaded program must be able to read; null: it was not built. */
export function findPreloadLibrary(): string | null {
  return findBuilt('libasyncteardown.so', fileURLToPath(import.meta.url));
}

/** To be added to the environment of the program; nothing that the program starts inherits it. */
export function preloadEnvironment(library: string, settings: PreloadSettings): Record<string, string> {
  const { program, threads, mode, gentleRateBytes, minimumSizeBytes, preferredOomVictim } = settings;
  return {
    LD_PRELOAD: library,
    ASYNC_TEARDOWN_PROGRAM: program,
    ASYNC_TEARDOWN_THREADS: threads === 'auto' ? threads : `${Math.min(threads, mostThreads)}`,
    ASYNC_TEARDOWN_MODE: mode,
    ASYNC_TEARDOWN_RATE: `${Math.max(gentleRateBytes, leastRateBytes)}`,
    ASYNC_TEARDOWN_MINIMUM: `${minimumSizeBytes}`,
    ASYNC_TEARDOWN_OOM: preferredOomVictim ? 'prefer' : 'keep',
  };
}

/** What the helper of the program with that pid calls itself (/proc/HELPER/comm); it is its child while both live. */
export function preloadHelperName(pid: number): string {
  return `freemem/${pid}`;
}

/**
 * Why the library cannot work in that program, as its file says, or null: nothing is against it. Who wants to know
 * for certain starts the program and looks for its helper: file capabilities are not looked at here, nor who starts it.
 */
export function whyNotPreloadable(program: string, library: string): string | null {
  const setIds = 0o6000;
  if ((statSync(program).mode & setIds) !== 0) return 'it is set-user-ID or set-group-ID';
  const elf = readElf(program);
  if (elf === null) return 'it is no ELF program';
  if (elf.machine !== readElf(library)?.machine) return 'it is for another architecture than the library';
  return elf.hasInterpreter ? null : 'it is statically linked';
}

interface Elf {
  /** e_machine. */
  readonly machine: number;
  /** It asks for a dynamic linker, which heeds LD_PRELOAD. */
  readonly hasInterpreter: boolean;
}

const elfMagic = Buffer.from('\x7fELF', 'latin1');
/** EI_CLASS and EI_DATA: 64 bits, little-endian, as are all the architectures the library knows. */
const elf64 = Buffer.from([2, 1]);
const interpreterSegment = 3;

/** Null: not an ELF file of 64 bits and little-endian. Offsets are those of Elf64_Ehdr and Elf64_Phdr (elf(5)). */
function readElf(path: string): Elf | null {
  const file = openSync(path, 'r');
  try {
    const header = readAt(file, 0, 64);
    if (header.length < 64 || !header.subarray(0, 4).equals(elfMagic)) return null;
    if (!header.subarray(4, 6).equals(elf64)) return null;
    const [size, count] = [header.readUInt16LE(54), header.readUInt16LE(56)];
    const segments = readAt(file, Number(header.readBigUInt64LE(32)), size * count);
    const types = Array.from({ length: Math.floor(segments.length / size) }, (_, i) => segments.readUInt32LE(i * size));
    return { machine: header.readUInt16LE(18), hasInterpreter: types.includes(interpreterSegment) };
  } finally {
    closeSync(file);
  }
}

/** Shorter than asked for at the end of the file. */
function readAt(file: number, position: number, length: number): Buffer {
  const buffer = Buffer.alloc(length);
  return buffer.subarray(0, readSync(file, buffer, 0, length, position));
}
