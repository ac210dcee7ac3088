/** Commands of tests in a lab, to their end. */
import { PassThrough } from 'node:stream';
import { describe } from 'vitest';
import type { Command, End } from './channel.ts';
import type { Lab } from './machine.ts';

/** Without it nothing can be mounted for the lab alone. */
export const describeLab = (name: string, body: () => void): void => {
  if (process.getuid?.() === 0) describe(name, body);
  else describe.skip(`${name} (skipped: needs root to mount)`, body);
};

/** How a command in a lab ended, with all that it printed. */
export interface Ended extends End {
  readonly stdout: string;
  readonly stderr: string;
}

export async function runIn(lab: Lab, argv: readonly string[], how: Partial<Command> = {}): Promise<Ended> {
  const [out, err] = [collector(), collector()];
  const end = await lab.run(argv, { stdout: out.stream, stderr: err.stream }, how).end;
  return { ...end, stdout: out.text(), stderr: err.text() };
}

export async function shellIn(lab: Lab, script: string): Promise<Ended> {
  return runIn(lab, ['sh', '-c', script]);
}

export function collector(): { stream: PassThrough; text: () => string } {
  const chunks: Buffer[] = [];
  const stream = new PassThrough();
  stream.on('data', (chunk: Buffer) => chunks.push(chunk));
  return { stream, text: () => Buffer.concat(chunks).toString() };
}
