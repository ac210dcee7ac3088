import { execFileSync } from 'node:child_process';
import { describe, expect, test } from 'vitest';
import { findEntry, findGroup, findUser, isFilesFirst } from '../../../lib/host/users.ts';

const passwd = `# users
root:x:0:0:root:/root:/bin/bash
qemu2:x:1002:1003::/:/bin/false
qemu:x:107:108:qemu user:/:/sbin/nologin
half:x:12
+nis::::::
`;

describe('a file of users', () => {
  test.each([
    ['qemu', ['qemu', 'x', '107', '108', 'qemu user', '/', '/sbin/nologin']],
    ['qem', null],
    ['half', null],
    ['+nis', null],
    ['nobody', null],
  ])('has of %s the entry %j', (name, entry) => {
    expect(findEntry(passwd, 'passwd', name)).toEqual(entry);
  });

  test('of groups has an entry without members', () => {
    expect(findEntry('kvm:x:105:\n', 'group', 'kvm')).toEqual(['kvm', 'x', '105', '']);
  });
});

describe('the name service', () => {
  test.each([
    ['', true],
    ['passwd: files systemd\ngroup: sss files\n', true],
    ['  passwd:\tfiles\n', true],
    ['#passwd: sss\n', true],
    ['passwd: sss files\n', false],
    ['passwd: compat\n', false],
    ['passwd:\n', false],
  ])('that is told %j looks into the file first: %j', (nsswitch, first) => {
    expect(isFilesFirst(nsswitch, 'passwd')).toBe(first);
  });

  test('tells of users and groups what getent tells, and null where there are none', async () => {
    const [, , uid, gid] = execFileSync('getent', ['passwd', 'nobody'], { encoding: 'utf8' }).split(':');
    expect(await findUser('nobody')).toEqual({ name: 'nobody', uid: Number(uid), gid: Number(gid) });
    expect(await findGroup('root')).toBe(0);
    expect(await findUser('no-such-user')).toBeNull();
    expect(await findGroup('no-such-group')).toBeNull();
  });
});
