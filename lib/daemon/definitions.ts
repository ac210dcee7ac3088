/** Definitions on disk: one XML file a domain, named by the escaped name, written whole or not at all. */
import { messageOf } from '../errors.ts';
import { mkdir, readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Domain } from '../domain/definition.ts';
import { escapeName } from '../domain/names.ts';
import { emitDomain } from '../xml/emit.ts';
import { parseDomain } from '../xml/parse.ts';
import { generateMac, generateUuid } from './identifiers.ts';
import { syncDirectory, writeDurably } from './journal.ts';

export class DefinitionStore {
  readonly #directory: string;

  private constructor(directory: string) {
    this.#directory = directory;
  }

  static async open(stateDir: string): Promise<DefinitionStore> {
    const directory = join(stateDir, 'domains');
    await mkdir(directory, { recursive: true, mode: 0o700 });
    return new DefinitionStore(directory);
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
    await rm(this.#path(name), { force: true });
    await syncDirectory(this.#directory);
  }

  async #read(path: string): Promise<Domain | string> {
    try {
      const text = await readFile(path, 'utf8');
      // What was let through at define is let through again: it was the operator's decision then.
      return parseDomain(text, {
        file: path,
        allowUnsupported: true,
        generate: { uuid: generateUuid, mac: generateMac },
      }).domain;
    } catch (error) {
      return messageOf(error);
    }
  }

  #path(name: string): string {
    return join(this.#directory, `${escapeName(name)}.xml`);
  }
}
