/** Definitions of others, their arguments as we render them, started by real QEMUs: all but those that are listed. */
import { readFileSync } from 'node:fs';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, test } from 'vitest';
import { assumeCapabilities, assumeFirmware, placeholderLaunch } from '../../lib/convert/placeholders.ts';
import type { Domain } from '../../lib/domain/definition.ts';
import { DomctlError } from '../../lib/errors.ts';
import { buildArgv } from '../../lib/qemu/argv.ts';
import { type Capabilities, probeCapabilities } from '../../lib/qemu/capabilities.ts';
import { hypervisorEnvironment } from '../../lib/qemu/environment.ts';
import { judgeDirectory, readCorpus } from '../corpus/judge.ts';
import { only } from '../corpus/report.ts';
import { type Ability, type Generation, type Unstarted, unstarted } from '../corpus/unstarted.ts';
import { findQemus, type TestQemu } from '../setup/qemus.ts';
import { patient } from '../setup/slowness.ts';
import { findAbilities } from './abilities.ts';
import { farPorts, type Inputs, makeInputs, relocate, variablesIn } from './corpus-inputs.ts';
import { startAndQuit } from './corpus-machine.ts';

const qemus = await findQemus();
const scratch = await mkdtemp(path.join(tmpdir(), 'domctl-corpus-'));
afterAll(() => rm(scratch, { recursive: true, force: true }));

const corpus = fileURLToPath(new URL('../fixtures/corpus', import.meta.url));
const converted = only('converted', judgeDirectory(corpus)).map(({ file }) => file.replace(/\.xml$/, ''));

/** Loop devices and networks are root's to make. */
function describeStarts(name: string, body: () => void): void {
  if (process.getuid?.() === 0) describe(name, body);
  else describe.skip(`${name} (skipped: needs root to make block devices and networks)`, body);
}

/** What became of one start: null, or what QEMU said. */
async function start(name: string, capabilities: Capabilities, root: string): Promise<string | null> {
  const file = `${name}.xml`;
  const domain = relocate(readCorpus(file, readFileSync(path.join(corpus, file), 'utf8')), root);
  await mkdir(root);
  const inputs = await makeInputs(domain, root);
  try {
    return await startAndQuit({
      emulator: capabilities.emulator,
      argv: render(domain, capabilities, root, inputs),
      environment: hypervisorEnvironment(domain),
      qmpSocket: path.join(root, 'qmp.sock'),
      ports: farPorts(domain),
      descriptors: inputs.descriptors,
    });
  } finally {
    await inputs.stop();
    await rm(root, { recursive: true, force: true });
  }
}

/** As a start has them; where we say that this QEMU lacks something, as if it had it, for QEMU to say so itself. */
function render(domain: Domain, capabilities: Capabilities, root: string, { filesystemSockets }: Inputs): string[] {
  const { value: firmware } = assumeFirmware(domain, variablesIn(root));
  const build = (has: Capabilities): string[] => {
    const { value } = placeholderLaunch(domain, { capabilities: has, firmware, directory: root, nowMs: 0 });
    const deviceNodes = new Map(Array.from(value.deviceNodes, ([index, node]) => [index, `${root}${node}`]));
    return buildArgv(domain, { ...value, filesystemSockets, deviceNodes });
  };
  try {
    return build(capabilities);
  } catch (error) {
    if (!(error instanceof DomctlError && error.code === 'HOST_LACKS')) throw error;
    return build(assumeCapabilities(domain, capabilities.emulator).value);
  }
}

/** So many at a time: each waits for its programs more than it computes. */
const workers = 3;

async function startAll(qemu: TestQemu): Promise<Map<string, string | null>> {
  const capabilities = await probeCapabilities(qemu.emulator!, path.join(scratch, 'capabilities'));
  const became = new Map<string, string | null>();
  const left = [...converted];
  const work = async (): Promise<void> => {
    for (let name = left.pop(); name !== undefined; name = left.pop()) {
      became.set(name, await start(name, capabilities, path.join(scratch, `${qemu.label}-${left.length}`)));
    }
  };
  await Promise.all(Array.from({ length: workers }, work));
  return became;
}

/** Why one is not to start here. */
function reasonsFor(name: string, label: Generation, abilities: ReadonlySet<Ability>): Unstarted[] {
  return unstarted.filter(({ definitions, without, qemus }) => {
    const applies = without === null ? qemus.includes(label) : !abilities.has(without);
    return applies && definitions.includes(name);
  });
}

describeStarts('definitions of others', () => {
  test.for(qemus)(
    'start in QEMU $label, but for those that are listed',
    { timeout: patient(300_000) },
    async (qemu, context) => {
      if (qemu.skipReason !== null) context.skip(qemu.skipReason);
      const abilities = await findAbilities(qemu.emulator!);
      const wrong = [...(await startAll(qemu))].flatMap(([name, said]) => {
        const reasons = reasonsFor(name, qemu.label, abilities);
        if (said === null) return reasons.map(({ reason }) => `${name} starts, and is listed for: ${reason}`);
        if (reasons.length === 0) return [`${name} is not listed, and does not start: ${said}`];
        return reasons.some(({ says }) => says.test(said))
          ? []
          : [`${name} is not refused for what is listed: ${said}`];
      });
      expect(wrong.toSorted()).toEqual([]);
    },
  );

  test('that are listed are among those that are converted', () => {
    expect(unstarted.flatMap(({ definitions }) => definitions).filter((name) => !converted.includes(name))).toEqual([]);
  });
});
