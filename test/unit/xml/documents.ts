/** Small documents, and what is said of one that is refused. */
import { DomctlError } from '../../../lib/errors.ts';
import { parseDomain } from '../../../lib/xml/parse.ts';
import { countingOptions } from './generate.ts';

/** A whole definition, with `inside` from its fifth line on. */
export function domain(inside: string): string {
  return `<domain type='qemu'>\n<name>vm</name>\n<memory>1024</memory>\n<os><type>hvm</type></os>\n${inside}</domain>`;
}

/** Throws when the text is not refused. */
export function refusal(text: string, allowUnsupported = false, file = 'vm.xml'): DomctlError {
  try {
    parseDomain(text, countingOptions(file, allowUnsupported));
  } catch (error) {
    if (error instanceof DomctlError) return error;
    throw error;
  }
  throw new Error(`${file} is not refused`);
}
