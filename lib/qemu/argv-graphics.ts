/** Servers for the screen as QEMU's arguments. Pure. */
import type { Domain } from '../domain/definition.ts';
import { type Dbus, type EglHeadless, type Graphics, isServer, type Spice, type Vnc } from '../domain/graphics.ts';
import { audioDevice } from './argv-sound.ts';
import { onOff, text } from './arguments.ts';

/** `-display none` for a machine nobody looks at; VNC and spice need no display beside them. */
export function displayArguments({ graphics }: Domain): string[] {
  return graphics.length === 0 ? ['-display', 'none'] : [];
}

/** `vncPorts` by index in `graphics`, 5900 and up; sockets without a path are in `socketDir`. */
export function graphicsArguments(domain: Domain, vncPorts: ReadonlyMap<number, number>, socketDir: string): string[] {
  return domain.graphics.flatMap((each, index) => {
    if (!isServer(each)) return display(domain, each);
    const keymap = each.keymap === null ? [] : ['-k', each.keymap];
    const place = { port: vncPorts.get(index) ?? each.port, socketDir };
    return each.type === 'vnc'
      ? ['-vnc', vncText(each, place, audioDevice(domain, null)), ...keymap]
      : ['-spice', spiceText(each, place), ...keymap];
  });
}

function display(domain: Domain, each: Exclude<Graphics, Vnc | Spice>): string[] {
  switch (each.type) {
    case 'egl-headless':
      return ['-display', headless(each)];
    case 'sdl':
      return ['-display', `sdl${glText(each.gl)}`, ...(each.fullscreen ? ['-full-screen'] : [])];
    case 'dbus':
      return ['-display', dbusText(each, each.audioId === null ? null : audioDevice(domain, each.audioId))];
  }
}

function glText(gl: boolean | null): string {
  return gl === null ? '' : `,gl=${onOff(gl)}`;
}

function dbusText({ address, gl }: Dbus, audio: string | null): string {
  const place = address === null ? ',p2p=on' : `,addr=${text(address)}`;
  const node = gl === null || gl.renderNode === null ? '' : `,rendernode=${text(gl.renderNode)}`;
  return `dbus${place}${glText(gl === null ? null : gl.enabled)}${node}${audio === null ? '' : `,audiodev=${audio}`}`;
}

function headless({ renderNode }: EglHeadless): string {
  return renderNode === null ? 'egl-headless' : `egl-headless,rendernode=${text(renderNode)}`;
}

interface Place {
  readonly port: number | null;
  readonly socketDir: string;
}

const firstVncPort = 5900;

function vncText(vnc: Vnc, place: Place, audio: string | null): string {
  const { websocket, sharePolicy, powerControl } = vnc;
  return [
    vncAddress(vnc, place),
    websocket === null ? '' : `,websocket=${websocket}`,
    sharePolicy === null ? '' : `,share=${sharePolicy}`,
    powerControl === null ? '' : `,power-control=${onOff(powerControl)}`,
    audio === null ? '' : `,audiodev=${audio}`,
  ].join('');
}

/** QEMU counts displays from port 5900 on. */
function vncAddress({ reach, socket, listen }: Vnc, { port, socketDir }: Place): string {
  switch (reach) {
    case 'none':
      return 'none';
    case 'socket':
      return `vnc=unix:${text(socket ?? `${socketDir}/vnc.sock`)}`;
    case 'port': {
      const host = listen.includes(':') ? `[${listen}]` : listen;
      return `${text(host)}:${chosen(port) - firstVncPort}`;
    }
  }
}

function chosen(port: number | null): number {
  if (port === null) throw new Error('no port was chosen for the screen');
  return port;
}

/** Whoever reaches it needs no password: domctl has no secrets, and an argument would show them. */
function spiceText(spice: Spice, place: Place): string {
  const { defaultMode, channels, mouse, gl } = spice;
  return [
    spiceAddress(spice, place),
    mouse === null ? '' : `agent-mouse=${onOff(mouse === 'client')}`,
    'disable-ticketing=on',
    defaultMode === 'insecure' ? 'plaintext-channel=default' : '',
    ...channels.map(({ name, mode }) => (mode === 'insecure' ? `plaintext-channel=${name}` : '')),
    ...compressions(spice),
    spice.copyPaste === false ? 'disable-copy-paste=on' : '',
    spice.fileTransfer === false ? 'disable-agent-file-xfer=on' : '',
    gl?.enabled ? `gl=on${gl.renderNode === null ? '' : `,rendernode=${text(gl.renderNode)}`}` : '',
    'seamless-migration=on',
  ]
    .filter((part) => part !== '')
    .join(',');
}

function spiceAddress({ reach, listen, socket }: Spice, { port, socketDir }: Place): string {
  switch (reach) {
    case 'none':
      return 'port=0';
    case 'socket':
      return `unix=on,addr=${text(socket ?? `${socketDir}/spice.sock`)}`;
    case 'port':
      return `port=${chosen(port)},addr=${text(listen)}`;
  }
}

function compressions(spice: Spice): string[] {
  const part = (name: string, value: string | null): string => (value === null ? '' : `${name}=${value}`);
  const { playbackCompression } = spice;
  return [
    part('image-compression', spice.imageCompression),
    part('jpeg-wan-compression', spice.jpegCompression),
    part('zlib-glz-wan-compression', spice.zlibCompression),
    part('playback-compression', playbackCompression === null ? null : onOff(playbackCompression)),
    part('streaming-video', spice.streaming),
  ];
}
