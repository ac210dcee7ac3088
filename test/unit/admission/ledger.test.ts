import { describe, expect, test } from 'vitest';
import { drawUp, promisedBytes } from '../../../lib/admission/ledger.ts';
import { formatBytes } from '../../../lib/format.ts';
import { known, unknown } from '../../../lib/reading.ts';
import { db1, GiB, gib, host, ledgerOf, MiB, overhead, promised, rule, web1, web2 } from './contract.ts';

describe('the ledger of the contract', () => {
  test('reads as domctl resources prints it', () => {
    const ledger = ledgerOf();
    expect({
      reserve: formatBytes(ledger.rule.reserveBytes),
      'other programs': formatBytes(ledger.foreignBytes),
      capacity: formatBytes(ledger.capacityBytes),
      'promised, live': formatBytes(ledger.promisedLiveBytes),
      'held now': formatBytes(ledger.heldLiveBytes),
      draining: formatBytes(ledger.heldDrainingBytes),
      'free to promise': formatBytes(ledger.freeToPromiseBytes),
    }).toEqual({
      reserve: '20.1 GiB',
      'other programs': '7.2 GiB',
      capacity: '979.7 GiB',
      'promised, live': '385.5 GiB',
      'held now': '297.4 GiB',
      draining: '300.0 GiB',
      'free to promise': '294.2 GiB',
    });
  });

  test('promises what the listing of domains shows', () => {
    expect(Object.values(promised).map(formatBytes)).toEqual(['256.9 GiB', '128.6 GiB', '513.7 GiB']);
    expect(formatBytes(promised.db1 - 512 * GiB)).toBe('1.7 GiB');
  });
});

describe('a promise', () => {
  test.each([
    [{ memoryBytes: 0, vcpus: 0 }, 192 * MiB],
    [{ memoryBytes: 0, vcpus: 4 }, 224 * MiB],
    [{ memoryBytes: 1000 * MiB, vcpus: 1 }, 1202 * MiB],
    [{ memoryBytes: 1, vcpus: 0 }, 192 * MiB + 2],
  ])('for %j is %d bytes', (domain, bytes) => {
    expect(promisedBytes({ ...domain, inHugePages: false }, overhead)).toBe(bytes);
  });

  test('of a domain in huge pages is the hypervisor alone', () => {
    const domain = { memoryBytes: 1000 * MiB, vcpus: 1, inHugePages: true };
    expect(promisedBytes(domain, overhead)).toBe(202 * MiB);
  });
});

describe('capacity', () => {
  test('multiplies by overcommit before the reserve and other programs are taken off', () => {
    expect(ledgerOf({ rule: { overcommit: 1.5 }, entries: [] }).capacityBytes).toBe(
      1510.5 * GiB - rule.reserveBytes - ledgerOf({ entries: [] }).foreignBytes,
    );
  });

  test('leaves out huge page pools, and does not take them for other programs', () => {
    const pools = 100 * GiB;
    const [without, withPools] = [
      ledgerOf(),
      ledgerOf({ host: { hugePoolBytes: pools, availableBytes: host.availableBytes - pools } }),
    ];
    expect(withPools.foreignBytes).toBe(without.foreignBytes);
    expect(withPools.capacityBytes).toBe(without.capacityBytes - pools);
  });

  test('takes nothing for other programs when readings overlap', () => {
    expect(ledgerOf({ host: { availableBytes: host.totalBytes } }).foreignBytes).toBe(0);
  });
});

describe('an entry', () => {
  test('live counts with what it may grow to, or what it holds where that is more', () => {
    expect(ledgerOf({ entries: [web1] }).promisedLiveBytes).toBe(promised.web1);
    expect(ledgerOf({ entries: [{ ...web1, held: known(300 * GiB) }] }).promisedLiveBytes).toBe(300 * GiB);
  });

  test('draining counts with what it holds, whatever was promised', () => {
    expect(ledgerOf({ entries: [db1] })).toMatchObject({
      heldDrainingBytes: gib(300),
      promisedLiveBytes: 0,
      heldLiveBytes: 0,
    });
  });

  test('over the capacity leaves less than nothing to promise', () => {
    const giant = { ...web2, promisedBytes: 2000 * GiB };
    expect(ledgerOf({ entries: [giant] }).freeToPromiseBytes).toBe(
      ledgerOf({ entries: [giant] }).capacityBytes - 2000 * GiB,
    );
  });
});

describe('an unknown figure', () => {
  test('makes the whole ledger unknown, with its owner named', () => {
    expect(drawUp(known(host), rule, [web1, { ...db1, held: unknown('read /x/memory.stat: EIO') }])).toEqual(
      unknown("memory held by incarnation 41 of 'db1': read /x/memory.stat: EIO"),
    );
  });

  test('of the host makes it unknown too', () => {
    expect(drawUp(unknown('no MemAvailable'), rule, [])).toEqual(unknown('no MemAvailable'));
  });
});
