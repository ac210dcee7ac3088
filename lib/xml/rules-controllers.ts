/** Rules on controllers. */
import type { Controller } from '../domain/devices.ts';
import { isPlainVirtio } from '../domain/virtio.ts';
import type { Known } from './known.ts';
import type { Problem } from './problems.ts';
import { each, repeats, type Ruled, type Told } from './rule.ts';

/** What is wrong with controllers. */
export function brokenControllers(known: Known, { controllers }: Ruled): Problem[] {
  const isRepeated = repeats(controllers.map((one) => (isCompanion(one) ? null : `${one.type} ${one.index}`)));
  const isNumbered = repeats(controllers.map((one) => (one.type === 'pci' ? one.busNumber : null)));
  return each(known, '/domain/devices/controller', controllers, (one, index) => [
    isRepeated(index)
      ? [`another ${one.type} controller has index ${one.index} already`, 'give each of a type its own index']
      : null,
    isNumbered(index) ? ['another expander begins at this bus number', 'give each its own busNr'] : null,
    one.index > 255 ? ['there are more than 256 controllers of this type', 'remove some'] : null,
    one.type === 'fdc' && one.index > 0 ? ['there is one floppy controller in a machine', "write index='0'"] : null,
    brokenRoot(one),
    brokenMaster(one),
    brokenScsi(one),
    brokenTarget(one),
    brokenPlace(one),
  ]);
}

/** The three slower functions of an ICH9 have its index. */
function isCompanion(one: Controller): boolean {
  return one.type === 'usb' && /^ich9-uhci/.test(one.model ?? '');
}

function brokenRoot(one: Controller): Told | null {
  if (one.type !== 'pci') return null;
  const isRoot = one.model === 'pci-root' || one.model === 'pcie-root';
  if (one.hole64Bytes !== null && !isRoot) return ['only a root bus has a <pcihole64>', 'remove it'];
  if (isRoot === (one.index === 0)) return null;
  return isRoot
    ? [`the ${one.model} has index 0`, "write index='0'"]
    : ['the pci controller with index 0 is the root', 'begin to count others at 1'];
}

function brokenMaster(one: Controller): Told | null {
  if (one.type !== 'usb' || one.startPort === null || isCompanion(one)) return null;
  return ['only the models ich9-uhci1 to 3 have a <master>', 'remove it'];
}

function brokenScsi(one: Controller): Told | null {
  if (one.type !== 'scsi' || one.model?.startsWith('virtio') === true) return null;
  const { queues, commandsPerLun, maxSectors, ioeventfd, virtio } = one;
  const isTold = [queues, commandsPerLun, maxSectors, ioeventfd].some((each) => each !== null);
  return isTold || !isPlainVirtio(virtio)
    ? ['what <driver> says is for virtio-scsi only', "remove <driver>, or write model='virtio-scsi'"]
    : null;
}

function brokenPlace({ type, address }: Controller): Told | null {
  const expected = type === 'ccid' ? 'usb' : 'pci';
  if (address === null || address.type === expected) return null;
  return [`a ${type} controller has no ${address.type} address`, `write <address type='${expected}' .../>`];
}

const slots: readonly string[] = ['pcie-root-port', 'pcie-switch-downstream-port'];

function brokenTarget(one: Controller): Told | null {
  if (one.type !== 'pci') return null;
  const isExpander = one.model.endsWith('expander-bus');
  if (one.busNumber !== null && !isExpander) return [`a ${one.model} has no busNr`, 'remove the attribute'];
  return one.hotplug !== null && !slots.includes(one.model)
    ? [`a ${one.model} has no hotplug to switch`, 'remove the attribute hotplug']
    : null;
}
