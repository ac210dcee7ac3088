/** Rules on what one looks at and types on, and the small devices. */
import type { Address, Input, Video } from '../domain/devices.ts';
import type { Sound } from '../domain/sound.ts';
import { isPlainVirtio } from '../domain/virtio.ts';
import { devicesAt, valueAt, type Known } from './known.ts';
import type { Problem } from './problems.ts';
import { brokenControllers } from './rules-controllers.ts';
import { each, repeats, when, type Ruled, type Told } from './rule.ts';

/** What is wrong with devices that have no file of rules of their own. */
export function brokenDevices(known: Known, domain: Ruled): Problem[] {
  return [
    ...brokenControllers(known, domain),
    ...each(known, '/domain/devices/input', domain.inputs, (input) => [brokenInput(input)]),
    ...brokenUsb(known, domain),
    ...brokenGraphics(known, domain),
    ...brokenVideos(known, domain),
    ...brokenSound(known, domain),
    ...brokenTpm(known, domain),
    ...brokenWatchdog(known, domain),
  ];
}

const inputPlaces = { usb: 'usb', virtio: 'pci', ps2: null } as const;

function brokenInput({ type, bus, virtio, address }: Input): Told | null {
  if (type === 'tablet' && bus === 'ps2') return ['there is no PS/2 tablet', "write bus='usb' or bus='virtio'"];
  const only = type === 'passthrough' ? 'virtio' : type === 'evdev' ? null : bus;
  if (bus !== only) return [`an input of type ${type} is not on a ${bus} bus`, 'leave the bus out'];
  if (!isPlainVirtio(virtio) && bus !== 'virtio') return ['only a virtio device has a <driver>', 'remove it'];
  return address === null ? null : brokenInputPlace(bus, address);
}

function brokenInputPlace(bus: Input['bus'], address: NonNullable<Input['address']>): Told | null {
  const expected = bus === null ? null : inputPlaces[bus];
  if (address.type === expected) return null;
  const hint = expected === null ? 'remove the address' : `write <address type='${expected}' .../>`;
  return [`an input device on a ${bus} bus has no ${address.type} address`, hint];
}

function brokenUsb(known: Known, { controllers, inputs, disks }: Ruled): Problem[] {
  const isOff = controllers.some((one) => one.type === 'usb' && one.model === 'none');
  const rule = ({ bus }: { readonly bus: string | null }): readonly (Told | null)[] => [
    isOff && bus === 'usb' ? ["USB is switched off by the controller of model 'none'", 'choose another bus'] : null,
  ];
  return [...each(known, '/domain/devices/input', inputs, rule), ...each(known, '/domain/devices/disk', disks, rule)];
}

const servers = {
  vnc: 'VNC server',
  spice: 'spice server',
  'egl-headless': 'GPU',
  sdl: 'window',
  dbus: 'place on D-Bus',
} as const;

/** What QEMU has one of in all. */
const displays: readonly string[] = ['egl-headless', 'sdl', 'dbus'];

function brokenGraphics(known: Known, domain: Ruled): Problem[] {
  const { graphics } = domain;
  const key = '/domain/devices/graphics';
  const isRepeated = repeats(graphics.map(({ type }) => type));
  const isSecond = repeats(graphics.map(({ type }) => (displays.includes(type) ? 'display' : null)));
  return devicesAt(known, key).flatMap((element, index) => {
    const [listen, address] = [valueAt(element, `${key}/@listen`), valueAt(element, `${key}/listen/@address`)];
    const [socket, path] = [valueAt(element, `${key}/@socket`), valueAt(element, `${key}/listen/@socket`)];
    const isTorn = listen !== undefined && address !== undefined && listen !== address;
    const isBoth = socket != null && (path != null ? path !== socket : address !== undefined);
    const hint = 'keep the element <listen>';
    return [
      ...when(
        isRepeated(index),
        element,
        key,
        `one ${servers[graphics[index]?.type ?? 'vnc']} is enough for a machine`,
        'keep one of them',
      ),
      ...brokenBus(element, domain, index),
      ...when(
        isSecond(index),
        element,
        key,
        'QEMU has one display beside its servers',
        'keep one of sdl, dbus and egl-headless',
      ),
      ...when(isTorn || isBoth, element, key, 'it is told in two ways where to listen', hint),
    ];
  });
}

