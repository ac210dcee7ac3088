/**
 * The policy named in `<metadata>`: `<policy xmlns='urn:domctl:policy:1' name='restart-first'/>`.
 * Everything else in `<metadata>` belongs to others and is not looked at.
 */
import type { XmlElement } from './document.ts';
import { quote, type Problem } from './problems.ts';
import { policyName } from './values.ts';

/** Namespace of domctl's own element in `<metadata>`. */
export const policyNamespace = 'urn:domctl:policy:1';

/** The policy's name, null when none is named, and what is wrong with the way it is named. */
export function readPolicy(metadata: XmlElement | null): { name: string | null; problems: readonly Problem[] } {
  if (metadata === null) return { name: null, problems: [] };
  const [policy, second] = metadata.children.filter(isPolicy);
  const problems = strays(metadata, metadata);
  if (second !== undefined) problems.push(problem(second, 'a second policy is named', 'keep one of them'));
  if (policy === undefined) return { name: null, problems };
  return { name: nameOf(policy)?.value ?? null, problems: [...problems, ...whatIsWrong(policy)] };
}

function isPolicy({ namespace, name }: XmlElement): boolean {
  return namespace === policyNamespace && name.split(':').at(-1) === 'policy';
}

/** Elements of our namespace that would otherwise be overlooked: misspelt, or too deep. */
function strays(element: XmlElement, metadata: XmlElement): Problem[] {
  return element.children.flatMap((child) => {
    const isStray = child.namespace === policyNamespace && !(element === metadata && isPolicy(child));
    const hint = `write <policy xmlns='${policyNamespace}' name='restart-first'/> directly in <metadata>`;
    const own = isStray ? [problem(child, `${quote(child.name)} of domctl's namespace is not known here`, hint)] : [];
    return [...own, ...strays(child, metadata)];
  });
}

function nameOf(policy: XmlElement): XmlElement['attributes'][number] | undefined {
  return policy.attributes.find(({ name }) => name === 'name');
}

function whatIsWrong(policy: XmlElement): Problem[] {
  const problems = policy.attributes
    .filter(({ name }) => name !== 'name')
    .map(({ name, position }) =>
      problem({ position, path: `${policy.path}/@${name}` }, 'a policy is chosen by name only', 'remove the attribute'),
    );
  const given = nameOf(policy);
  const read = policyName.read(given?.value ?? '');
  if (given === undefined)
    problems.push(problem(policy, 'the attribute name is missing', "write name='restart-first'"));
  else if ('refused' in read) {
    const at = { position: given.position, path: `${policy.path}/@name` };
    problems.push(problem(at, `${quote(given.value)} ${read.refused}`, `write for example ${policyName.example}`));
  }
  const isEmpty = policy.children.length === 0 && policy.text.trim() === '';
  if (!isEmpty) problems.push(problem(policy, 'a policy element is empty', 'remove what stands in it'));
  return problems;
}

function problem(at: Pick<Problem, 'position' | 'path'>, message: string, hint: string): Problem {
  return { kind: 'invalid', position: at.position, path: at.path, message, hint };
}
