/**
 * Texts that somebody might give for a definition, good, bad and hostile: real ones with cuts and inserts, and trees of the
 * elements domctl knows with values from anywhere. The same seed gives the same text.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { table } from '../../lib/xml/properties.ts';
import { Random } from './random.ts';

const documents = ['../fixtures/domain-xml/', '../fixtures/corpus/'].flatMap((name) => {
  const directory = new URL(name, import.meta.url);
  const files = readdirSync(directory).filter((file) => file.endsWith('.xml'));
  return files.sort().map((file) => readFileSync(new URL(file, directory), 'utf8'));
});

const snippets = [
  ...'<>&\'"/=!?- \n:\u0000\u0001\uFEFF\uD800',
  ...documents.flatMap((document) => document.match(/<[^>]+>|'[^']*'/g) ?? []),
  '<!DOCTYPE a [<!ENTITY b "c">]>',
  '<!DOCTYPE a [<!ENTITY b "cc"><!ENTITY c "&b;&b;&b;">]>&c;',
  '<![CDATA[ x ]]>',
  '&amp;',
  '&b;',
  '&#10;',
  '&#x0;',
  '&#99999999;',
  '<!-- -->',
  '<?pi?>',
  "xmlns='urn:x'",
  "xmlns:p='urn:domctl:policy:1'",
  '<p:policy/>',
  '<__proto__/>',
  '<constructor toString="1"/>',
  '<a>'.repeat(70),
  'x'.repeat(5000),
];

/** Values that a careless reader trips over. */
const oddValues = [
  '',
  ' ',
  '-1',
  '0',
  '0x10',
  '1e9',
  '18446744073709551616',
  '٣',
  '../x',
  '/',
  'a,b',
  '%s',
  '\t',
  '__proto__',
];

/** A text of that seed: half of them real ones that were mangled, half grown. */
export function hostileText(seed: number): string {
  const random = new Random(seed);
  return random.chance(0.5) ? mangled(random) : grown(random);
}

function mangled(random: Random): string {
  let text = random.pick(documents);
  for (let edits = 1 + random.below(4); edits > 0; edits -= 1) {
    text = random.chance(0.7) ? exchanged(text, random) : cut(text, random);
  }
  return text;
}

/** Another value for one attribute: the text stays XML, and often a definition. */
function exchanged(text: string, random: Random): string {
  const found = [...text.matchAll(/([\w:-]+)='[^'<&]*'/g)];
  if (found.length === 0) return text;
  const { 0: whole, 1: name = '', index } = random.pick(found);
  return `${text.slice(0, index)}${name}='${valueOf(name, random)}'${text.slice(index + whole.length)}`;
}

function cut(text: string, random: Random): string {
  const start = random.below(text.length + 1);
  const length = random.chance(0.5) ? random.below(80) : 0;
  const insert = random.chance(0.7) ? random.pick(snippets) : '';
  return text.slice(0, start) + insert + text.slice(start + length);
}

interface Known {
  /** It has a text of its own. */
  hasText: boolean;
  readonly children: Set<string>;
  readonly attributes: Set<string>;
}

/** What the table has below each path, without what tells variants apart. */
const known = new Map<string, Known>();
for (const [key, { reader }] of Object.entries(table)) {
  const steps = key
    .replaceAll(/\[[^\]]*\]/g, '')
    .split('/')
    .slice(1);
  steps.forEach((step, index) => {
    const parent = entry(`/${steps.slice(0, index).join('/')}`);
    if (step.startsWith('@')) parent.attributes.add(step.slice(1));
    else parent.children.add(step);
  });
  if (!key.includes('/@')) entry(`/${steps.join('/')}`).hasText ||= reader !== null;
}

function entry(path: string): Known {
  const found = known.get(path) ?? { hasText: false, children: new Set(), attributes: new Set() };
  known.set(path, found);
  return found;
}

/** Values of the attribute, or texts of the element, of that name in real definitions. */
const seen = new Map<string, string[]>();
for (const document of documents) {
  for (const [, name = '', value = ''] of document.matchAll(/([\w:-]+)=['"]([^'"<&]*)['"]/g)) note(name, value);
  for (const [, name = '', value = ''] of document.matchAll(/<([\w:-]+)[^>]*>([^<&]+)<\//g)) note(name, value);
}

function note(name: string, value: string): void {
  const values = seen.get(name);
  if (values) values.push(value);
  else seen.set(name, [value]);
}

function grown(random: Random): string {
  return element('domain', '/domain', random, 0);
}

const deepest = 8;

function element(name: string, path: string, random: Random, depth: number): string {
  const { hasText, children, attributes } = entry(path);
  const own = [...attributes].filter(() => random.chance(0.6)).map((each) => ` ${each}='${valueOf(each, random)}'`);
  const odd = random.chance(0.02) ? ` ${random.pick([...seen.keys()])}='x'` : '';
  const inside = depth < deepest ? inner([...children], path, random, depth) : '';
  const text = hasText || random.chance(0.01) ? valueOf(name, random) : '';
  return `<${name}${own.join('')}${odd}>${text}${inside}</${name}>`;
}

/** What a domain must have is nearly always there, or nothing but that would ever be found missing. */
const always = new Set(['name', 'memory', 'os', 'type', 'devices']);

function inner(names: readonly string[], path: string, random: Random, depth: number): string {
  const share = path === '/domain/devices' ? 0.25 : 0.3;
  const chosen = names.filter((name) => random.chance(always.has(name) ? 0.97 : share));
  const twice = chosen.flatMap((name) => (random.chance(0.1) ? [name, name] : [name]));
  return twice.map((name) => element(name, `${path}/${name}`, random, depth + 1)).join('');
}

function valueOf(name: string, random: Random): string {
  const values = seen.get(name);
  if (values && random.chance(0.9)) return random.pick(values);
  return random.chance(0.7) ? random.pick(oddValues) : random.pick(random.pick([...seen.values()]));
}
