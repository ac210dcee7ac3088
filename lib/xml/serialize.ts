/**
 * Tags -> text as `virsh dumpxml` prints it: two spaces, single quotes, one element a line.
 * xml2js's Builder quotes with ", and cannot take a piece of XML as it is; hence these few lines.
 */

/** An element to print. */
export interface Tag {
  readonly name: string;
  /** Values as they are meant; escaped when printed. */
  readonly attributes: Readonly<Record<string, string>>;
  /** Attributes printed as they are. */
  readonly rawAttributes: string[];
  readonly text: string | null;
  /** A string is XML, printed as it is. */
  readonly children: (Tag | string)[];
}

type Value = string | number | null;

/** A tag; what is null is left out. */
export function tag(name: string, attributes: Readonly<Record<string, Value>> = {}, content: Content = []): Tag {
  const given = Object.entries(attributes).filter(([, value]) => value !== null);
  return {
    name,
    attributes: Object.fromEntries(given.map(([key, value]) => [key, String(value)])),
    rawAttributes: [],
    text: typeof content === 'object' ? null : String(content),
    children: typeof content === 'object' ? content.filter((child) => child !== null) : [],
  };
}

/** `element` if there is anything in it, else null. */
export function unlessEmpty(element: Tag): Tag | null {
  return element.children.length === 0 ? null : element;
}

/** An element that says all by being there. */
export function mark(name: string, isThere: boolean): Tag | null {
  return isThere ? tag(name) : null;
}

/** An element with a text; null for none. */
export function texted(name: string, text: string | number | null): Tag | null {
  return text === null ? null : tag(name, {}, text);
}

/** libvirt's words for a boolean; null stays null. */
export function yesNo(value: boolean | null): 'yes' | 'no' | null {
  return value === null ? null : value ? 'yes' : 'no';
}

/** Likewise where libvirt has a switch. */
export function onOff(value: boolean | null): 'on' | 'off' | null {
  return value === null ? null : value ? 'on' : 'off';
}

type Content = string | number | readonly (Tag | string | null)[];

/** The text of `root`, with a line feed at its end. */
export function serialize(root: Tag): string {
  return `${print(root, '')}\n`;
}

function print(node: Tag | string, indent: string): string {
  if (typeof node === 'string') return indent + node;
  const attributes = Object.entries(node.attributes).map(([name, value]) => ` ${name}='${escapeXml(value, true)}'`);
  const start = [`${indent}<${node.name}`, ...attributes, ...node.rawAttributes.map((raw) => ` ${raw}`)].join('');
  if (node.text === null && node.children.length === 0) return `${start}/>`;
  if (node.text === null) {
    const lines = node.children.map((child) => print(child, `${indent}  `));
    return [`${start}>`, ...lines, `${indent}</${node.name}>`].join('\n');
  }
  // White space between text and an element would become part of the text.
  const children = node.children.map((child) => print(child, '')).join('');
  return `${start}>${escapeXml(node.text, false)}${children}</${node.name}>`;
}

const escapes: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&apos;',
};

/** `value` for use in XML text, or in an attribute, where white space other than a blank must be escaped to survive. */
export function escapeXml(value: string, inAttribute: boolean): string {
  const special = inAttribute ? /[&<>"'\t\n\r]/g : /[&<>"'\r]/g;
  return value.replace(special, (found) => escapes[found] ?? `&#${found.charCodeAt(0)};`);
}
