import { once } from 'node:events';
import { createInterface } from 'node:readline/promises';
import type { Client } from '../../client/client.ts';
import type { DefineAnswer } from '../../client/contract.ts';
import { asDomctlError, DomctlError } from '../../errors.ts';
import { type Context, defineVerb, describeFailure } from '../command.ts';
import { EditedFile } from '../editor.ts';

export const edit = defineVerb({
  usage: 'edit <domain>',
  describe: "Change a domain's definition in an editor; a running machine keeps what it was started with",
  examples: [['EDITOR=nano domctl edit web1', 'refused where it is not valid, and asked again']],
  build: (yargs) => yargs.positional('domain', { type: 'string', demandOption: true, describe: 'Name, UUID or id' }),
  async run({ domain }, context) {
    const client = await context.connect();
    const { name, uuid } = await client.info(domain);
    const xml = await client.xml(uuid, true, true);
    const file = new EditedFile(`${name.replace(/[^\w.-]/g, '_')}.xml`, xml);
    return new Editing(client, context, { name, xml, file }).run();
  },
});

interface Subject {
  readonly name: string;
  /** The definition as it was read. */
  readonly xml: string;
  readonly file: EditedFile;
}

/** What the user wants after a refusal. */
type Choice = 'again' | 'discard' | 'ignore' | 'force';

const choices: Readonly<Record<string, Choice>> = { y: 'again', n: 'discard', i: 'ignore', f: 'force' };

const explanation = `y - yes, start editor again
n - no, throw away my changes
i - define it with what domctl does not know, as --allow-unsupported does
f - force, replace a definition that was changed in the meantime
? - print this help`;

/** One definition until it is stored, thrown away, or kept aside: what was written is never lost without a word. */
class Editing {
  readonly #client: Client;
  readonly #context: Context;
  readonly #subject: Subject;

  constructor(client: Client, context: Context, subject: Subject) {
    this.#client = client;
    this.#context = context;
    this.#subject = subject;
  }

  async run(): Promise<number> {
    for (let choice: Choice = 'again'; ; ) {
      try {
        return await this.#attempt(choice);
      } catch (error) {
        const failure = asDomctlError(error);
        choice = await this.#choose(failure);
        if (choice === 'discard') {
          this.#subject.file.remove();
          return failure.exit;
        }
      }
    }
  }

  async #attempt(choice: Choice): Promise<number> {
    const { name, xml, file } = this.#subject;
    if (choice === 'again') await file.edit();
    const text = file.read();
    if (text === xml) return this.#finish('not changed', { name, changed: false });
    const edits = choice === 'force' ? { name } : { name, xml };
    const answer = await this.#client.define({
      file: file.path,
      xml: text,
      allowUnsupported: choice === 'ignore',
      edits,
    });
    for (const warning of answer.warnings) this.#context.warn(`warning: ${warning}`);
    return this.#finish('edited', { ...answer, changed: true });
  }

  #finish(how: 'edited' | 'not changed', answer: Partial<DefineAnswer> & { changed: boolean }): number {
    this.#subject.file.remove();
    this.#context.say(`Domain '${this.#subject.name}' XML configuration ${how}.`);
    this.#context.answer(answer);
    return 0;
  }

  /** Throws the failure, with the place of the file, where nobody can be asked, or nobody answers. */
  async #choose(failure: DomctlError): Promise<Choice> {
    if (!process.stdin.isTTY || this.#context.json) throw this.#keep(failure);
    process.stderr.write(describeFailure(failure));
    // The terminal's own line editing: what is typed ahead stays where the editor finds it.
    const answers = createInterface({ input: process.stdin, output: process.stderr, terminal: false });
    const silence = once(answers, 'close').then(() => null);
    try {
      for (;;) {
        const answer = await Promise.race([answers.question('Failed. Try again? [y,n,i,f,?]: '), silence]);
        if (answer === null) throw this.#keep(failure);
        const choice = choices[answer.trim().toLowerCase()];
        if (choice) return choice;
        this.#context.warn(explanation);
      }
    } finally {
      answers.close();
    }
  }

  #keep({ code, message, hint, details, cause }: DomctlError): DomctlError {
    const { file, xml } = this.#subject;
    if (file.read() === xml) {
      file.remove();
      return new DomctlError(code, message, { hint: hint ?? undefined, details, cause });
    }
    const kept = `what you wrote is kept in ${file.path}`;
    return new DomctlError(code, message, {
      hint: hint === null ? kept : `${hint}; ${kept}`,
      details: { ...details, keptIn: file.path },
      cause,
    });
  }
}
