/** The guest's devices as QEMU's arguments, in libvirt's order. Pure. Must not know how the process is confined. */
import type { Domain } from '../domain/definition.ts';
import { withAliases } from './aliases.ts';
import { bootOrder } from './argv-boot.ts';
import { controllerParts } from './argv-controllers.ts';
import { requireForDisks } from './argv-disk-hardware.ts';
import { diskParts, sortDisks } from './argv-disks.ts';
import { inputParts, videoParts } from './argv-display.ts';
import { filesystemParts } from './argv-filesystems.ts';
import { graphicsArguments } from './argv-graphics.ts';
import { lineParts } from './argv-lines.ts';
import { interfaceParts } from './argv-network.ts';
import { moduleArguments } from './argv-modules.ts';
import { settle } from './argv-pci.ts';
import { balloonParts, panicParts, rngParts, tpmArguments, watchdogParts } from './argv-services.ts';
import { hostdevParts, pstoreParts, vsockParts } from './argv-hostdevs.ts';
import { hubArguments, redirdevArguments, smartcardArguments } from './argv-redirection.ts';
import { shmemParts } from './argv-shmem.ts';
import { audioArguments, soundParts } from './argv-sound.ts';
import { cryptoParts, iommuParts } from './argv-translation.ts';
import { usbPlaces } from './argv-usb.ts';
import type { Part } from './arguments.ts';
import type { LaunchSettings } from './launch-settings.ts';
import { machineFamily } from './machine-family.ts';

/** Arguments of every device, controllers first. Throws INVALID_XML for what no machine can have. */
export function deviceArguments(domain: Domain, launch: LaunchSettings): string[] {
  const disks = sortDisks(domain.disks);
  const boot = bootOrder(domain, disks);
  const usb = usbPlaces(domain);
  requireForDisks(disks, launch.capabilities);
  const parts: Part[] = [
    ...iommuParts(domain),
    ...controllerParts(domain),
    ...moduleArguments(domain),
    ...hubArguments(domain, usb),
    ...diskParts(domain, disks, boot),
    ...filesystemParts(domain, launch.filesystemSockets, boot),
    ...interfaceParts(domain, launch.taps, { boot, usb }),
    ...smartcardArguments(domain, { socketDir: launch.socketDir, usb }),
    ...lineParts(domain, launch.socketDir, usb),
    ...tpmArguments(domain, launch.tpmSocket, launch.tpmFds),
    ...inputParts(domain),
    ...audioArguments(domain),
    ...graphicsArguments(domain, launch.vncPorts, launch.socketDir),
    ...videoParts(domain),
    ...soundParts(domain, usb),
    ...watchdogParts(domain),
    ...redirdevArguments(domain, { socketDir: launch.socketDir, usb, boot }),
    ...hostdevParts(domain, { usb, boot, nodes: launch.deviceNodes }),
    ...balloonParts(domain),
    ...rngParts(domain),
    ...panicParts(domain),
    ...cryptoParts(domain),
    ...pstoreParts(domain),
    ...vsockParts(domain, launch.vsock),
    ...shmemParts(domain),
  ];
  return withAliases(settle(parts, machineFamily(domain.os.machine)), domain);
}
