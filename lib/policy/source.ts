/**
 * The text of a policy file as data, with the place of every key and value. The only user of the YAML library.
 * Owns: YAML, and what of YAML is refused (aliases, tags, several documents, depth). Must not know: which keys exist.
 */
import { isAlias, isMap, isScalar, isSeq, LineCounter, type Node, type Pair, parseDocument, stringify } from 'yaml';
import { invalidPolicy, type Position } from './problem.ts';

/** A path into the data: keys, and indices of lists. */
export type Path = readonly PropertyKey[];

/** A file that was read: its data, and where things stand in it. */
export interface Source {
  readonly file: string;
  readonly data: Readonly<Record<string, unknown>>;
  /** Place of the key (of the entry, in a list) at `path`; undefined when the file does not say it. */
  keyAt(path: Path): Position | undefined;
  /** Place of the value at `path`; undefined when the file does not say it. */
  valueAt(path: Path): Position | undefined;
}

interface Place {
  readonly key: Position;
  readonly value: Position;
}

/** What is carried through the walk over one document. */
interface Walk {
  readonly file: string;
  readonly lines: LineCounter;
  readonly places: Map<string, Place>;
}

const start: Position = { line: 1, column: 1 };
const deepest = 4;

/** The data of a policy file's text; INVALID_POLICY when it is not one YAML mapping of plain values. */
export function readSource(text: string, file: string): Source {
  const lines = new LineCounter();
  const root = parseRoot(text, file, lines);
  if (root === null) throw invalidPolicy({ file, at: start, what: 'the file is empty' });
  const walk: Walk = { file, lines, places: new Map() };
  if (!isMap(root)) throw refuse(walk, root, [], 'the file must be a mapping of keys to values');
  const data = toData(root, [], walk) as Record<string, unknown>;
  const place = (path: Path): Place | undefined => walk.places.get(placeKey(path));
  return { file, data, keyAt: (path) => place(path)?.key, valueAt: (path) => place(path)?.value };
}

/** Data as the text of a file. */
export function yamlOf(data: Readonly<Record<string, unknown>>): string {
  return stringify(data, { lineWidth: 0 });
}

/** A value on one line, as a file would write it. */
export function inlineYaml(value: unknown): string {
  if (typeof value === 'string') return stringify(value, { lineWidth: 0 }).trimEnd();
  return stringify(value, { collectionStyle: 'flow', lineWidth: 0, flowCollectionPadding: false }).trimEnd();
}

/** What a text says it is, in its key `kind`; null when it says neither, or is not YAML. */
export function fileKind(text: string): 'host' | 'policy' | null {
  const kind = /^kind:[ \t]*["']?(host|policy)\b/m.exec(text)?.[1];
  return kind === 'host' || kind === 'policy' ? kind : null;
}

/** A path as people write it: keys joined by dots, the index of a list's entry left out. */
export function dotted(path: Path): string {
  const keys = path.filter((part) => typeof part !== 'number');
  return keys.map((key) => clip(String(key))).join('.');
}

function parseRoot(text: string, file: string, lines: LineCounter): Node | null {
  const document = parseAny(text, file, lines);
  const complaint = document.errors[0] ?? document.warnings[0];
  const { version } = document.directives.yaml;
  if (version === '1.1')
    throw invalidPolicy({ file, at: start, what: 'YAML 1.1 is not supported', hint: 'write YAML 1.2' });
  if (complaint === undefined) return document.contents;
  const at = position(lines, complaint.pos[0]);
  throw invalidPolicy({ file, at, what: `not valid YAML: ${complaint.message}`, cause: complaint });
}

/** The library recurses: a text of brackets alone exhausts the stack, which is a fault of the text. */
function parseAny(text: string, file: string, lines: LineCounter) {
  try {
    return parseDocument(text, { lineCounter: lines, prettyErrors: false, uniqueKeys: false });
  } catch (cause) {
    throw invalidPolicy({ file, at: start, what: 'not valid YAML: nested too deep to be read', cause });
  }
}

function toData(node: Node | null, path: Path, walk: Walk): unknown {
  if (node === null) return null;
  if (isAlias(node)) throw refuse(walk, node, path, 'aliases are not allowed', 'write the value out');
  if (path.length > deepest) throw refuse(walk, node, path, 'nested too deep');
  if (isMap<Node, Node | null>(node)) return mappingData(node.items, path, walk);
  if (isSeq<Node>(node)) return node.items.map((item, index) => entryData(item, [...path, index], walk));
  return isScalar(node) ? node.value : null;
}

function mappingData(pairs: readonly Pair<Node, Node | null>[], path: Path, walk: Walk): Record<string, unknown> {
  const entries = pairs.map((pair): [string, unknown] => {
    const inner = [...path, keyText(pair.key, path, walk)];
    if (walk.places.has(placeKey(inner))) throw refuse(walk, pair.key, inner, 'duplicate key', 'say it once');
    const key = positionOf(walk, pair.key);
    walk.places.set(placeKey(inner), { key, value: pair.value === null ? key : positionOf(walk, pair.value) });
    return [String(inner.at(-1)), toData(pair.value, inner, walk)];
  });
  return Object.fromEntries(entries);
}

function entryData(item: Node, path: Path, walk: Walk): unknown {
  const at = positionOf(walk, item);
  walk.places.set(placeKey(path), { key: at, value: at });
  return toData(item, path, walk);
}

function keyText(key: Node, path: Path, walk: Walk): string {
  if (isScalar<string | number | boolean | null>(key)) return key.source ?? String(key.value ?? '');
  throw refuse(walk, key, path, 'a key must be a plain word');
}

function refuse(walk: Walk, node: Node, path: Path, what: string, hint?: string) {
  const key = path.length === 0 ? undefined : dotted(path);
  return invalidPolicy({ file: walk.file, at: positionOf(walk, node), key, what, hint });
}

function positionOf(walk: Walk, node: Node): Position {
  return position(walk.lines, node.range?.[0] ?? 0);
}

function position(lines: LineCounter, offset: number): Position {
  const { line, col } = lines.linePos(offset);
  return { line: Math.max(1, line), column: Math.max(1, col) };
}

function placeKey(path: Path): string {
  return JSON.stringify(path);
}

/** A value as an error shows it: the text itself, shortened, or what it is. */
export function shown(value: unknown): string {
  if (value === null || value === undefined) return 'an empty value';
  if (typeof value === 'object') return Array.isArray(value) ? 'a list' : 'a mapping';
  return clip(typeof value === 'number' || typeof value === 'string' ? String(value) : JSON.stringify(value));
}

function clip(text: string): string {
  const short = text.length > 40 ? `${text.slice(0, 40)}...` : text;
  return /^[\x21-\x7e]+$/.test(short) ? short : JSON.stringify(short);
}
