import { completionScripts } from '../completion.ts';
import { defineVerb } from '../command.ts';

export const completion = defineVerb({
  usage: 'completion [shell]',
  describe: 'Print a completion script: source <(domctl completion)',
  examples: [
    ['source <(domctl completion)', 'in this shell, whichever it is'],
    ['domctl completion zsh > /usr/local/share/zsh/site-functions/_domctl', 'for everyone'],
  ],
  build: (yargs) =>
    yargs.positional('shell', {
      choices: ['bash', 'zsh'] as const,
      default: process.env['SHELL']?.endsWith('zsh') ? ('zsh' as const) : ('bash' as const),
      defaultDescription: 'by $SHELL',
      describe: 'Of which shell',
    }),
  run: async ({ shell }, context) => {
    context.say(completionScripts[shell].trimEnd());
    context.answer({ shell, script: completionScripts[shell] });
    return 0;
  },
});
