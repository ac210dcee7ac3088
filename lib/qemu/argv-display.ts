/** What a person sees and touches: VNC, graphics cards, input devices, as QEMU's arguments. Pure. */
import type { Domain } from '../domain/definition.ts';
import type { Graphics, Input, Video } from '../domain/devices.ts';
import { usbPlaces } from './argv-usb.ts';
import { type Part, type Turn, device, given, impossible, pciDevice, text } from './arguments.ts';

/** `-display none` for a machine nobody looks at; VNC needs no display beside it. */
export function displayArguments({ graphics }: Domain): string[] {
  return graphics.length === 0 ? ['-display', 'none'] : [];
}

/** Keyboards, mice and tablets; those on PS/2 are the board's own. */
export function inputParts(domain: Domain): Part[] {
  const usb = usbPlaces(domain);
  return domain.inputs.flatMap((input, index): Part[] => {
    const id = `input${index}`;
    switch (input.bus) {
      case 'ps2':
        return [];
      case 'usb':
        return device({ driver: usbInputs[input.type], ...usb.get(input), id });
      case 'virtio':
        return [pciDevice('input', input.address, { driver: `virtio-${input.type}-pci`, id })];
    }
  });
}

/** `vncPorts` by index in `graphics`, 5900 and up. */
export function graphicsArguments({ graphics }: Domain, vncPorts: ReadonlyMap<number, number>): string[] {
  return graphics.flatMap((each, index) => {
    const keymap = each.keymap === null ? [] : ['-k', each.keymap];
    return ['-vnc', vncAddress(each, vncPorts.get(index) ?? each.port), ...keymap];
  });
}

/** The first card is the one firmware writes to; only some can be a second one. */
export function videoParts({ videos }: Domain): Part[] {
  const cards = videos.filter(({ model }) => model !== 'none');
  const primary = cards.find((each) => each.primary) ?? cards[0];
  return cards.map((video, index) => {
    const first = video === primary;
    const turn: Turn = first ? 'primaryVideo' : 'video';
    const driver = first ? primaryCards[video.model as Card] : secondCards[video.model as Card];
    if (driver === undefined) {
      throw impossible(`a '${video.model}' card can only be the primary one`, "use <model type='virtio'/> for others");
    }
    return pciDevice(turn, video.address, { driver, id: `video${index}`, ...cardProperties(video) });
  });
}

const usbInputs: Readonly<Record<Input['type'], string>> = {
  tablet: 'usb-tablet',
  mouse: 'usb-mouse',
  keyboard: 'usb-kbd',
};

const firstVncPort = 5900;

/** QEMU counts displays from port 5900 on. */
function vncAddress({ socket, listen }: Graphics, port: number | null): string {
  if (socket !== null) return `vnc=unix:${text(socket)}`;
  if (port === null) throw new Error('no port was chosen for VNC');
  const host = listen.includes(':') ? `[${listen}]` : listen;
  return `${text(host)}:${port - firstVncPort}`;
}

type Card = Exclude<Video['model'], 'none'>;

const primaryCards: Readonly<Record<Card, string>> = {
  vga: 'VGA',
  cirrus: 'cirrus-vga',
  virtio: 'virtio-vga',
  bochs: 'bochs-display',
  qxl: 'qxl-vga',
};

const secondCards: Partial<Record<Card, string>> = { virtio: 'virtio-gpu-pci', qxl: 'qxl' };

const mib = 1024 * 1024;

/** Each card has its own word, and unit, for its memory; cirrus' and virtio's cannot be set. */
function cardProperties({ model, vramBytes, heads }: Video): object {
  switch (model) {
    case 'vga':
      return given('vgamem_mb', vramBytes === null ? null : Math.ceil(vramBytes / mib));
    case 'bochs':
      return given('vgamem', vramBytes);
    case 'qxl':
      return { ...given('max_outputs', heads), ...given('vram_size', vramBytes) };
    case 'virtio':
      return given('max_outputs', heads);
    case 'cirrus':
    case 'none':
      return {};
  }
}
