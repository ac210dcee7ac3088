/** Command lines as libvirt's test data has them: a shell's words over several lines, environment first. */

/** Words of a POSIX shell's line: blanks, line ends after a backslash, quotes of both kinds. */
export function shellWords(text: string): string[] {
  const words = text.replaceAll('\\\n', ' ').match(/(?:'[^']*'|"(?:\\.|[^"\\])*"|\\.|[^\s'"\\])+/g) ?? [];
  return words.map((word) =>
    word.replaceAll(/'([^']*)'|"((?:\\.|[^"\\])*)"|\\(.)/g, (_all, single?: string, double?: string, one?: string) => {
      return single ?? double?.replaceAll(/\\([\\"$`])/g, '$1') ?? one ?? '';
    }),
  );
}

/** A line of variables, program and arguments, taken apart. */
export interface Command {
  readonly environment: ReadonlyMap<string, string>;
  readonly program: string;
  readonly args: readonly string[];
}

export function readCommand(text: string): Command {
  const words = shellWords(text);
  const start = words.findIndex((word) => !/^\w+=/.test(word));
  const pairs = words.slice(0, start).map((word): [string, string] => {
    const at = word.indexOf('=');
    return [word.slice(0, at), word.slice(at + 1)];
  });
  return { environment: new Map(pairs), program: words[start] ?? '', args: words.slice(start + 1) };
}
