/** Programs of the host, by their paths. */
import { access, constants } from 'node:fs/promises';

/** Whether we may run it. */
export async function isExecutable(path: string): Promise<boolean> {
  return access(path, constants.X_OK).then(
    () => true,
    () => false,
  );
}

/** The first of `paths` that is; null: none. */
export async function firstExecutable(paths: readonly string[]): Promise<string | null> {
  for (const path of paths) if (await isExecutable(path)) return path;
  return null;
}
