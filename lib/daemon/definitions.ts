/** Definitions on disk: one XML file a domain, named by the escaped name, written whole or not at all. */

import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Domain } from '../domain/definition.ts';
import { escapeName } from '../domain/names.ts';
import { messageOf } from '../errors.ts';
import { emitDomain } from '../xml/emit.ts';
import { syncDirectory, writeDurably } from './journal.ts';
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
    const names = (await readdir(this.#directory)).filter((name) => name.endsWith('.xml'));
    const read = await Promise.all(names.map((name) => this.#read(join(this.#directory, name))));
    return {
      domains: read.flatMap((one) => (typeof one === 'string' ? [] : [one])),
      damage: read.filter((one) => typeof one === 'string'),
    };
  }

  async save(domain: Domain): Promise<void> {
    await writeDurably(this.#path(domain.name), emitDomain(domain));
  }

  async remove(name: string): Promise<void> {
    await this.markAutostart(name, false);
    await rm(this.#path(name), { force: true });
    await syncDirectory(this.#directory);
  }

  /** Whether the domain of that name is started with the host. */
  isAutostarted(name: string): boolean {
    return existsSync(join(this.#autostart, escapeName(name)));
  }

  async markAutostart(name: string, enabled: boolean): Promise<void> {
    const marker = join(this.#autostart, escapeName(name));
    if (enabled) await writeDurably(marker, '');
    else await rm(marker, { force: true });
    await syncDirectory(this.#autostart);
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
