/** Users and groups of the host, through its own name service. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const run = promisify(execFile);

export interface User {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
}

/** The user of that name, or null. */
export async function findUser(name: string): Promise<User | null> {
  const [, , uid, gid] = (await getent('passwd', name)) ?? [];
  return uid === undefined || gid === undefined ? null : { name, uid: Number(uid), gid: Number(gid) };
}

/** The group's id, or null. */
export async function findGroup(name: string): Promise<number | null> {
  const gid = (await getent('group', name))?.[2];
  return gid === undefined ? null : Number(gid);
}

/** Exit code 2 of getent means: no such key. */
async function getent(database: 'passwd' | 'group', name: string): Promise<string[] | null> {
  try {
    const { stdout } = await run('getent', [database, '--', name]);
    return stdout.trim().split(':');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 2) return null;
    throw error;
  }
}
