/** Ways to see a domain's screen, what its XML says of them after defaults. Pure data. */

/**
 * A server that viewers connect to. `reach` says how: a TCP port, a unix socket, or not from outside QEMU at all; `port` and
 * `listen` are of the first, `socket` of the second.
 */
interface DisplayServer {
  readonly reach: 'port' | 'socket' | 'none';
  /** null: a free one from 5900 on is chosen at start. */
  readonly port: number | null;
  /** Address of the host to listen on. */
  readonly listen: string;
  /** null: a socket in the incarnation's runtime directory. */
  readonly socket: string | null;
  readonly keymap: string | null;
}

export interface Vnc extends DisplayServer {
  readonly type: 'vnc';
  /** Port for viewers in a browser; null: none. */
  readonly websocket: number | null;
  /** Who stays when another viewer comes; null: QEMU's default, `allow-exclusive`. */
  readonly sharePolicy: 'allow-exclusive' | 'force-shared' | 'ignore' | null;
  /** Whether viewers may reset the machine. */
  readonly powerControl: boolean | null;
}

/** null: QEMU's default. */
export interface Spice extends DisplayServer {
  readonly type: 'spice';
  readonly defaultMode: SpiceMode | null;
  readonly channels: readonly { readonly name: SpiceChannel; readonly mode: SpiceMode }[];
  readonly imageCompression: 'auto_glz' | 'auto_lz' | 'quic' | 'glz' | 'lz' | 'off' | null;
  readonly jpegCompression: 'auto' | 'never' | 'always' | null;
  readonly zlibCompression: 'auto' | 'never' | 'always' | null;
  readonly playbackCompression: boolean | null;
  readonly streaming: 'filter' | 'all' | 'off' | null;
  readonly mouse: 'server' | 'client' | null;
  readonly copyPaste: boolean | null;
  readonly fileTransfer: boolean | null;
  readonly gl: { readonly enabled: boolean; readonly renderNode: string | null } | null;
}

/** `any`: plain, as there is no TLS. */
type SpiceMode = 'any' | 'insecure';

type SpiceChannel = 'main' | 'display' | 'inputs' | 'cursor' | 'playback' | 'record' | 'smartcard' | 'usbredir';

/** Renders with a GPU of the host for a server beside it. */
export interface EglHeadless {
  readonly type: 'egl-headless';
  readonly renderNode: string | null;
}

/** A window on a screen of the host itself. */
export interface Sdl {
  readonly type: 'sdl';
  /** Of X11, `:0.0`, and the file with the right to it; null: none is told, and SDL looks for another way. */
  readonly display: string | null;
  readonly xauth: string | null;
  readonly fullscreen: boolean;
  /** Whether the host's GPU renders; null: QEMU's default. */
  readonly gl: boolean | null;
}

/** Objects on a bus of D-Bus, for programs of the host. */
export interface Dbus {
  readonly type: 'dbus';
  /** Of the bus, `unix:path=/run/vm/bus`; null: no bus, but whoever the monitor brings (`add_client`). */
  readonly address: string | null;
  readonly gl: { readonly enabled: boolean; readonly renderNode: string | null } | null;
  /** Id of the `Audio` that is heard there; null: none. */
  readonly audioId: number | null;
}

export type Graphics = Vnc | Spice | EglHeadless | Sdl | Dbus;

/** Whether a free port is chosen for it at start. */
export function wantsPort(graphics: Graphics): graphics is Vnc | Spice {
  return isServer(graphics) && graphics.reach === 'port' && graphics.port === null;
}

/** Whether viewers connect to it. */
export function isServer(graphics: Graphics): graphics is Vnc | Spice {
  return graphics.type === 'vnc' || graphics.type === 'spice';
}
