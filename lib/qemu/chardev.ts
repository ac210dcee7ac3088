/**
 * Character devices: what is behind a serial port, console, channel or redirected device. Pure. Owns their ids, and where those that
 * listen are to be found.
 */
import { aliasOf } from '../domain/aliases.ts';
import type { Domain } from '../domain/definition.ts';
import type { Backend, BackendLog } from '../domain/devices.ts';
import { impossible, onOff, text } from './arguments.ts';

/** Where a chardev without a path listens: `<socketDir>/<chardev id>.sock`, e.g. charchannel0.sock. */
export function chardevSocket(socketDir: string, id: string): string {
  return `${socketDir}/${id}.sock`;
}

/** Where the guest agent's channel (org.qemu.guest_agent.0) listens; null: the domain has none that does. */
export function agentSocket(domain: Domain, socketDir: string): string | null {
  const index = domain.channels.findIndex(({ name }) => name === 'org.qemu.guest_agent.0');
  const target = targetOf(domain.channels[index]?.backend, `charchannel${index}`, socketDir);
  return target?.kind === 'unix' ? target.path : null;
}

/** How a console is reached. A pty has a path only when the hypervisor runs: query-chardev tells it. */
export type ConsoleTarget =
  | { readonly kind: 'pty'; readonly chardev: string }
  | { readonly kind: 'unix'; readonly path: string }
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number; readonly telnet: boolean };

/**
 * Where to reach the console of that name (`console0`, `serial1`), by default the first console, else the first
 * serial port. null: there is none, or nobody can connect to it.
 */
export function consoleTarget(domain: Domain, socketDir: string, which?: string): ConsoleTarget | null {
  const lines = consoleLines(domain);
  const line = which === undefined ? lines[0] : lines.find(({ names }) => names.includes(which));
  return targetOf(line?.backend, line?.chardev ?? '', socketDir);
}

/** `-chardev`, with `socketDir` for a socket without a path. */
export function chardev(id: string, source: Source, socketDir: string): string[] {
  return ['-chardev', `${backendText(id, source.backend, socketDir)}${logText(source.log)}`];
}

interface Source {
  readonly backend: Backend;
  readonly log: BackendLog | null;
}

interface Line {
  /** libvirt's name for it, and that of the definition. */
  readonly names: readonly (string | null)[];
  readonly chardev: string;
  readonly backend: Backend;
}

/** A console of kind serial is the serial port of that number under another name. */
function consoleLines({ consoles, serials, aliases }: Domain): Line[] {
  const ports = serials.map(({ backend }, index) => ({
    names: [`serial${index}`, aliasOf(aliases, 'serial', index)],
    chardev: `charserial${index}`,
    backend,
  }));
  const doubled = consoles.flatMap(({ kind, backend, port }, index): Line[] => {
    const names = [`console${index}`, aliasOf(aliases, 'console', index)];
    if (kind === 'virtio') return [{ names, chardev: `charconsole${index}`, backend }];
    const serial = ports[serials.findIndex((each) => each.port === port)];
    return serial ? [{ ...serial, names }] : [];
  });
  return [...doubled, ...ports];
}

function targetOf(backend: Backend | undefined, id: string, socketDir: string): ConsoleTarget | null {
  switch (backend?.type) {
    case 'pty':
      return { kind: 'pty', chardev: id };
    case 'unix':
      return backend.mode === 'bind' ? { kind: 'unix', path: backend.path ?? chardevSocket(socketDir, id) } : null;
    case 'tcp':
      return backend.mode === 'bind' ? tcpTarget(backend) : null;
    default:
      return null;
  }
}

function tcpTarget({ host, port, telnet }: Extract<Backend, { type: 'tcp' }>): ConsoleTarget {
  return { kind: 'tcp', host, port, telnet };
}

const listening = ',server=on,wait=off';

function backendText(id: string, backend: Backend, socketDir: string): string {
  switch (backend.type) {
    case 'file':
      return `file,id=${id},path=${text(backend.path)}${appendText('append', backend.append)}`;
    case 'dev':
      return `${id.startsWith('charparallel') ? 'parallel' : 'serial'},id=${id},path=${text(backend.path)}`;
    case 'pipe':
      return `pipe,id=${id},path=${text(backend.path)}`;
    case 'unix':
      return `socket,id=${id},path=${text(socketPath(id, backend, socketDir))}${ends(backend)}`;
    case 'tcp': {
      const telnet = backend.telnet ? ',telnet=on' : '';
      return `socket,id=${id},host=${text(backend.host)},port=${backend.port}${telnet}${ends(backend)}`;
    }
    case 'udp':
      return `udp,id=${id}${udpText(backend)}`;
    case 'spicevmc':
      return `spicevmc,id=${id},name=${viewerEnd(id)}`;
    case 'spiceport':
    case 'dbus':
      return `${backend.type},id=${id},name=${text(backend.channel)}`;
    case 'qemu-vdagent':
      return `qemu-vdagent,id=${id},name=vdagent${agentText(backend)}`;
    default:
      return `${backend.type},id=${id}`;
  }
}

type Of<Type extends Backend['type']> = Extract<Backend, { type: Type }>;

function socketPath(id: string, { mode, path }: Of<'unix'>, socketDir: string): string {
  const found = path ?? (mode === 'bind' ? chardevSocket(socketDir, id) : null);
  if (found === null) throw impossible(`${id} shall connect to a socket and names none`, 'give its <source> a path');
  return found;
}

/** In seconds: QEMU 7.2 has no finer unit, and 10 still takes it. */
function ends({ mode, reconnectSeconds }: Of<'unix' | 'tcp'>): string {
  if (mode === 'bind') return listening;
  return reconnectSeconds === null ? '' : `,reconnect=${reconnectSeconds}`;
}

function udpText({ host, port, bindHost, bindPort }: Of<'udp'>): string {
  const to = `${host === null ? '' : `,host=${text(host)}`},port=${port}`;
  const from = bindHost === null ? '' : `,localaddr=${text(bindHost)}`;
  return `${to}${from}${bindPort === null ? '' : `,localport=${bindPort}`}`;
}

/** What a viewer's own end is called depends on what is in front of it. */
function viewerEnd(id: string): string {
  if (id.startsWith('charredir')) return 'usbredir';
  return id.startsWith('charsmartcard') ? 'smartcard' : 'vdagent';
}

function agentText({ copyPaste, mouse }: Of<'qemu-vdagent'>): string {
  const clipboard = copyPaste === null ? '' : `,clipboard=${onOff(copyPaste)}`;
  return `${clipboard}${mouse === null ? '' : `,mouse=${onOff(mouse === 'client')}`}`;
}

function logText(log: BackendLog | null): string {
  return log === null ? '' : `,logfile=${text(log.path)}${appendText('logappend', log.append)}`;
}

function appendText(key: 'append' | 'logappend', append: boolean | null): string {
  return append === null ? '' : `,${key}=${onOff(append)}`;
}
