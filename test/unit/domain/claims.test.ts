import { describe, expect, test } from 'vitest';
import {
  type BlockClaim,
  type CharacterClaim,
  type Claim,
  type ClaimHolder,
  conflictRemedy,
  describeClaim,
  type FileClaim,
  findConflict,
  type PortClaim,
  type TapClaim,
} from '../../../lib/domain/claims.ts';

function claim(path: string, inode: number, mode: Claim['mode'], device = 1): FileClaim {
  return { kind: 'image', path, device, inode, mode };
}

function holder(domain: string, ...claims: Claim[]): ClaimHolder {
  return { domain, incarnation: 7, claims };
}

describe('a claim', () => {
  test.each([
    ['exclusive', 'exclusive', 'conflicts'],
    ['exclusive', 'shared', 'conflicts'],
    ['shared', 'exclusive', 'conflicts'],
    ['shared', 'shared', 'passes'],
  ] as const)('%s over %s %s', (wanted, held, verdict) => {
    const conflict = findConflict([claim('/a', 10, wanted)], [holder('web1', claim('/a', 10, held))]);
    expect(conflict === null ? 'passes' : 'conflicts').toBe(verdict);
  });

  test('knows a file by device and inode, not by its name', () => {
    const linked = holder('web1', claim('/hard/link', 10, 'exclusive'));
    expect(findConflict([claim('/a', 10, 'exclusive')], [linked])?.held).toEqual(linked.claims[0]);
    expect(findConflict([claim('/hard/link', 11, 'exclusive')], [linked])).toBeNull();
    expect(findConflict([claim('/hard/link', 10, 'exclusive', 2)], [linked])).toBeNull();
  });

  test('is refused with what was wanted, what is held, and by whom', () => {
    const wanted = [claim('/free', 1, 'exclusive'), claim('/a', 10, 'exclusive'), claim('/b', 11, 'exclusive')];
    const holders = [
      holder('idle'),
      holder('base', claim('/other', 12, 'shared'), claim('/a', 10, 'shared')),
      holder('late', claim('/b', 11, 'exclusive')),
    ];
    expect(findConflict(wanted, holders)).toEqual({
      wanted: wanted[1],
      held: holders[1]?.claims[1],
      holder: holders[1],
    });
  });

  test('of the same file held twice looks at both', () => {
    const both = holder('web1', claim('/a', 10, 'shared'), claim('/a', 10, 'exclusive'));
    expect(findConflict([claim('/a', 10, 'shared')], [both])?.held.mode).toBe('exclusive');
  });

  test('on nothing, or over nothing, passes', () => {
    expect(findConflict([], [holder('web1', claim('/a', 10, 'exclusive'))])).toBeNull();
    expect(findConflict([claim('/a', 10, 'exclusive')], [])).toBeNull();
  });
});

function block(path: string, device: number, mode: Claim['mode'] = 'exclusive'): BlockClaim {
  return { kind: 'block', path, device, mode };
}

function tap(name: string, managed = true): TapClaim {
  return { kind: 'tap', name, managed, mode: 'exclusive' };
}

function character(device: number): CharacterClaim {
  return { kind: 'character', node: '/dev/vfio/12', device, use: 'PCI device 0000:06:12.5', mode: 'exclusive' };
}

function port(text: string): PortClaim {
  const [protocol, address, number] = text.split(' ');
  return {
    kind: 'port',
    protocol: protocol === 'udp' ? 'udp' : 'tcp',
    address: address === '*' ? null : (address ?? null),
    port: Number(number),
    mode: 'exclusive',
  };
}

