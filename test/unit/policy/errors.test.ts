import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { loadHostConfig, loadPolicy } from '../../../lib/policy/load.ts';
import { failure, operatorWith, shippedText } from './places.ts';

const head = 'kind: policy\nversion: 1\nname: mine\nextends: balanced\n';
const hostHead = 'kind: host\nversion: 1\n';

async function policyFailure(text: string | Uint8Array) {
  const places = operatorWith({ 'policies/mine.yaml': text });
  return await failure(loadPolicy('mine', places), places);
}

async function hostFailure(text: string) {
  const places = operatorWith({ 'host.yaml': text });
  return await failure(loadHostConfig(places), places);
}

test('a mistake is INVALID_POLICY, exit 7, with its place for programs', async () => {
  const places = operatorWith({ 'policies/mine.yaml': `${head}forceStart:\n  maxShortfal: 5%\n` });
  expect(await failure(loadPolicy('mine', places), places)).toEqual({
    code: 'INVALID_POLICY',
    exit: 7,
    message: 'policies/mine.yaml:6:3: forceStart.maxShortfal: unknown key',
    hint: 'did you mean forceStart.maxShortfall?',
    details: {
      file: join(places.configDir, 'policies/mine.yaml'),
      line: 6,
      column: 3,
      key: 'forceStart.maxShortfal',
    },
  });
});

