/** A daemon that has had much to do is as it was: `npm run soak`, on a small scale. */
import { describe, expect, test } from 'vitest';
import { takeCensus, type Site, whatIsLeft } from '../bench/soak/census.ts';
import { defineAll, domainXml, growthOf, namesOf, runLifecycles, runRound } from '../bench/soak/work.ts';
import { anyQemu } from '../e2e/emulators.ts';
import { MiB } from '../e2e/facts.ts';
import { createHost, describeEndToEnd, type Host } from '../e2e/harness.ts';

async function siteOf(host: Host): Promise<Site> {
  await host.nextDaemon();
  const { directory, cgroupRoot } = host;
  return { client: host.client(), directory, cgroupRoot, pid: await host.daemonPid(), runtimeDir: host.at('run') };
}

/** So many are promised what they need, and little more. */
const hostYaml = { overhead: { fixed: '80MiB' } };

describeEndToEnd('a soak', () => {
  describe.each([
    ['110 domains of a hypervisor that weighs nothing', 110, 'light'],
    ['5 domains of a real QEMU', 5, 'real'],
  ] as const)('of %s', (_title, count, kind) => {
    test('started and destroyed at the same time leaves nothing', async ({ skip }) => {
      if (kind === 'real' && anyQemu === null) skip('there is no QEMU here');
      await using host = await createHost({ hostYaml });
      const site = await siteOf(host);
      const emulator = kind === 'light' ? host.lightQemu() : anyQemu!;
      const names = namesOf('d', count);
      await defineAll(site.client, names, (name) => domainXml(name, emulator, 16));
      // What is made once, such as the answers of an emulator, is there from then on.
      await runRound(site, names.slice(0, 1));
      const before = await takeCensus(site);
      for (let round = 0; round < 2; round += 1) expect((await runRound(site, names)).running).toBe(count);
      expect(await whatIsLeft(site, before)).toEqual({});
    });
  });

  test('of 300 lifecycles leaves nothing, and the daemon as large as it was', async () => {
    await using host = await createHost({ hostYaml });
    const site = await siteOf(host);
    const names = namesOf('l', 4);
    await defineAll(site.client, names, (name) => domainXml(name, host.lightQemu(), 16));
    await runLifecycles(site, names, 20);
    const before = await takeCensus(site);
    const taken = await runLifecycles(site, names, 300);
    expect(await whatIsLeft(site, before)).toEqual({});
    const memory = growthOf(taken, ({ residentBytes }) => residentBytes);
    expect(memory.lastQuarter - memory.firstQuarter).toBeLessThan(32 * MiB);
    const descriptors = growthOf(taken, (sample) => sample.descriptors);
    expect(descriptors.lastQuarter - descriptors.firstQuarter).toBeLessThan(5);
  });
});
