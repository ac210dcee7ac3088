/** A file of lines that is only appended to: an append is on disk as a whole, or it did not happen. */
import { type FileHandle, open } from 'node:fs/promises';
import { die } from './fault-points.ts';

export class LineFile {
  readonly path: string;
  /** null: no disk let it be opened for writing yet. */
  #file: FileHandle | null = null;
  /** The last line may be torn: the next one must not be glued to it. */
  #ragged: '' | '\n';

  constructor(path: string, ragged: '' | '\n') {
    this.path = path;
    this.#ragged = ragged;
  }

  /** Makes the file where there is none; what cannot be opened now is tried again by the next append. */
  async open(): Promise<FileHandle> {
    this.#file ??= await open(this.path, 'a', 0o600);
    return this.#file;
  }

  async sizeBytes(): Promise<number> {
    const file = await this.open();
    return (await file.stat()).size;
  }

  /** Resolves when `lines` are on disk. Rejects where they are not, or not all of them: then none is there. */
  async append(lines: string): Promise<void> {
    const file = await this.open();
    const { size } = await file.stat();
    try {
      await file.appendFile(this.#ragged + lines);
      await file.datasync();
      this.#ragged = '';
    } catch (error) {
      // What a full disk took of them goes again: or the next try would double it.
      await file.truncate(size).catch(() => (this.#ragged = '\n'));
      throw error;
    }
  }

  /** Half of `lines`, and the end of this process: as a power cut would. */
  async tear(lines: string): Promise<never> {
    const file = await this.open();
    await file.appendFile(this.#ragged + lines.slice(0, lines.length / 2));
    return die();
  }

  async close(): Promise<void> {
    await this.#file?.close();
  }
}
