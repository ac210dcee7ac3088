/**
 * Text for a person's terminal. A message may quote a hypervisor, a file name, or another program's name for itself: what would
 * drive the terminal, or show a line other than it is, must not get there.
 */

/** Controls of ASCII and Latin-1 but for line feed and tab, separators of lines, and what turns the direction of writing. */
const driving = /[^\P{Cc}\n\t]|[\p{Zl}\p{Zp}\p{Bidi_Control}]/gu;

/** Each of those is shown as `?`. */
export function printable(text: string): string {
  return text.replace(driving, '?');
}

/** In XML each can be written as what it stands for, and is read as what it was. */
export function asReferences(xml: string): string {
  return xml.replace(driving, (found) => `&#${found.codePointAt(0)};`);
}

/** In JSON likewise. */
export function asEscapes(json: string): string {
  return json.replace(driving, (found) => `\\u${found.charCodeAt(0).toString(16).padStart(4, '0')}`);
}
