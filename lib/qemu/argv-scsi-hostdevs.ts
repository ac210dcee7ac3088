/** SCSI devices of the host, or of an iSCSI server, as QEMU's arguments: the guest's commands are passed on as they are. Pure. */
import type { Domain } from '../domain/definition.ts';
import type { ScsiHostdev } from '../domain/hostdev.ts';
import { sourceNode } from './argv-sources.ts';
import { scsiModel } from './argv-controllers.ts';
import { scsiPlace } from './argv-scsi.ts';
import { device, impossible, json } from './arguments.ts';
import type { Drive } from './drive-address.ts';
import { scsiPlaces } from './scsi-places.ts';

/** A node of QEMU's block layer and a device on it. `node` is that of the host, null for one of a server. */
export function scsiHostdev(
  domain: Domain,
  hostdev: ScsiHostdev,
  { names, node }: { readonly names: { readonly id: string }; readonly node: string | null },
): string[] {
  const place = scsiPlaces(domain).get(hostdev);
  if (place === undefined) throw new Error(`${names.id} has no place`);
  const drive = `${names.id}-backend`;
  const block = { ...storage(hostdev, node), 'node-name': drive, 'read-only': hostdev.readonly };
  const properties = { driver: 'scsi-generic', drive, ...names, ...placeOf(domain, place) };
  return [...json('-blockdev', block), ...device(properties)];
}

function storage({ source }: ScsiHostdev, node: string | null): object {
  if (source.type === 'network') return sourceNode(source, null, false);
  if (node === null) throw new Error('no node was found for a SCSI device');
  return { driver: 'host_device', filename: node };
}

function placeOf(domain: Domain, place: Drive): object {
  const model = scsiModel(domain, place.controller);
  if (model !== 'lsilogic' || place.target === 0) return scsiPlace(model, place);
  throw impossible(
    'a controller of model lsilogic has no targets',
    "write target='0', or <controller model='virtio-scsi'>",
  );
}