describe('a claim on a resource of another kind', () => {
  test('is on a block device by its number', () => {
    expect(findConflict([block('/dev/vdb', 2064)], [holder('web1', block('/dev/disk/by-id/x', 2064))])).not.toBeNull();
    expect(findConflict([block('/dev/vdb', 2064)], [holder('web1', block('/dev/vdc', 2080))])).toBeNull();
    const shared = holder('web1', block('/dev/vdb', 2064, 'shared'));
    expect(findConflict([block('/dev/vdb', 2064, 'shared')], [shared])).toBeNull();
  });

  test('is on a tap by its name, whoever makes it', () => {
    expect(findConflict([tap('vnet0')], [holder('web1', tap('vnet0', false))])).not.toBeNull();
    expect(findConflict([tap('vnet0')], [holder('web1', tap('vnet1'))])).toBeNull();
  });

  test.each([
    ['tcp 127.0.0.1 5900', 'tcp 127.0.0.1 5900', true],
    ['tcp 127.0.0.1 5900', 'tcp 127.0.0.1 5901', false],
    ['tcp 127.0.0.1 5900', 'udp 127.0.0.1 5900', false],
    ['tcp 127.0.0.1 5900', 'tcp 10.0.0.1 5900', false],
    ['tcp 127.0.0.1 5900', 'tcp 0.0.0.0 5900', true],
    ['tcp * 5900', 'tcp 10.0.0.1 5900', true],
    ['tcp :: 5900', 'tcp 10.0.0.1 5900', true],
    ['udp * 53', 'udp * 53', true],
  ])('%s against %s conflicts: %s', (wanted, held, conflicts) => {
    expect(findConflict([port(wanted)], [holder('web1', port(held))]) !== null).toBe(conflicts);
    expect(findConflict([port(held)], [holder('web1', port(wanted))]) !== null).toBe(conflicts);
  });

  test('is on a device of the host by its number, and on a vsock by its own', () => {
    const held = holder('web1', character(61_440), { kind: 'cid', cid: 3, mode: 'exclusive' });
    expect(findConflict([{ ...character(61_440), use: 'PCI device 0000:06:12.6' }], [held])).not.toBeNull();
    expect(findConflict([character(61_441)], [held])).toBeNull();
    expect(findConflict([{ kind: 'cid', cid: 3, mode: 'exclusive' }], [held])).not.toBeNull();
    expect(findConflict([{ kind: 'cid', cid: 4, mode: 'exclusive' }], [held])).toBeNull();
  });

  test('never conflicts with one of a third kind', () => {
    const all: Claim[] = [claim('/a', 10, 'exclusive'), block('/a', 1), tap('a'), port('tcp a 1'), character(1)];
    for (const wanted of all)
      expect(findConflict([wanted], [holder('web1', ...all.filter((other) => other !== wanted))])).toBeNull();
  });

  test("is one with an image where it is the guest's variables", () => {
    const variables: FileClaim = { ...claim('/vars.fd', 10, 'exclusive'), kind: 'nvram' };
    expect(findConflict([variables], [holder('web1', claim('/vars.fd', 10, 'exclusive'))])).not.toBeNull();
  });
});

describe('a claim in words', () => {
  test.each([
    [claim('/a.raw', 1, 'exclusive'), '/a.raw', /<shareable\/>/],
    [block('/dev/vdb', 1), '/dev/vdb', /<shareable\/>/],
    [{ ...claim('/v.fd', 1, 'exclusive'), kind: 'nvram' } as const, '/v.fd', /<nvram>/],
    [tap('vnet0'), 'tap vnet0', /<target dev/],
    [{ ...claim('/e', 1, 'exclusive'), kind: 'store' } as const, '/e', /its own file/],
    [character(1), 'PCI device 0000:06:12.5', /one of the two/],
    [{ kind: 'cid', cid: 3, mode: 'exclusive' } as const, 'vsock CID 3', /auto='yes'/],
    [port('tcp * 5900'), 'tcp port 5900', /another port/],
    [port('udp 10.0.0.1 53'), 'udp port 10.0.0.1:53', /another port/],
    [port('tcp ::1 5900'), 'tcp port [::1]:5900', /another port/],
  ])('%o is %s', (wanted, words, remedy) => {
    expect(describeClaim(wanted)).toBe(words);
    expect(conflictRemedy(wanted)).toMatch(remedy);
  });
});
