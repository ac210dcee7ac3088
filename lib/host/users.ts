/** Users and groups of the host, through its own name service; without a program where that begins with its files. */
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { isErrno } from '../errors.ts';

const run = promisify(execFile);

export interface User {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
}

/** The same on every Linux. Whom a binary is asked as when root asks and there is no hypervisor's user. */
export const nobody = { uid: 65534, gid: 65534 };

/** The user of that name, or null. */
export async function findUser(name: string): Promise<User | null> {
  const [, , uid, gid] = (await find('passwd', name)) ?? [];
  return uid === undefined || gid === undefined ? null : { name, uid: Number(uid), gid: Number(gid) };
}

/** The name of the user with that number, or null. */
export async function findUserById(uid: number): Promise<string | null> {
  return (await getent('passwd', String(uid)))?.[0] ?? null;
}

/** Names of the groups a user is in. */
export async function groupsOf(name: string): Promise<string[]> {
  const { stdout } = await run('id', ['-nGz', '--', name]);
  return stdout.split('\0').filter((group) => group !== '');
}

/** The group's id, or null. */
export async function findGroup(name: string): Promise<number | null> {
  const gid = (await find('group', name))?.[2];
  return gid === undefined ? null : Number(gid);
}

type Database = 'passwd' | 'group';

/** Each start asks, and to run a program costs more milliseconds than all else that a start looks up. */
async function find(database: Database, name: string): Promise<string[] | null> {
  const listed = isFilesFirst(await textOf('/etc/nsswitch.conf'), database)
    ? findEntry(await textOf(`/etc/${database}`), database, name)
    : null;
  return listed ?? getent(database, name);
}

/** Whether the name service looks into the database's file before anything else, as it does when nsswitch.conf(5) says nothing. */
export function isFilesFirst(nsswitch: string, database: Database): boolean {
  const line = new RegExp(`^\\s*${database}:\\s*([^\\s#]*)`, 'm').exec(nsswitch);
  return line === null || line[1] === 'files';
}

/** Where an entry has numbers. */
const numbers: Readonly<Record<Database, readonly number[]>> = { passwd: [2, 3], group: [2] };

/** The entry of passwd(5) or group(5) as its fields; null: none, or one that is not whole. */
export function findEntry(text: string, database: Database, name: string): string[] | null {
  const line = text.split('\n').find((each) => each.startsWith(`${name}:`));
  const fields = line?.split(':') ?? [];
  return numbers[database].every((index) => /^\d+$/.test(fields[index] ?? '')) ? fields : null;
}

async function textOf(path: string): Promise<string> {
  return readFile(path, 'utf8').catch((error: unknown) => {
    if (isErrno(error, 'ENOENT')) return '';
    throw error;
  });
}

/** Exit code 2 of getent means: no such key. */
async function getent(database: Database, name: string): Promise<string[] | null> {
  try {
    const { stdout } = await run('getent', [database, '--', name]);
    return stdout.trim().split(':');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 2) return null;
    throw error;
  }
}
