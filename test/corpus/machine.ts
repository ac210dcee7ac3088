/**
 * A command line as the machine it makes: devices with all that is behind them, board, processors, memory. Order, ids
 * and the places of devices on PCI buses are left out of what is compared; places are kept beside it.
 */
import { bytesOf, flatten, type Json, type Properties, readOption, word } from './values.ts';

/** One part of a machine: `kind` is the option it comes from, `name` tells apart parts of a kind. */
export interface Part {
  readonly kind: string;
  readonly name: string;
  readonly properties: Properties;
  /** Its place on a PCI bus, `pci.0 0x2.0x1`; null: on none, or it was not said. */
  readonly place: string | null;
}

type Fields = Record<string, Json>;

interface Backend {
  readonly kind: string;
  readonly fields: Fields;
  used: boolean;
}

/** Options of the process and its manager: nothing that a guest or its user meets. */
const ofTheManager = new Set(['-S', '-nodefaults', '-no-user-config', '-no-shutdown', '-daemonize']);
const ofTheManagerWithValue = new Set(['-msg', '-sandbox', '-mon', '-name', '-run-with']);
const flags = new Set([...ofTheManager, '-async-teardown', '-mem-prealloc', '-no-acpi', '-no-hpet', '-enable-kvm']);

/** What other options refer to by id. */
const backendOptions: Readonly<Record<string, string>> = {
  '-object': 'qom-type',
  '-netdev': 'type',
  '-chardev': 'backend',
  '-blockdev': 'driver',
  '-audiodev': 'driver',
  '-tpmdev': 'type',
  '-fsdev': 'fsdriver',
  '-add-fd': 'set',
};

/** Properties whose value is such an id. */
const references = new Set(
  'drive file backing netdev chardev rng memdev audiodev tpmdev fsdev memory-backend pflash0 pflash1'.split(' '),
);

export function readMachine(args: readonly string[]): Part[] {
  const options = pairs(args);
  const backends = new Map(options.flatMap(backendOf));
  const parts = options.flatMap(([option, value]) => partsOf(option, value, backends));
  const rest = [...backends].filter(([id, { used }]) => !used && !internal.has(id));
  return [...merged(parts), ...rest.map(([id, backend]) => leftOver(id, backend, backends))];
}

/** libvirt's key for secrets, and each manager's own line to the hypervisor. */
const internal = new Set(['masterKey0', 'charmonitor']);

function pairs(args: readonly string[]): [string, string][] {
  const result: [string, string][] = [];
  for (let index = 0; index < args.length; index += 1) {
    const option = args[index] ?? '';
    const next = args[index + 1];
    const takes = option.startsWith('-') && !flags.has(option) && next !== undefined;
    result.push([option, takes ? next : '']);
    if (takes) index += 1;
  }
  return result;
}

function backendOf([option, value]: [string, string]): [string, Backend][] {
  const implied = backendOptions[option];
  if (implied === undefined) return [];
  const { id, 'node-name': node, ...fields } = readOption(value, implied);
  return [[word(id ?? node ?? value), { kind: option.slice(1), fields, used: false }]];
}

function leftOver(id: string, { kind, fields }: Backend, backends: Map<string, Backend>): Part {
  const type = word(fields['qom-type'] ?? fields['driver'] ?? fields['type'] ?? fields['backend']);
  const name = kind === 'object' ? `${type} ${id}` : type;
  return { kind, name, properties: propertiesOf(inlined(fields, backends)), place: null };
}

function partsOf(option: string, value: string, backends: Map<string, Backend>): Part[] {
  if (option in backendOptions || ofTheManager.has(option) || ofTheManagerWithValue.has(option)) return [];
  const kind = option.replace(/^-+/, '');
  const reader = readers[option];
  if (!reader) return [part(kind, '', { value })];
  return reader(value).map(([name, fields]) => {
    if (kind === 'device') return deviceOf(name, inlined(fields, backends));
    return part(kind, name, inlined(fields, backends));
  });
}

function part(kind: string, name: string, fields: Fields): Part {
  return { kind, name, properties: propertiesOf(fields), place: null };
}

