import { join } from 'node:path';
import type { Client } from '../../client/client.ts';
import type { StartAnswer } from '../../client/contract.ts';
import { errorEnvelope } from '../../client/envelope.ts';
import { asDomctlError, DomctlError } from '../../errors.ts';
import { packageDir, type Places } from '../../places.ts';
import { type Context, defineVerb, describeFailure, forEachDomain } from '../command.ts';
import { renderExplanation, renderPolicies } from '../render/policy.ts';

export const policy = defineVerb({
  usage: 'policy <action> [what..]',
  describe: 'List, show and check policies, or explain what the policy of a domain says and would decide now',
  examples: [
    ['domctl policy list', 'names, origin, whether XML may name it, the default with a star'],
    ['domctl policy show balanced', 'the whole of it as YAML, what it extends filled in'],
    ['domctl policy check', 'host.yaml and every policy; a name or a file checks that one (exit 7: invalid)'],
    ['domctl policy explain db1', 'every value with its file and line, and the verdict on a start now'],
  ],
  build: (yargs) =>
    yargs
      .positional('action', {
        choices: ['list', 'show', 'check', 'explain'] as const,
        demandOption: true,
        describe: 'What to do',
      })
      .positional('what', {
        type: 'string',
        array: true,
        default: [] as string[],
        describe: 'show: names; check: names or files; explain: domains',
      }),
  run: async ({ action, what }, context) => actions[action](what, context),
});

/** Loaded by those who need it: it reads YAML. */
async function inspecting(context: Context) {
  return { inspect: await import('../../policy/inspect.ts'), places: policyPlaces(context.places) };
}

function policyPlaces({ configDir }: Places): { configDir: string; shippedDir: string } {
  return { configDir, shippedDir: join(packageDir(), 'policies') };
}

const actions = { list, show, check, explain };

async function list(what: readonly string[], context: Context): Promise<number> {
  if (what.length > 0) throw new DomctlError('USAGE', `policy list takes no '${what.join(' ')}'`);
  const { inspect, places } = await inspecting(context);
  const rows = await inspect.surveyPolicies(places);
  context.say(renderPolicies(rows).trimEnd());
  context.answer(rows);
  return 0;
}

async function show(names: readonly string[], context: Context): Promise<number> {
  demandSome(names, 'show', 'the name of a policy');
  const { inspect, places } = await inspecting(context);
  return forEachDomain(names, context, async (name) => {
    const { data, yaml } = await inspect.showPolicy(name, places);
    context.say(yaml.trimEnd());
    context.answer(data);
    return 0;
  });
}

async function check(what: readonly string[], context: Context): Promise<number> {
  const { inspect, places } = await inspecting(context);
  const files =
    what.length === 0
      ? await inspect.checkEverything(places)
      : await Promise.all(what.map(async (one) => inspect.checkOne(one, places)));
  for (const { file, error } of files) {
    if (error === null) context.say(`${file}: valid`);
    else process.stderr.write(describeFailure(error));
  }
  const codes = files.map(({ error }) => error?.exit ?? 0);
  context.answer({
    valid: Math.max(...codes) === 0,
    files: files.map(({ file, error }) => ({ file, error: error && errorEnvelope(error).error })),
  });
  return Math.max(...codes);
}

async function explain(domains: readonly string[], context: Context): Promise<number> {
  demandSome(domains, 'explain', 'a domain');
  const client = await context.connect();
  return forEachDomain(domains, context, async (domain) => {
    const explanation = await client.policy(domain);
    const start = await tryStart(client, explanation.name, false);
    const forceStart = await tryStart(client, explanation.name, true);
    context.say(renderExplanation(explanation, { start, forceStart }).trimEnd());
    context.answer({ ...explanation, start: prospect(start), forceStart: prospect(forceStart) });
    return 0;
  });
}

/** What it would come to now: the answer of a dry run, or what keeps it from being decided at all. */
async function tryStart(client: Client, domain: string, force: boolean): Promise<StartAnswer | DomctlError> {
  try {
    return await client.start(domain, { force, dryRun: true });
  } catch (error) {
    return asDomctlError(error);
  }
}

function prospect(answer: StartAnswer | DomctlError): unknown {
  return answer instanceof DomctlError ? { admitted: false, refusal: errorEnvelope(answer).error } : answer;
}

function demandSome(what: readonly string[], action: string, missing: string): void {
  if (what.length === 0) throw new DomctlError('USAGE', `policy ${action}: ${missing} is missing`);
}
