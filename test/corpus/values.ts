/** Values of QEMU's options in one form, whether they came as JSON or as `key=value` text. */

/** Property -> value; what is nested has dots in its name: `drive.file.filename`. */
export type Properties = Map<string, string>;

export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

/** `a=1,b=x,,y` and `{"a":1}` as one object; a value without a key is under `implied`. */
export function readOption(text: string, implied: string): Record<string, Json> {
  if (text.startsWith('{')) return JSON.parse(text) as Record<string, Json>;
  const parts = text.match(/(?:,,|[^,])+/g) ?? [];
  const result: Record<string, Json> = {};
  parts.forEach((part, index) => {
    const plain = part.replaceAll(',,', ',');
    const at = plain.indexOf('=');
    const [key, value] =
      at < 0 ? [index === 0 ? implied : plain, at < 0 && index > 0 ? 'on' : plain] : split(plain, at);
    // `cpus=0-1,cpus=6-31` is one list.
    result[key] = key in result ? `${word(result[key])},${value}` : value;
  });
  return result;
}

function split(text: string, at: number): [string, string] {
  return [text.slice(0, at), text.slice(at + 1)];
}

/** A plain value as text; anything nested as JSON. */
export function word(value: Json | undefined): string {
  if (value === undefined || value === null) return '';
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}

/** `on`, `off`, decimal numbers: QEMU takes each in several spellings. */
function plainValue(value: string | number | boolean | null): string {
  if (value === true || value === 'true' || value === 'yes') return 'on';
  if (value === false || value === 'false' || value === 'no') return 'off';
  const text = String(value);
  return /^0x[\da-f]+$/i.test(text) ? String(Number(text)) : text;
}

/** Nested objects and lists as properties with dots in their names. */
export function flatten(value: Json, prefix = ''): Properties {
  const result: Properties = new Map();
  if (typeof value === 'object' && value !== null) {
    for (const [key, inner] of Object.entries(value)) {
      for (const [name, text] of flatten(inner, prefix === '' ? key : `${prefix}.${key}`)) result.set(name, text);
    }
    return result;
  }
  result.set(prefix, plainValue(value));
  return result;
}

const units: Readonly<Record<string, number>> = { k: 2 ** 10, m: 2 ** 20, g: 2 ** 30, t: 2 ** 40 };

/** `219136k` in bytes; -m counts MiB where no unit is given. */
export function bytesOf(text: string): string {
  const found = /^(\d+)([kmgt]?)$/i.exec(text);
  return found ? String(Number(found[1]) * (units[(found[2] ?? '').toLowerCase()] ?? 2 ** 20)) : text;
}