function deviceOf(name: string, { id, bus, addr, multifunction, ...rest }: Fields): Part {
  const onPci = typeof bus === 'string' && /^pcie?\.\d+$/.test(bus);
  const isPort = typeof id === 'string' && /^pci\.\d+$/.test(id);
  const fields = { ...rest, ...(isPort ? { index: id } : {}), ...(onPci || bus === undefined ? {} : { bus }) };
  const place = onPci ? `${bus} ${word(addr)}${multifunction === true ? ' multifunction' : ''}` : null;
  return { kind: 'device', name, properties: propertiesOf(fields), place };
}

/** Values by option: each as parts with names. */
const readers: Readonly<Record<string, (value: string) => [string, Fields][]>> = {
  '-machine': (value) => [['', readOption(value, 'type')]],
  '-accel': (value) => [['', readOption(value, 'accel')]],
  '-cpu': (value) => [['', readOption(value, 'model')]],
  '-m': (value) => [['', memorySizes(readOption(value, 'size'))]],
  '-smp': (value) => [['', processors(readOption(value, 'cpus'))]],
  '-overcommit': (value) => [['', readOption(value, 'overcommit')]],
  '-numa': (value) => [numa(readOption(value, 'type'))],
  '-rtc': (value) => [['', readOption(value, 'base')]],
  '-boot': (value) => [['', readOption(value, 'order')]],
  '-display': (value) => [['', readOption(value, 'type')]],
  '-vnc': (value) => [['', readOption(value, 'address')]],
  '-spice': (value) => [['', readOption(value, 'spice')]],
  '-smbios': (value) => [[`type ${word(readOption(value, 'file')['type'])}`, readOption(value, 'file')]],
  '-global': (value) => [['', global(value)]],
  '-action': (value) => [['', readOption(value, 'action')]],
  '-watchdog-action': (value) => [['', { watchdog: value }]],
  '-device': (value) => [device(readOption(value, 'driver'))],
};

function device({ driver, ...fields }: Fields): [string, Fields] {
  return [word(driver), fields];
}

function memorySizes(fields: Fields): Fields {
  const { size, maxmem } = fields;
  return {
    ...fields,
    size: bytesOf(word(size)),
    ...(maxmem === undefined ? {} : { maxmem: bytesOf(word(maxmem)) }),
  };
}

function processors(fields: Fields): Fields {
  const { cpus } = fields;
  return { dies: '1', clusters: '1', cores: '1', threads: '1', maxcpus: cpus ?? null, ...fields };
}

function numa({ type, ...fields }: Fields): [string, Fields] {
  const { nodeid, src, dst, 'node-id': node } = fields;
  const words = [type, nodeid ?? node ?? src, dst].map(word);
  return [words.filter((each) => each !== '').join(' '), fields];
}

/** `driver.property=value`, or both as properties of their own. */
function global(value: string): Fields {
  const fields = readOption(value, 'driver');
  const { driver, property, value: set } = fields;
  if (typeof driver === 'string') return { [`${driver}.${word(property)}`]: set ?? null };
  return fields;
}

/** Several options of one kind that make one thing: -global, -action and -watchdog-action. */
function merged(parts: readonly Part[]): Part[] {
  const names: Readonly<Record<string, string>> = { global: 'global', action: 'action', 'watchdog-action': 'action' };
  const joint = new Map<string, Properties>();
  for (const { kind, properties } of parts) {
    const name = names[kind];
    if (name !== undefined) joint.set(name, new Map([...(joint.get(name) ?? []), ...properties]));
  }
  const others = parts.filter(({ kind }) => !(kind in names));
  return [...others, ...Array.from(joint, ([kind, properties]) => ({ kind, name: '', properties, place: null }))];
}

/** With what is behind it in place of its id. */
function inlined(fields: Fields, backends: Map<string, Backend>): Fields {
  return Object.fromEntries(
    Object.entries(fields).map(([key, value]) => {
      const backend = references.has(key) && typeof value === 'string' ? backends.get(value) : undefined;
      if (!backend) return [key, value];
      backend.used = true;
      return [key, inlined(backend.fields, backends)];
    }),
  );
}

function propertiesOf(fields: Fields): Properties {
  const result: Properties = new Map();
  for (const [key, value] of flatten(fields)) {
    const name = key.split('.').at(-1) ?? key;
    if (name === 'node-name' || name === 'id') continue;
    // Descriptors are numbers of one process: what matters is how many there are.
    const counted = /^(vhost)?fds?$/.test(name);
    const text = counted ? String(value.split(':').length) : value;
    result.set(counted ? key.replace(/fds?$/, 'fds') : key, text);
  }
  return result;
}
