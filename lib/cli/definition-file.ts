/** Domain XML from a file or standard input, as define and create read it. */
import { createReadStream } from 'node:fs';
import { DomctlError, isErrno } from '../errors.ts';
import { standardInput } from './options.ts';

/** One byte more than a definition may have: enough for the daemon to refuse what is too long, whatever its size. */
const longestBytes = 1024 * 1024 + 1;

/** The name of the text in errors. */
export function describeSource(file: string): string {
  return file === standardInput ? 'standard input' : file;
}

/** The whole text, cut where it is too long to be accepted. Throws FAILED. */
export async function readText(file: string): Promise<string> {
  const chunks: Buffer[] = [];
  let length = 0;
  try {
    for await (const chunk of file === standardInput ? process.stdin : createReadStream(file)) {
      chunks.push(chunk as Buffer);
      length += (chunk as Buffer).length;
      if (length >= longestBytes) break;
    }
  } catch (error) {
    const why = isErrno(error, 'ENOENT') ? 'no such file' : isErrno(error, 'EISDIR') ? 'is a directory' : String(error);
    throw new DomctlError('FAILED', `${file}: ${why}`, { cause: error });
  }
  return Buffer.concat(chunks).toString('utf8', 0, longestBytes);
}