describe('a policy file is refused, naming line, column and key, for', () => {
  // biome-ignore format: one case a line
  const cases: [string, string, string, string | RegExp | null][] = [
    ['an unknown key', 'nonsense: 1', '5:1: nonsense: unknown key', /^known keys here: kind, version/],
    ['a key in the wrong place', 'killAfter: 1s', '5:1: killAfter: unknown key', 'did you mean destroy.killAfter?'],
    ['a top key inside a section', 'brake: { name: x }', '5:10: brake.name: unknown key', 'did you mean name?'],
    ['a key named __proto__', '__proto__: {}', '5:1: __proto__: unknown key', /^known keys/],
    ['a __proto__ inside', 'brake: { __proto__: 1 }', '5:10: brake.__proto__: unknown key', /margin, onStall$/],
    ['a key that is a number', '7: x', '5:1: 7: unknown key', /^known keys/],
    ['a merge key', '<<: { a: 1 }', '5:1: <<: unknown key', /^known keys/],
    ['a key that is a list', '[a]: 1', '5:1: a key must be a plain word', null],
    ['a duplicate key', 'brake: { margin: auto, margin: auto }', '5:24: brake.margin: duplicate key', 'say it once'],
    ['a duplicate section', 'brake: {}\nbrake: {}', '6:1: brake: duplicate key', 'say it once'],
    ['a section that is a value', 'brake: auto', '5:8: brake: auto is not a mapping', 'keys of brake: margin, onStall'],
    ['a section left empty', 'brake:', '5:7: brake: an empty value is not a mapping', 'keys of brake: margin, onStall'],
    ['a duration without a unit', 'destroy: { killAfter: 5 }', '5:23: destroy.killAfter: 5 is not a duration', /such as '10s'/],
    ['a duration of a wrong unit', 'destroy: { killAfter: 5d }', '5:23: destroy.killAfter: 5d is not a duration', /ms, s, m or h/],
    ['a duration out of range', 'destroy: { killAfter: 999h }', '5:23: destroy.killAfter: 999h is not a duration', /up to 596h/],
    ['a limit of the wrong word', 'start: { queueTimeout: nevr }', "5:24: start.queueTimeout: nevr is not a duration or 'never'", 'did you mean never?'],
    ['never where it has no meaning', 'destroy: { killAfter: never }', '5:23: destroy.killAfter: never is not a duration', null],
    ['a stall after no time', 'teardown: { stalledAfter: 0s }', '5:27: teardown.stalledAfter: 0s is not a duration of at least 1ms', null],
    ['a size of a wrong unit', 'teardown: { minimumSize: 1GB }', '5:26: teardown.minimumSize: 1GB is not a size', /KiB, MiB, GiB or TiB/],
    ['a size out of range', 'teardown: { minimumSize: 9999TiB }', '5:26: teardown.minimumSize: 9999TiB is not a size', null],
    ['a rate of nothing', 'teardown: { gentleRate: 0GiB }', '5:25: teardown.gentleRate: 0GiB is not a size of at least 1KiB', null],
    ['a share without a unit', 'forceStart: { maxShortfall: 25 }', '5:29: forceStart.maxShortfall: 25 is not a size or a percentage', /'25%'/],
    ['a share above the whole', 'forceStart: { maxShortfall: 101% }', '5:29: forceStart.maxShortfall: 101% is not a size or a percentage', null],
    ['a percentage without its sign', 'forceStart: { maxPressure: 10 }', '5:28: forceStart.maxPressure: 10 is not a percentage', /'25%'/],
    ['a word for a boolean', 'forceStart: { allow: yes }', '5:22: forceStart.allow: yes is not true or false', 'write true or false'],
    ['a fraction for a count', 'forceStart: { maxPredecessors: 1.5 }', '5:32: forceStart.maxPredecessors: 1.5 is not an integer from 0 to 1000', null],
    ['a count below its range', 'forceStart: { maxPredecessors: -1 }', '5:32: forceStart.maxPredecessors: -1 is not an integer from 0 to 1000', 'allowed: 0 to 1000, no unit'],
    ['no threads', 'teardown: { threads: 0 }', "5:22: teardown.threads: 0 is not 'auto' or an integer from 1 to 1024", null],
    ['an unknown word', 'brake: { onStall: pause }', '5:19: brake.onStall: pause is not one of keep, kill-helper, stop-new', 'allowed: keep, kill-helper, stop-new'],
    ['a mistyped word', 'brake: { onStall: killhelper }', '5:19: brake.onStall: killhelper is not one of keep, kill-helper, stop-new', 'did you mean kill-helper?'],
    ['a list for a word', 'postcopyPaused: [freeze]', '5:17: postcopyPaused: a list is not one of freeze, keep-running', null],
    ['a mapping for a word', 'postcopyPaused: { a: 1 }', '5:17: postcopyPaused: a mapping is not one of freeze, keep-running', null],
    ['an unknown entry of a list', 'shutdown: { mode: [acpi, agnet] }', '5:26: shutdown.mode: agnet is not one of agent, acpi', 'did you mean agent?'],
    ['an entry said twice', 'shutdown: { mode: [acpi, acpi] }', '5:19: shutdown.mode: a list is not a list of different words among agent, acpi', null],
    ['an empty order', 'shutdown: { mode: [] }', '5:19: shutdown.mode: a list is not a list of different words among agent, acpi', null],
    ['a text with unprintable letters', 'postcopyPaused: "a\\nb"', '5:17: postcopyPaused: "a\\nb" is not one of freeze, keep-running', null],
    ['a syntax error', 'brake: [', '6:1: not valid YAML: Flow sequence in block collection must be sufficiently indented and end with a ]', null],
    ['a tag', 'postcopyPaused: !mode freeze', '5:17: not valid YAML: Unresolved tag: !mode', null],
    ['an alias', 'description: &d x\npostcopyPaused: *d', '6:17: postcopyPaused: aliases are not allowed', 'write the value out'],
    ['a second document', '---\na: 1', '5:1: not valid YAML: Source contains multiple documents; please use YAML.parseAllDocuments()', null],
    ['needless depth', 'brake: { margin: [[[[[1]]]]] }', '5:21: brake.margin: nested too deep', null],
    ['the first of several mistakes', 'brake: { onStall: x }\nnonsense: 1', '5:19: brake.onStall: x is not one of keep, kill-helper, stop-new', null],
    ['the first of several mistakes of any sort', 'nonsense: 1\nbrake: { onStall: x }', '5:1: nonsense: unknown key', null],
  ];
  test.each(cases)('%s', async (_, text, message, hint) => {
    const found = await policyFailure(`${head}${text}\n`);
    expect(found.message).toBe(`policies/mine.yaml:${message}`);
    if (typeof hint === 'string') expect(found.hint).toBe(hint);
    if (hint instanceof RegExp) expect(found.hint).toMatch(hint);
  });
});

describe('the head of a policy file', () => {
  const cases: [string, string, string][] = [
    ['is required', 'forceStart: { allow: true }', '1:1: kind: missing key'],
    ['has the kind of its place', 'kind: host\nversion: 1\nname: mine', '1:7: kind: host is not policy'],
    ['has a known version', 'kind: policy\nversion: 2\nname: mine', '2:10: version: 2 is not 1'],
    ['has a name', 'kind: policy\nversion: 1', '1:1: name: missing key'],
    ["has the file's name", 'kind: policy\nversion: 1\nname: yours', "3:7: name: yours is not the file's name"],
    ['has no path for a name', 'kind: policy\nversion: 1\nname: ../x', '3:7: name: ../x is not a policy name'],
    ['stands at the top of a mapping', '- kind: policy', '1:1: the file must be a mapping of keys to values'],
    ['is not missing', '# nothing\n', '1:1: the file is empty'],
    ['is YAML 1.2', '%YAML 1.1\n---\nkind: policy', '1:1: YAML 1.1 is not supported'],
  ];
  test.each(cases)('%s', async (_, text, message) => {
    expect((await policyFailure(text)).message).toBe(`policies/mine.yaml:${message}`);
  });
});

