import { defineVerb } from '../command.ts';
import { countVerdicts, renderSections } from '../render/doctor.ts';

/** As HOST_LACKS. */
const hostLacks = 8;

export const doctor = defineVerb({
  usage: 'doctor',
  describe: 'Check everything domctl needs of this host, with a remedy for what is missing; runs without the daemon',
  examples: [
    ['domctl doctor', 'every requirement: PASS, WARN or FAIL'],
    ['domctl doctor | grep -A1 ^FAIL', 'only what keeps virtual machines from running'],
  ],
  build: (yargs) => yargs,
  async run(_options, context) {
    // Loaded here: whoever asks the daemon should not wait for all that only the doctor reads with.
    const { examineHost } = await import('../../doctor/examine.ts');
    const sections = await examineHost(context.places);
    const counts = countVerdicts(sections);
    context.say(renderSections(sections).trimEnd());
    context.answer({
      healthy: counts.FAIL === 0,
      passed: counts.PASS,
      warnings: counts.WARN,
      failed: counts.FAIL,
      findings: sections.flatMap(({ group, findings }) => findings.map((finding) => ({ group, ...finding }))),
    });
    return counts.FAIL === 0 ? 0 : hostLacks;
  },
});
