import { expect, test } from 'vitest';
import { table } from '../../../lib/xml/properties.ts';
import type { Property } from '../../../lib/xml/property.ts';

interface Line {
  readonly element: string;
  /** Empty: the element itself. */
  readonly attribute: string;
  readonly property: Property<unknown>;
}

/** What many devices have is told once, under `…`, as the first of them has it. */
const shared = /^\/domain\/devices\/(?!panic|memory\b)[^/]+(?=\/(?:alias|address|boot)\b)/;

const properties = new Map(
  Object.entries(table)
    .toReversed()
    .map(([key, property]) => [key.replace(shared, '…'), property]),
);

const lines: readonly Line[] = Array.from(properties, ([key, property]) => {
  const [element = '', attribute = ''] = key.split('/@');
  return { element: element.replace('/domain/devices/', ''), attribute, property };
}).toReversed();

function cell(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll('<', '&lt;');
}

function valueOf({ reader, repeats, absence }: Property<unknown>): string {
  const words = [
    reader === null ? '' : `\`${reader.example.replace('a shorter text', 'any text')}\``,
    repeats === 'several' ? 'several' : '',
    absence === 'fine' ? '' : 'required',
  ];
  return words.filter((word) => word !== '').join(', ');
}

function tell({ attribute, property }: Line): string {
  const value = valueOf(property);
  const name = attribute === '' ? '' : `\`${attribute}\``;
  return [name, value === '' ? '' : attribute === '' ? value : `(${value})`].filter((part) => part !== '').join(' ');
}

function rows(some: readonly Line[]): string[] {
  const byElement = new Map<string, string[]>();
  for (const line of some) byElement.set(line.element, [...(byElement.get(line.element) ?? []), tell(line)]);
  return Array.from(byElement, ([element, parts]) => {
    return `| \`${element}\` | ${cell(parts.filter((part) => part !== '').join('; '))} |`;
  });
}

function pathOf({ element, attribute }: Line): string {
  return attribute === '' ? `\`${element}\`` : `\`${element}/@${attribute}\``;
}

/** The table as Markdown; `npx vitest run --project unit -u` writes it anew. */
function renderDoc(): string {
  const missing = lines.filter(({ property }) => property.missing !== null);
  const remedied = missing.filter((line) => line.property.missing !== 'remove it');
  const ignored = lines.filter(({ property }) => property.without !== null);
  const supported = lines.filter(({ property }) => property.missing === null && property.without === null);
  return [
    '# Domain XML',
    '',
    'Generated from the table in `lib/xml/properties.ts` and the files beside it, which also drives reading and checking. What is',
    'not listed here is unknown, and refused with file, line, column, path and a remedy; `--allow-unsupported` keeps it in the',
    'definition, without effect and with a warning. A value that libvirt knows and domctl does not sets its whole device aside:',
    'half a device is another device. What must hold between several values (each target, address and boot order once, a topology',
    'of as many CPUs as `<vcpu>` says, and so on) is in `lib/xml/rules-*.ts`, and breaking it is an error in either case.',
    '',
    'Paths of devices begin below `/domain/devices/`; `disk[file]` is a disk of that type; `…` is any device that can have it. A value',
    'in parentheses is an example, or all the words there are. Defaults are those of libvirt. Where they differ:',
    '',
    '- `portForward` is for `<interface type="user">` without a `<backend>`: QEMU itself forwards, each port of the range.',
    "- A tap named `vnet0` and the like, and a channel in a socket of libvirt's own, are read as having no name, as libvirt does.",
    '- `firmware="efi"` never chooses firmware with enrolled keys; name a `<loader>` for secure boot.',
    '- Memory of `source type="file"` and huge pages are in a memfd: shared in the same way, and no file of them is left behind.',
    '- A security label is taken without effect: a hypervisor is held by its user, its cgroup and its sandbox.',
    '- Spice asks nobody for a password, and VNC neither: listen on 127.0.0.1 or a socket.',
    '- Of a disk on a server (`<disk type="network">`) nothing is claimed on this host: that two domains do not write to it at once is',
    '  for the server to see to. There are no secrets, so servers have to know this host by its address.',
    '- A device of the host is not taken from its driver, `managed` or not: `driverctl set-override ... vfio-pci` gives it to VFIO.',
    '- A screen on D-Bus needs the address of a bus, or `p2p` (then it is the monitor that lets viewers in): no bus is started for it.',
    '- A vsock with `auto="yes"` gets another number at each start; `domctl dumpxml` does not show it.',
    "- An `<alias>` of the user's own (`ua-...`) is kept, and is what QEMU calls the device; libvirt's own are accepted without effect.",
    '- There are no networks: `<interface type="network">` becomes `<interface type="bridge">`, naming the bridge of the host.',
    '',
    '## Supported',
    '',
    '| element | text; attributes |',
    '|---|---|',
    ...rows(supported),
    '',
    '## Accepted without effect',
    '',
    'Left out when the definition is printed again. Other values than these are unsupported.',
    '',
    '| element | what is accepted |',
    '|---|---|',
    ...rows(ignored),
    '',
    '## Known, and not supported yet',
    '',
    '| what | what to do |',
    '|---|---|',
    ...remedied.map((line) => `| ${pathOf(line)} | ${cell(line.property.missing ?? '')} |`),
    '',
    `Without a remedy but to remove it: ${missing
      .filter((line) => !remedied.includes(line))
      .map(pathOf)
      .join(', ')}.`,
    '',
  ].join('\n');
}

test('docs/domain-xml.md is the table of the code', async () => {
  await expect(renderDoc()).toMatchFileSnapshot('../../../docs/domain-xml.md');
});