describe('extends', () => {
  const extending = (base: string) => `kind: policy\nversion: 1\nname: mine\nextends: ${base}\n`;

  test('without it every missing key is named', async () => {
    const text = shippedText('strict.yaml')
      .replace('strict', 'mine')
      .replace(/^ {2}(?:killAfter|threads).*\n/gm, '');
    const found = await policyFailure(text);
    expect(found.message).toBe('policies/mine.yaml:5:1: destroy.killAfter, teardown.threads: missing keys');
    expect(found.hint).toBe("add 'extends: balanced' to inherit what is left out");
  });

  test('cannot name the policy itself', async () => {
    expect((await policyFailure(extending('mine'))).message).toBe(
      'policies/mine.yaml:4:10: extends: a policy cannot extend itself',
    );
  });

  test('reaches one level only', async () => {
    const other = extending('strict').replace('mine', 'other');
    const places = operatorWith({ 'policies/mine.yaml': extending('other'), 'policies/other.yaml': other });
    const found = await failure(loadPolicy('mine', places), places);
    expect(found.message).toBe(
      'policies/mine.yaml:4:10: extends: other extends strict already, and only one level is allowed',
    );
    expect(found.hint).toBe('extend strict directly');
  });

  test('names a policy that exists', async () => {
    const found = await policyFailure(extending('balancd'));
    expect(found.message).toBe(
      "policies/mine.yaml:4:10: extends: no policy is named 'balancd': looked for policies/balancd.yaml and shipped/balancd.yaml",
    );
    expect(found.hint).toBe('did you mean balanced? known policies: balanced, mine, restart-first, strict');
  });

  test('names a policy that is complete by itself', async () => {
    const places = operatorWith({
      'policies/mine.yaml': extending('other'),
      'policies/other.yaml': shippedText('strict.yaml')
        .replace('strict', 'other')
        .replace(/^postcopy.*\n/m, ''),
    });
    const found = await failure(loadPolicy('mine', places), places);
    expect(found.message).toBe('policies/other.yaml:5:1: postcopyPaused: missing key');
  });

  test('passes on the mistakes of the file it names', async () => {
    const places = operatorWith({ 'policies/mine.yaml': extending('strict'), 'policies/strict.yaml': 'kind: [' });
    expect((await failure(loadPolicy('mine', places), places)).message).toMatch(
      /^policies\/strict\.yaml:1:8: not valid YAML/,
    );
  });
});

describe('host.yaml is refused, naming line, column and key, for', () => {
  // biome-ignore format: one case a line
  const cases: [string, string, string, string | null][] = [
    ['too much overcommit', 'capacity: { overcommit: 9 }', '3:25: capacity.overcommit: 9 is not a number from 0.1 to 4', 'allowed: 0.1 to 4, no unit'],
    ['overcommit without an end', 'capacity: { overcommit: .inf }', '3:25: capacity.overcommit: Infinity is not a number from 0.1 to 4', null],
    ['a reserve below 1 GiB', 'capacity: { reserve: 512MiB }', '3:22: capacity.reserve: 512MiB is not a size of at least 1GiB or a percentage', null],
    ['someone who is no name', 'security:\n  control:\n    - root\n    - a b', '6:7: security.control: "a b" is not a user or group:NAME', 'write a list such as [root, "group:domctl"]'],
    ['one name where a list belongs', 'security: { forceStart: root }', '3:25: security.forceStart: root is not a list of users and group:NAME', null],
    ['an unknown audience', 'security: { observe: nobody }', "3:22: security.observe: nobody is not 'everyone' or a list of users and group:NAME", null],
    ['a policy that is a path', 'defaultPolicy: ../strict', '3:16: defaultPolicy: ../strict is not a policy name', null],
    ['a policy list with a path', 'allowedPolicies: [strict, a/b]', '3:27: allowedPolicies: a/b is not a policy name', null],
    ['a key of a policy', 'forceStart: { allow: true }', '3:1: forceStart: unknown key', 'did you mean security.forceStart?'],
  ];
  test.each(cases)('%s', async (_, text, message, hint) => {
    const found = await hostFailure(`${hostHead}${text}\n`);
    expect(found.message).toBe(`host.yaml:${message}`);
    if (hint !== null) expect(found.hint).toBe(hint);
  });

  test('the kind of a policy', async () => {
    expect((await hostFailure('kind: policy\nversion: 1\n')).message).toBe('host.yaml:1:7: kind: policy is not host');
  });
});
