/** Rules on where the data of a disk is. */
import type { Disk } from '../domain/devices.ts';
import { type DiskSource, isReadOnlyProtocol, type NetworkHost, type NetworkProtocol } from '../domain/disk-source.ts';
import type { Told } from './rule.ts';

/** Every rule the sources of a disk break, its own and those behind it. */
export function brokenSources(disk: Disk): readonly (Told | null)[] {
  const { source, backing } = disk;
  const behind = (backing?.images ?? []).map((image) => image.source);
  const all = source === null ? behind : [source, ...behind];
  return [brokenDirectory(disk), brokenWriting(disk), brokenChain(disk), ...all.map(brokenNetwork)];
}

function brokenDirectory({ source, format, readonly, backing }: Disk): Told | null {
  const isDirectory = source?.type === 'dir';
  if (isDirectory !== (format === 'fat'))
    return ['a disk of type dir has the format fat, and no other has', "write <driver type='fat'/>, or another type"];
  if (!isDirectory) return null;
  if (!readonly) return ['a directory cannot be written to as a disk', 'add <readonly/>'];
  return backing === null ? null : ['nothing is behind a directory', 'remove <backingStore>'];
}

function brokenWriting({ source, readonly }: Disk): Told | null {
  if (source?.type !== 'network' || readonly || !isReadOnlyProtocol(source.protocol)) return null;
  return [`what is read by ${source.protocol} cannot be written to`, 'add <readonly/>'];
}

/** Only an image of a format that knows it can have something behind it. */
function brokenChain({ format, backing }: Disk): Told | null {
  const images = backing?.images ?? [];
  const formats = [format, ...images.slice(0, -1).map((image) => image.format)];
  return images.length > 0 && formats.some((each) => each !== 'qcow2')
    ? ['only a qcow2 image has another behind it', "write type='qcow2' for the image in front of it"]
    : null;
}

/** How many servers there are to name. */
const counts: Readonly<Record<NetworkProtocol, readonly [least: number, most: number]>> = {
  nbd: [1, 1],
  iscsi: [1, 1],
  rbd: [0, 100],
  http: [1, 1],
  https: [1, 1],
  ftp: [1, 1],
  ftps: [1, 1],
  nfs: [1, 1],
};

/** What is wrong with what is said of a server. */
export function brokenNetwork(source: DiskSource): Told | null {
  if (source.type !== 'network') return null;
  const { protocol, name, hosts } = source;
  const [least, most] = counts[protocol];
  if (hosts.length < least)
    return [`<host> is missing, the server of ${protocol}`, "add <host name='server.example'/>"];
  if (hosts.length > most) return [`${protocol} has one server`, 'keep one <host>'];
  if (hosts.some(isNameless)) return ['<host> says neither a name nor a socket', "add name='server.example'"];
  if (protocol !== 'nbd' && hosts.some(({ transport }) => transport === 'unix'))
    return [`${protocol} is not spoken through a socket of this host`, "remove transport='unix'"];
  return brokenName(protocol, name);
}

function isNameless(host: NetworkHost): boolean {
  return host.transport === 'unix' ? host.socket === '' : host.name === '';
}

const forms: Partial<Record<NetworkProtocol, readonly [RegExp, string]>> = {
  iscsi: [/^[^/]+(?:\/\d{1,9})?$/, 'iqn.2026-01.org.example:disk/1'],
  rbd: [/^[^/]+\/(?:[^/]+\/)?[^/]+$/, 'pool/image'],
  nfs: [/^\/./, '/export/disk.img'],
};

function brokenName(protocol: NetworkProtocol, name: string | null): Told | null {
  if (name === null) return protocol === 'nbd' ? null : ['<source> has no name', 'add the attribute name'];
  const form = forms[protocol];
  if (form === undefined || form[0].test(name)) return null;
  return [`the name is not of the form ${form[1]}`, `write for example ${form[1]}`];
}
