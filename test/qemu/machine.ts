/** Real QEMUs for tests: the files a domain needs, and processes that never outlive their test. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readFile, readdir, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { onTestFinished, vi } from 'vitest';
import { QmpClient } from '../../lib/qemu/qmp.ts';
import type { QmpEvent } from '../../lib/qemu/qmp-messages.ts';
import { images } from '../fixtures/qmp/machines.ts';

/** A fresh directory, removed with the test. */
export async function temporaryDirectory(): Promise<string> {
  const directory = await mkdtemp(path.join(tmpdir(), 'domctl-qemu-'));
  onTestFinished(() => rm(directory, { recursive: true, force: true }));
  return directory;
}

/** Writes what `fullDomain(directory)` names: images, a kernel that is only a header, an initrd. */
export async function writeDomainFiles(directory: string): Promise<void> {
  for (const name of ['plain.raw', 'fixed.raw', 'common.raw']) await writeRaw(path.join(directory, name));
  await writeFile(path.join(directory, 'layers.qcow2'), emptyQcow2());
  await writeFile(path.join(directory, 'kernel'), kernelHeader());
  await writeFile(path.join(directory, 'initrd'), 'initrd');
}

/** Writes what `wholeMachine(directory)` names. */
export async function writeImages(directory: string): Promise<void> {
  await mkdir(path.join(directory, 'files'));
  for (const name of images) {
    if (name.endsWith('.qcow2')) await writeFile(path.join(directory, name), emptyQcow2());
    else await writeRaw(path.join(directory, name));
  }
}

/** An empty raw image of one MiB. */
export async function writeRaw(file: string): Promise<void> {
  await writeFile(file, '');
  await truncate(file, 2 ** 20);
}

const cluster = 2 ** 16;

/** Version 3, one MiB, nothing allocated: header, L1 table, refcount table, refcount block, one cluster each. */
export function emptyQcow2(): Buffer {
  const image = Buffer.alloc(4 * cluster);
  image.write('QFI\u00fb', 0, 'latin1');
  image.writeUInt32BE(3, 4);
  image.writeUInt32BE(16, 20); // cluster_bits
  image.writeBigUInt64BE(2n ** 20n, 24); // size
  image.writeUInt32BE(1, 36); // l1_size
  image.writeBigUInt64BE(BigInt(cluster), 40); // l1_table_offset
  image.writeBigUInt64BE(BigInt(2 * cluster), 48); // refcount_table_offset
  image.writeUInt32BE(1, 56); // refcount_table_clusters
  image.writeUInt32BE(4, 96); // refcount_order
  image.writeUInt32BE(104, 100); // header_length
  image.writeBigUInt64BE(BigInt(3 * cluster), 2 * cluster);
  for (let used = 0; used < 4; used += 1) image.writeUInt16BE(1, 3 * cluster + 2 * used);
  return image;
}

/** As much of the x86 boot protocol as QEMU looks at before the first instruction. */
function kernelHeader(): Buffer {
  const kernel = Buffer.alloc(8192);
  kernel.writeUInt8(1, 0x1f1); // setup_sects
  kernel.write('HdrS', 0x202);
  kernel.writeUInt16LE(0x0200, 0x206); // protocol 2.00
  return kernel;
}

/** A hypervisor of a test. */
export interface Machine {
  readonly process: ChildProcess;
  readonly events: QmpEvent[];
  /** What it said on standard error so far. */
  stderr(): string;
  /** Exit code once it has exited; null after a signal. */
  exited: Promise<number | null>;
  /** Rejects with what it said. */
  connect(): Promise<QmpClient>;
}

/** Starts an emulator that listens at `qmpSocket`. Killed with the test if it still runs. */
export function startMachine(emulator: string, argv: string[], qmpSocket: string): Machine {
  const process = spawn(emulator, argv, { stdio: ['ignore', 'ignore', 'pipe'] });
  const ended = new AbortController();
  const exited = once(process, 'close').then(([code]) => {
    ended.abort(new Error('the hypervisor exited'));
    return code as number | null;
  });
  let said = '';
  const events: QmpEvent[] = [];
  process.stderr.on('data', (chunk: Buffer) => (said += chunk.toString()));
  onTestFinished(async () => {
    process.kill('SIGKILL');
    await exited;
    await noProcessWith(qmpSocket);
  });
  const connect = async (): Promise<QmpClient> =>
    connectTo(qmpSocket, ended.signal, events).catch((cause: unknown) => {
      throw new Error(said, { cause });
    });
  return { process, events, exited, connect, stderr: () => said };
}

async function connectTo(path: string, signal: AbortSignal, events: QmpEvent[]): Promise<QmpClient> {
  const client = await QmpClient.connect(path, { deadlineMs: 20_000, signal, onEvent: (event) => events.push(event) });
  onTestFinished(() => client.close());
  return client;
}

/** Resolves when no process has `text` in its command line: the teardown helper carries its parent's. */
export async function noProcessWith(text: string): Promise<void> {
  const check = async (): Promise<void> => {
    const found = await processesWith(text);
    if (found.length > 0) throw new Error(`processes left: ${found.join(', ')}`);
  };
  await vi.waitFor(check, { timeout: 10_000, interval: 20 });
}

async function processesWith(text: string): Promise<string[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  const commands = await Promise.all(pids.map((pid) => readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')));
  return pids.filter((_pid, index) => commands[index]?.includes(text));
}
