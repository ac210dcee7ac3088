/**
 * Completion of the shells: which names go where, and the scripts that ask. Words and options are yargs'. Must be fast, and
 * must not start a daemon: without one, names are those of the definitions on disk.
 */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { connectRunning } from '../client/autostart.ts';
import type { DomainRow } from '../client/contract.ts';
import { isDaemonAlive } from '../client/systemd.ts';
import { unescapeName } from '../domain/names.ts';
import { type Places, packageDir } from '../places.ts';

/** Which domains a verb can be asked of. */
type Wanted = 'any' | 'active' | 'inactive';

const wantedBy: Readonly<Record<string, Wanted>> = {
  start: 'inactive',
  'force-start': 'inactive',
  shutdown: 'active',
  destroy: 'active',
  reboot: 'active',
  reset: 'active',
  suspend: 'active',
  resume: 'active',
  console: 'active',
  save: 'active',
  domid: 'active',
  'qemu-monitor-command': 'active',
};

/** Words of domains in which nothing runs. */
const inactive: ReadonlySet<string> = new Set(['shut off', 'draining']);

/** Names for the argument after `typed`, by the verb's usage; empty where none belong. */
export async function namesFor(usage: string, typed: readonly string[], places: Places): Promise<string[]> {
  const [verb = ''] = usage.split(' ');
  const found = [
    ...(/[<[](domain|source)\b/.test(usage) ? await domains(places, wantedBy[verb] ?? 'any') : []),
    ...(verb === 'policy' ? policies(places) : []),
  ];
  return found.filter((name) => !typed.includes(name));
}

async function domains(places: Places, wanted: Wanted): Promise<string[]> {
  if (!isDaemonAlive(places)) return wanted === 'active' ? [] : definedNames(places);
  const client = await connectRunning(places);
  const rows = client ? await client.list() : [];
  return rows.filter((row) => isWanted(row, wanted)).map(({ name }) => name);
}

function isWanted({ state }: DomainRow, wanted: Wanted): boolean {
  return wanted === 'any' || inactive.has(state) === (wanted === 'inactive');
}

/** As the daemon stores them: one file a domain, by its escaped name. */
function definedNames(places: Places): string[] {
  return filesOf(join(places.stateDir, 'domains'), '.xml').map(unescapeName);
}

/** The operator's and the shipped ones. */
function policies(places: Places): string[] {
  const directories = [join(places.configDir, 'policies'), join(packageDir(), 'policies')];
  const all = directories.flatMap((directory) => filesOf(directory, '.yaml'));
  return [...new Set(all)].filter((name) => name !== 'host');
}

/** Names without their ending; none where the directory cannot be read. */
function filesOf(directory: string, ending: string): string[] {
  try {
    const files = readdirSync(directory).filter((file) => file.endsWith(ending));
    return files.map((file) => file.slice(0, -ending.length));
  } catch {
    return [];
  }
}

/** What the scripts ask with: the words typed so far follow, the last one unfinished. */
export const completionFlag = '--get-yargs-completions';

/** A word in quotes is offered as it is, for the shell to close; any other with what the shell would take for its own escaped. */
const bash = `# domctl completion for bash: source <(domctl completion bash)
_domctl() {
    local cur=\${COMP_WORDS[COMP_CWORD]} word quoted
    local -a words
    mapfile -t words < <(SHELL=bash domctl ${completionFlag} "\${COMP_WORDS[@]:0:COMP_CWORD+1}" 2>/dev/null)
    COMPREPLY=()
    for word in "\${words[@]}"; do
        if [[ $cur == [\\'\\"]* ]]; then quoted=$word; else printf -v quoted %q "$word"; fi
        [[ $quoted == "\${cur#[\\'\\"]}"* ]] && COMPREPLY+=("$quoted")
    done
}
complete -o bashdefault -o default -F _domctl domctl
`;

/** Found as \`_domctl\` in $fpath, or sourced. */
const zsh = `#compdef domctl
# domctl completion for zsh: source <(domctl completion zsh), or this text as _domctl in a directory of $fpath
_domctl() {
    local -a found
    found=("\${(@f)$(SHELL=zsh domctl ${completionFlag} "\${(@Q)words[1,CURRENT]}" 2>/dev/null)}")
    found=("\${(@)found:#}")
    if (( $#found )); then _describe -o 'domctl' found; else _default; fi
}
if [[ $zsh_eval_context[-1] == loadautofunc ]]; then _domctl "$@"; else compdef _domctl domctl; fi
`;

export const completionScripts = { bash, zsh } as const;
