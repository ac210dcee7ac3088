/** Definitions on disk: one XML file a domain, named by the escaped name, written whole or not at all. */

import { existsSync } from 'node:fs';
import { mkdir, open, readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Domain } from '../domain/definition.ts';
import { escapeName } from '../domain/names.ts';
import { messageOf } from '../errors.ts';
import { emitDomain } from '../xml/emit.ts';
import { freshName, syncDirectory, unwritable, writeDurably } from './durable.ts';
import { reach } from './fault-points.ts';
import { readStoredDomain } from './stored-domain.ts';

export class DefinitionStore {
  readonly #directory: string;
  /** One empty file for each domain that is started with the host. */
  readonly #autostart: string;

  private constructor(directory: string, autostart: string) {
    this.#directory = directory;
    this.#autostart = autostart;
  }

  static async open(stateDir: string): Promise<DefinitionStore> {
    const directory = join(stateDir, 'domains');
    const autostart = join(stateDir, 'autostart');
    await mkdir(directory, { recursive: true, mode: 0o700 });
    await mkdir(autostart, { recursive: true, mode: 0o700 });
    return new DefinitionStore(directory, autostart);
  }

  /** Every definition that parses, and a sentence for each file that does not. */
  async readAll(): Promise<{ domains: readonly Domain[]; damage: readonly string[] }> {
    const all = await readdir(this.#directory);
    const unfinished = all.filter((name) => name.endsWith(freshName('.xml')));
    // Of a daemon that died over them: nobody was told that they are there. A disk that takes no removal keeps them.
    await Promise.all(unfinished.map(async (name) => rm(join(this.#directory, name)).catch(() => undefined)));
    const names = all.filter((name) => name.endsWith('.xml'));
    const read = await Promise.all(names.map((name) => this.#read(join(this.#directory, name))));
    return {
      domains: read.flatMap((one) => (typeof one === 'string' ? [] : [one])),
      damage: read.filter((one) => typeof one === 'string'),
    };
  }

  async save(domain: Domain): Promise<void> {
    await writeDurably(this.#path(domain.name), emitDomain(domain), 'definition written, not in place');
  }

  async remove(name: string): Promise<void> {
    await this.markAutostart(name, false);
    reach('autostart unmarked');
    const path = this.#path(name);
    await changing(path, async () => {
      await rm(path, { force: true });
      await syncDirectory(this.#directory);
    });
    reach('definition removed');
  }

  /** Whether the domain of that name is started with the host. */
  isAutostarted(name: string): boolean {
    return existsSync(join(this.#autostart, escapeName(name)));
  }

  async markAutostart(name: string, enabled: boolean): Promise<void> {
    const marker = join(this.#autostart, escapeName(name));
    // An empty file is whole at once, and a second name beside it could be another domain's mark.
    await changing(marker, async () => {
      if (enabled) await (await open(marker, 'a', 0o600)).close();
      else await rm(marker, { force: true });
      await syncDirectory(this.#autostart);
    });
  }

  async #read(path: string): Promise<Domain | string> {
    try {
      const text = await readFile(path, 'utf8');
      return readStoredDomain(text, path);
    } catch (error) {
      return messageOf(error);
    }
  }

  #path(name: string): string {
    return join(this.#directory, `${escapeName(name)}.xml`);
  }
}

async function changing(path: string, work: () => Promise<void>): Promise<void> {
  await work().catch((error: unknown) => {
    throw unwritable(path, error);
  });
}
