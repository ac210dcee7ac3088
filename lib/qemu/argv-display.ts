/** What a person sees and touches: graphics cards, input devices, as QEMU's arguments. Pure. */
import type { Domain } from '../domain/definition.ts';
import type { Input, Video } from '../domain/devices.ts';
import { usbPlaces } from './argv-usb.ts';
import { virtioProperties } from './argv-virtio.ts';
import { type Part, type Turn, device, given, impossible, json, pciDevice } from './arguments.ts';

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
        return [pciDevice('input', input.address, virtioInput(input, id))];
      case null:
        return json('-object', eventDevice(input, id));
    }
  });
}

/** The first card is the one firmware writes to; only some can be a second one. */
export function videoParts({ videos }: Domain): Part[] {
  const cards = videos.filter(({ model }) => model !== 'none');
  const primary = cards.find((each) => each.primary) ?? cards[0];
  return cards.flatMap((video, index): Part[] => {
    const first = video === primary;
    const named = given('acpi-index', video.acpiIndex);
    const turn: Turn = first ? 'primaryVideo' : 'video';
    const properties = { driver: driverOf(video, first), id: `video${index}`, ...cardProperties(video), ...named };
    return video.model === 'ramfb' ? device(properties) : [pciDevice(turn, video.address, properties)];
  });
}

function virtioInput({ type, source, virtio }: Input, id: string): { driver: string; id: string } {
  const isHosts = type === 'passthrough';
  const driver = isHosts ? 'virtio-input-host-pci' : `virtio-${type}-pci`;
  return { driver, ...virtioProperties(virtio), id, ...(isHosts ? given('evdev', source?.path ?? null) : {}) };
}

/** Feeds whatever keyboard and mouse the guest has. */
function eventDevice({ source }: Input, id: string): object {
  const { path = null, grabAll = false, repeat = null, grabToggle = null } = source ?? {};
  return {
    ...{ 'qom-type': 'input-linux', id },
    ...given('evdev', path),
    ...(grabAll ? { grab_all: true } : {}),
    ...given('repeat', repeat),
    ...given('grab-toggle', grabToggle),
  };
}

const usbInputs: Partial<Record<Input['type'], string>> = {
  tablet: 'usb-tablet',
  mouse: 'usb-mouse',
  keyboard: 'usb-kbd',
};

type Card = Exclude<Video['model'], 'none'>;

const primaryCards: Readonly<Record<Card, string>> = {
  vga: 'VGA',
  cirrus: 'cirrus-vga',
  virtio: 'virtio-vga',
  bochs: 'bochs-display',
  qxl: 'qxl-vga',
  ramfb: 'ramfb',
};

const secondCards: Partial<Record<Card, string>> = { virtio: 'virtio-gpu-pci', qxl: 'qxl' };

function driverOf({ model, accel3d }: Video, first: boolean): string {
  if (model === 'virtio' && accel3d === true) return first ? 'virtio-vga-gl' : 'virtio-gpu-gl-pci';
  const driver = first ? primaryCards[model as Card] : secondCards[model as Card];
  if (driver !== undefined) return driver;
  throw impossible(`a '${model}' card can only be the primary one`, "use <model type='virtio'/> for others");
}

const mib = 1024 * 1024;

/** Each card has its own word, and unit, for its memory; cirrus' and virtio's cannot be set. */
function cardProperties(video: Video): object {
  const { model, vramBytes, resolution } = video;
  const size = resolution === null ? {} : { xres: resolution.x, yres: resolution.y };
  switch (model) {
    case 'vga':
      return { ...given('vgamem_mb', vramBytes === null ? null : Math.ceil(vramBytes / mib)), ...size };
    case 'bochs':
      return { ...given('vgamem', vramBytes), ...size };
    case 'qxl':
      return { ...qxlProperties(video), ...size };
    case 'virtio':
      return {
        ...virtioProperties(video.virtio),
        max_outputs: video.heads ?? 1,
        ...given('blob', video.blob),
        ...size,
      };
    case 'cirrus':
    case 'ramfb':
    case 'none':
      return {};
  }
}

/** What is not given is libvirt's: QEMU itself would give it every output it has. */
function qxlProperties({ heads, ramBytes, vramBytes, vram64Bytes, vgamemBytes }: Video): object {
  return {
    max_outputs: heads ?? 1,
    ram_size: ramBytes ?? 64 * mib,
    vram_size: vramBytes ?? 64 * mib,
    vram64_size_mb: Math.ceil((vram64Bytes ?? 0) / mib),
    vgamem_mb: powerOfTwo(Math.ceil((vgamemBytes ?? 16 * mib) / mib)),
  };
}

function powerOfTwo(atLeast: number): number {
  return 2 ** Math.ceil(Math.log2(atLeast));
}
