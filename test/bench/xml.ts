/** How long definitions take to read: `npm run bench:xml`. A thousand real ones, and the worst of 1 MiB. */
import { readdirSync, readFileSync } from 'node:fs';
import { cpus, release } from 'node:os';
import { DomctlError } from '../../lib/errors.ts';
import { parseDomain } from '../../lib/xml/parse.ts';

const count = 1000;
const rounds = 5;
const mib = 2 ** 20;

const documents = ['../fixtures/domain-xml/', '../fixtures/corpus/'].flatMap((name) => {
  const directory = new URL(name, import.meta.url);
  const files = readdirSync(directory).filter((file) => file.endsWith('.xml'));
  return files.map((file) => readFileSync(new URL(file, directory), 'utf8'));
});
const readable = documents.filter(isRead);

function isRead(xml: string): boolean {
  const generate = { uuid: () => '00000000-0000-4000-8000-000000000000', mac: () => '52:54:00:00:00:00' };
  try {
    parseDomain(xml, { file: 'bench.xml', allowUnsupported: false, generate });
    return true;
  } catch (error) {
    if (error instanceof DomctlError) return false;
    throw error;
  }
}

/** Milliseconds, those of them that a processor worked, and whether it was read. */
function time(work: () => boolean): { readonly ms: number; readonly workedMs: number; readonly read: boolean } {
  const before = process.cpuUsage();
  const begin = performance.now();
  const read = work();
  const { user, system } = process.cpuUsage(before);
  return { ms: performance.now() - begin, workedMs: (user + system) / 1000, read };
}

function report(name: string, work: () => boolean): void {
  const times = Array.from({ length: rounds }, () => time(work));
  const sorted = times.map(({ ms }) => ms).sort((a, b) => a - b);
  const [least = 0, median = 0, most = 0] = [sorted[0], sorted[Math.floor(rounds / 2)], sorted.at(-1)];
  const worked = Math.min(...times.map(({ workedMs }) => workedMs)).toFixed(0);
  const spread = `${least.toFixed(0)} to ${most.toFixed(0)}`;
  const end = times[0]?.read === true ? 'read' : 'refused';
  process.stdout.write(
    `${name.padEnd(44)} ${median.toFixed(0).padStart(6)} ms  (${spread})  ${worked.padStart(5)} ms of a processor  ${end}\n`,
  );
}

/** A domain with that inside, filled up to 1 MiB. */
function filled(part: string, before = '', after = ''): string {
  const head = `<domain type='qemu'><name>x</name><memory>65536</memory><os><type>hvm</type></os>${before}`;
  const tail = `${after}</domain>`;
  return head + part.repeat(Math.floor((mib - head.length - tail.length) / part.length)) + tail;
}

const model = /model name\s*: (.*)/.exec(readFileSync('/proc/cpuinfo', 'utf8'))?.[1] ?? process.arch;
process.stdout.write(`machine: ${cpus().length} x ${model}, Linux ${release()}, Node ${process.versions.node}\n`);
process.stdout.write(
  `method: median of ${rounds} rounds, with the least and the most; the least time of a processor\n`,
);
report(`${count} definitions (${readable.length} different ones)`, () =>
  Array.from({ length: count }, (_none, index) => readable[index % readable.length] ?? '').every(isRead),
);
const disk = "<disk type='file'><source file='/a'/><target dev='vda' bus='virtio'/></disk>";
const large: Readonly<Record<string, string>> = {
  '1 MiB of comments': filled('<!-- a comment of some length, nothing more -->'),
  '1 MiB of unknown elements': filled('<x/>'),
  '1 MiB of disks': filled(disk, '<devices>', '</devices>'),
  '1 MiB of text': filled('text ', '<description>', '</description>'),
  '1 MiB of attributes': filled("a='1' ", '<devices ', '/>'),
  '1 MiB of nesting': filled('<a>'),
  '1 MiB of character references': filled('&#65;', '<description>', '</description>'),
  '1 MiB of <': '<'.repeat(mib),
  'more than 1 MiB': 'x'.repeat(mib + 1),
};
for (const [name, text] of Object.entries(large)) report(name, () => isRead(text));