/** libvirt would start a bus for it. */
function brokenBus(element: Known, { graphics, audios }: Ruled, index: number): Problem[] {
  const key = '/domain/devices/graphics';
  const screen = graphics[index];
  if (screen?.type !== 'dbus') return [];
  const { address, audioId } = screen;
  const isPeer = valueAt(element, `${key}/@p2p`) === true;
  const nowhere: Told = ['it does not say on which bus', "add address='unix:path=...', or p2p='yes'"];
  const silent: Told = [`there is no audio ${audioId} for it`, `add <audio id='${audioId}' type='dbus'/>`];
  const isSilent = audioId !== null && !audios.some(({ id }) => id === audioId);
  return [
    ...when(address === null && !isPeer, element, key, ...nowhere),
    ...when(address !== null && isPeer, element, key, 'it has a bus, and none', 'keep the address, or p2p'),
    ...when(isSilent, element, key, ...silent),
  ];
}

function brokenVideos(known: Known, { videos }: Ruled): Problem[] {
  const isRepeated = repeats(videos.map(({ primary }) => (primary ? 'primary' : null)));
  const isAlone = videos.length === 1;
  return each(known, '/domain/devices/video', videos, (one, index) => [
    ...brokenCard(one),
    isRepeated(index) ? ['another video is the primary one', "write primary='no'"] : null,
    one.model === 'none' && !isAlone ? ["model 'none' says that there is no video at all", 'remove the others'] : null,
  ]);
}

/** What a card of its model has not. */
function brokenCard({ model, resolution, accel3d, virtio, acpiIndex }: Video): (Told | null)[] {
  const isVirtio = model === 'virtio';
  return [
    !isPlainVirtio(virtio) && !isVirtio ? ['only a virtio card has such a <driver>', 'remove it'] : null,
    accel3d === true && !isVirtio ? [`a ${model} card has no 3D acceleration`, "use <model type='virtio'>"] : null,
    resolution !== null && !/^(?:vga|qxl|virtio|bochs)$/.test(model)
      ? [`a ${model} card has no resolution to be told`, 'remove <resolution>']
      : null,
    acpiIndex !== null && /^(?:ramfb|none)$/.test(model)
      ? ['what sits on no PCI bus has no index for the firmware', 'remove <acpi>']
      : null,
  ];
}

function brokenSound(known: Known, { sounds, audios }: Ruled): Problem[] {
  const isRepeated = repeats(audios.map(({ id }) => id));
  const drivers = audios.flatMap(({ type, options }) =>
    type === 'sdl' && 'driver' in options ? [options['driver']] : [],
  );
  return [
    ...each(known, '/domain/devices/audio', audios, ({ id, type, options }, index) => [
      isRepeated(index) ? [`another audio has id ${id} already`, 'give each its own id'] : null,
      type === 'sdl' && 'driver' in options && drivers.some((other) => other !== options['driver'])
        ? ['another audio of type sdl has another driver', 'keep one of them']
        : null,
    ]),
    ...each(known, '/domain/devices/sound', sounds, ({ model, audioId, address }) => [
      audioId !== null && !audios.some(({ id }) => id === audioId)
        ? [`there is no audio ${audioId} for it to play on`, `add <audio id='${audioId}' type='none'/>`]
        : null,
      brokenPlace(model, address?.type ?? null),
    ]),
  ];
}

function brokenPlace(model: Sound['model'], type: Address['type'] | null): Told | null {
  const expected = model === 'usb' ? 'usb' : model === 'sb16' || model === 'pcspk' ? null : 'pci';
  if (type === null || type === expected) return null;
  const hint = expected === null ? 'remove the address' : `write <address type='${expected}' .../>`;
  return [`a sound card of model ${model} has no ${type} address`, hint];
}

function brokenTpm(known: Known, { tpm }: Ruled): Problem[] {
  const isOld = tpm?.model === 'tpm-crb' && tpm.backend === 'emulator' && tpm.version !== '2.0';
  const hint = "write version='2.0', or model='tpm-tis'";
  return when(isOld, known, '/domain/devices/tpm', 'the model tpm-crb is of version 2.0', hint);
}

function brokenWatchdog(known: Known, { watchdog }: Ruled): Problem[] {
  const isPlaced = watchdog !== null && watchdog.address !== null && watchdog.model !== 'i6300esb';
  const message = `the watchdog ${watchdog?.model} is no PCI device`;
  return when(isPlaced, known, '/domain/devices/watchdog/address', message, 'remove the address');
}
