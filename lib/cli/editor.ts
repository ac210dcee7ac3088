/** A text in the user's own editor. Owns the temporary file: nobody else can read it, and it stays when told to. */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DomctlError } from '../errors.ts';

export class EditedFile {
  readonly path: string;
  readonly #directory: string;

  constructor(name: string, text: string) {
    this.#directory = mkdtempSync(join(tmpdir(), 'domctl-edit-'));
    this.path = join(this.#directory, name);
    writeFileSync(this.path, text, { mode: 0o600, flag: 'wx' });
  }

  read(): string {
    return readFileSync(this.path, 'utf8');
  }

  /** Resolves when the editor has ended. Throws FAILED when there is none, or it says that it failed. */
  async edit(): Promise<void> {
    const editor = findEditor();
    // A shell, as git and virsh do: `code --wait` is a command line. The path is an argument of it, never read as one.
    const child = spawn('sh', ['-c', `${editor} "$1"`, 'sh', this.path], { stdio: 'inherit' });
    const others = process.listeners('SIGINT');
    process.removeAllListeners('SIGINT');
    process.on('SIGINT', leaveToEditor);
    try {
      const [code, signal] = (await once(child, 'exit')) as [number | null, string | null];
      if (code !== 0) throw editorFailed(editor, code === null ? `signal ${signal ?? '?'}` : `exit code ${code}`);
    } finally {
      process.removeListener('SIGINT', leaveToEditor);
      for (const listener of others) process.on('SIGINT', listener);
    }
  }

  remove(): void {
    rmSync(this.path, { force: true });
    rmdirSync(this.#directory);
  }
}

/** Ctrl-C in the editor's terminal reaches us too, and means the editor. */
function leaveToEditor(): void {
  return undefined;
}

function findEditor(): string {
  for (const variable of ['VISUAL', 'EDITOR']) {
    const value = process.env[variable];
    if (value !== undefined && value !== '') return value;
  }
  const isThere = (name: string): boolean => spawnSync('sh', ['-c', `command -v ${name}`]).status === 0;
  const editor = ['sensible-editor', 'vi'].find(isThere);
  if (editor) return editor;
  throw new DomctlError('FAILED', 'no editor was found', { hint: 'set VISUAL or EDITOR to one' });
}

function editorFailed(editor: string, why: string): DomctlError {
  return new DomctlError('FAILED', `the editor '${editor}' failed: ${why}`, {
    hint: 'set VISUAL or EDITOR to another one',
  });
}
