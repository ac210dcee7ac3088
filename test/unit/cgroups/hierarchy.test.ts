/** Which hierarchy a host has, from its mountinfo: hybrid.mountinfo is recorded, the others are as systemd and Docker mount them. */
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { detectHierarchy, type Hierarchy } from '../../../cgroups/hierarchy.ts';

const all = ['cpuset', 'cpu', 'io', 'memory', 'hugetlb', 'pids', 'rdma', 'misc'];

/** What `name`.mountinfo is, when the root's cgroup.controllers are these. */
function detect(name: string, controllers: readonly string[]): Hierarchy {
  return detectHierarchy(
    readFileSync(new URL(`../../fixtures/cgroup-trees/${name}.mountinfo`, import.meta.url), 'utf8'),
    () => controllers,
  );
}

function refusal(message: RegExp, hint: RegExp): unknown {
  return expect.objectContaining({
    name: 'DomctlError',
    code: 'HOST_LACKS',
    message: expect.stringMatching(message) as string,
    hint: expect.stringMatching(hint) as string,
  });
}

describe('a host', () => {
  test('with memory in v2 is unified', () => {
    expect(detect('unified', all)).toEqual({
      kind: 'unified',
      mount: { version: 2, mountPoint: '/sys/fs/cgroup', readonly: false, controllers: [] },
    });
  });

  test.each([
    ['hybrid', ['hugetlb']],
    ['systemd-hybrid', []],
  ])('with memory in v1 is hybrid: %s', (name, controllers) => {
    expect(detect(name, controllers)).toMatchObject({
      kind: 'hybrid',
      mount: { mountPoint: '/sys/fs/cgroup/unified' },
      memory: { mountPoint: '/sys/fs/cgroup/memory' },
    });
  });

  test('asks the mount it found for its controllers', () => {
    const asked: string[] = [];
    const text = readFileSync(new URL('../../fixtures/cgroup-trees/unified.mountinfo', import.meta.url), 'utf8');
    detectHierarchy(text, ({ mountPoint }) => {
      asked.push(mountPoint);
      return all;
    });
    expect(asked).toEqual(['/sys/fs/cgroup']);
  });

  test('with a writable mount over a read-only one goes by what is on top', () => {
    expect(detect('container-writable', all)).toMatchObject({ kind: 'unified', mount: { readonly: false } });
  });

  test('without cgroup v2 is refused, with the mount command', () => {
    expect(() => detect('none', all)).toThrow(refusal(/no cgroup v2 is mounted/, /^mount it: mount -t cgroup2 /));
  });

  test('without a memory controller is refused, with the boot parameter', () => {
    expect(() => detect('unified', ['cpu', 'io'])).toThrow(
      refusal(/no cgroup memory controller/, /cgroup_disable=memory/),
    );
  });

  test.each([
    ['container-readonly', all],
    ['container-v1-readonly', []],
  ])('that is a container with read-only cgroups is refused, with the remedy: %s', (name, controllers) => {
    expect(() => detect(name, controllers)).toThrow(
      refusal(/is read-only$/, /--cgroupns=host -v \/sys\/fs\/cgroup:\/sys\/fs\/cgroup:rw/),
    );
  });

  /** Both mounts are of the one v2 hierarchy; that one of them is read-only is no reason to refuse. */
  test('with a read-only bind mount of its hierarchy for a chroot goes by the writable one', () => {
    expect(detect('chroot-bind', all)).toMatchObject({ kind: 'unified', mount: { mountPoint: '/sys/fs/cgroup' } });
  });
});
