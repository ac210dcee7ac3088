/** The policy a domain is under, value by value. What it would decide now is a dry run's to say: starting.ts. */
import type { PolicyExplanation } from '../client/contract.ts';
import type { Places } from '../places.ts';
import { explainValues } from '../policy/explain.ts';
import { loadPolicy } from '../policy/load.ts';
import type { Entry } from './fleet.ts';
import { policyPlaces, readHostConfig } from './host-config.ts';

/** Read afresh from the files, as a start would. Throws INVALID_POLICY. */
export async function explainPolicy(entry: Entry, places: Places): Promise<PolicyExplanation> {
  const { value: host } = await readHostConfig(places);
  const named = entry.definition?.policy ?? null;
  const policy = await loadPolicy(named ?? host.defaultPolicy, policyPlaces(places));
  return {
    name: entry.name,
    policy: policy.value.name,
    chosenBy: named === null ? 'host.yaml' : 'xml',
    allowed: named === null || host.allowedPolicies.includes(named),
    values: explainValues(policy),
    launchedWith: entry.supervisors.map(({ launch }) => ({ id: launch.id, policy: launch.policy })),
  };
}
