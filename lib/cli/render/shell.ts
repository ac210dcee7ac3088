/** A command line as a shell takes it. */

/** One word: as it is where no shell reads anything into it, else in quotes; with controls in it, in those that spell them. */
function shellWord(word: string): string {
  if (/\p{Cc}/u.test(word)) return `$'${[...word].map(spelled).join('')}'`;
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}

function spelled(character: string): string {
  if (/\p{Cc}/u.test(character)) return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
  return character === "'" || character === '\\' ? `\\${character}` : character;
}

/** `NAME=value program argument…`, on one line. */
export function renderCommand(argv: readonly string[], environment: Readonly<Record<string, string>>): string {
  const variables = Object.entries(environment).map(([name, value]) => `${name}=${shellWord(value)}`);
  return [...variables, ...argv.map(shellWord)].join(' ');
}
