/** Two machines, part by part: what one has and the other has not, or has differently, by name. */
import type { Part } from './machine.ts';
import type { Properties } from './values.ts';

/** `key` empty: the whole part. null: that side has none. */
export interface Difference {
  readonly kind: string;
  readonly name: string;
  readonly key: string;
  readonly libvirt: string | null;
  readonly domctl: string | null;
  /** The part as the side has it that has it, libvirt's first. */
  readonly part: Part;
}

/** Parts of the same kind and name are the same where they are most alike. */
export function compareMachines(libvirt: readonly Part[], domctl: readonly Part[]): Difference[] {
  const groups = [...new Set([...libvirt, ...domctl].map(groupOf))];
  return groups.flatMap((group) => {
    const pairs = pairUp(
      libvirt.filter((part) => groupOf(part) === group),
      domctl.filter((part) => groupOf(part) === group),
    );
    return pairs.flatMap(([one, other]) => differences(one, other));
  });
}

/** Devices that are the same in both and sit elsewhere. */
export function movedDevices(libvirt: readonly Part[], domctl: readonly Part[]): string[] {
  const placed = (parts: readonly Part[], name: string): Part[] =>
    parts.filter((part) => part.place !== null && part.name === name);
  const names = new Set(libvirt.flatMap(({ place, name }) => (place === null ? [] : [name])));
  return [...names].flatMap((name) =>
    pairUp(placed(libvirt, name), placed(domctl, name)).flatMap(([one, other]) =>
      one && other && one.place !== other.place
        ? [`${nameOf(one)} at ${String(one.place)}, here ${String(other.place)}`]
        : [],
    ),
  );
}

/** A part by what people know it by: its driver, and the image, address or name that is its own. */
export function nameOf({ kind, name, properties }: Part): string {
  const own = ownKeys.map((key) => properties.get(key)).find((value) => value !== undefined);
  return [kind, name, own === undefined ? '' : `(${own})`].filter((word) => word !== '').join(' ');
}

const ownKeys = ['drive.filename', 'drive.file.filename', 'drive.file.file.filename', 'mac', 'name', 'tag', 'serial'];

function groupOf({ kind, name }: Part): string {
  return `${kind} ${name}`;
}

type Pair = readonly [Part | null, Part | null];

/** The most alike first; what is left over has no partner. */
function pairUp(some: readonly Part[], others: readonly Part[]): Pair[] {
  const candidates = some
    .flatMap((one) => others.map((other) => ({ one, other, distance: distance(one, other) })))
    .sort((a, b) => a.distance - b.distance);
  const partner = new Map<Part, Part>();
  const taken = new Set<Part>();
  for (const { one, other } of candidates) {
    if (partner.has(one) || taken.has(other)) continue;
    partner.set(one, other);
    taken.add(other);
  }
  const lonely = others.filter((other) => !taken.has(other)).map((other): Pair => [null, other]);
  return [...some.map((one): Pair => [one, partner.get(one) ?? null]), ...lonely];
}

function distance(one: Part, other: Part): number {
  return differences(one, other).length + (one.place === other.place ? 0 : 0.5);
}

function differences(one: Part | null, other: Part | null): Difference[] {
  const part = one ?? other;
  if (part === null) return [];
  const { kind, name } = part;
  if (one === null || other === null) {
    const said = tell(part.properties);
    return [{ kind, name, key: '', libvirt: one && said, domctl: other && said, part }];
  }
  const keys = [...new Set([...one.properties.keys(), ...other.properties.keys()])];
  return keys.flatMap((key) => {
    const libvirt = one.properties.get(key) ?? null;
    const domctl = other.properties.get(key) ?? null;
    return libvirt === domctl ? [] : [{ kind, name, key, libvirt, domctl, part }];
  });
}

function tell(properties: Properties): string {
  const text = Array.from(properties, ([key, value]) => `${key}=${value}`).join(',');
  return text === '' ? 'there' : text;
}
