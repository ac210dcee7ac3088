/** Lines of the table: where the data of a disk is, and what is behind it. */
import { networkProtocols } from '../domain/disk-source.ts';
import { wholeNumber } from './numbers.ts';
import { by, holder, ignored, missing, only, part, required, several, told, under, value } from './property.ts';
import { flag, hostName, path, supported, supportedBut } from './values.ts';
import { exportName, hostUser, iscsiName } from './values-disks.ts';

/** What to do where libvirt would keep a password. */
export const noSecrets = 'remove it; domctl keeps no secrets: let the server know this host by its address';
const server = "write <source protocol='nbd'>, behind which qemu-nbd or nbdkit serves it";

const secrets = {
  '/auth': missing(noSecrets),
  '/encryption': missing(noSecrets),
  '/reservations': missing(),
  '/slices': missing(),
} as const;

const fetched = {
  '/readahead': holder,
  '/readahead/@size': required(value(wholeNumber(1, 999_999_999))),
  '/timeout': holder,
  '/timeout/@seconds': required(value(wholeNumber(1, 999_999))),
} as const;

const verified = { '/ssl': holder, '/ssl/@verify': value(flag('yes', 'no')) } as const;

/** `<source>` of each type, to be continued from a disk or from what is behind one. */
const sources = {
  '[file]/source': holder,
  '[file]/source/@file': required(value(path('/var/lib/images/disk.qcow2'))),
  '[block]/source': holder,
  '[block]/source/@dev': required(value(path('/dev/vg0/disk'))),
  '[network]/source': by('protocol', null, holder),
  '[network]/source/@protocol': required(
    part(supportedBut({ ssh: server, gluster: server, sheepdog: server, vxhs: server }, ...networkProtocols)),
  ),
  '[network]/source/@name': value(exportName),
  '[network]/source/@tls': ignored(value(supported('no'))),
  '[network]/source/host': several(holder),
  '[network]/source/host/@name': value(hostName),
  '[network]/source/host/@port': value(wholeNumber(1, 65_535)),
  '[network]/source/host/@transport': only('tcp', 'unix'),
  '[network]/source/host/@socket': value(path('/run/nbd.sock')),
  '[network]/source[http]/@query': value(exportName),
  '[network]/source[https]/@query': value(exportName),
  ...under('[network]/source[http]', fetched),
  ...under('[network]/source[https]', { ...fetched, ...verified }),
  ...under('[network]/source[ftp]', fetched),
  ...under('[network]/source[ftps]', { ...fetched, ...verified }),
  '[network]/source/cookies': missing(noSecrets),
  '[network]/source[iscsi]/initiator': holder,
  '[network]/source[iscsi]/initiator/iqn': required(holder),
  '[network]/source[iscsi]/initiator/iqn/@name': required(value(iscsiName)),
  '[network]/source[rbd]/snapshot': holder,
  '[network]/source[rbd]/snapshot/@name': required(value(exportName)),
  '[network]/source[rbd]/config': holder,
  '[network]/source[rbd]/config/@file': required(value(path('/etc/ceph/ceph.conf'))),
  '[network]/source[nfs]/identity': holder,
  '[network]/source[nfs]/identity/@user': value(hostUser),
  '[network]/source[nfs]/identity/@group': value(hostUser),
  '/source/@index': ignored(value(wholeNumber(0, 999_999_999))),
  ...under('/source', secrets),
} as const;

/** A disk that is there is the same without the word. libvirt's schema has it for what is on the host. */
const startupPolicy = {
  ...value(
    supportedBut({ optional: 'remove it; a file that is not there refuses the start' }, 'mandatory', 'requisite'),
  ),
  refusal: 'attribute',
} as const;

/** To be continued from a `<disk>`. */
export const diskSources = {
  ...sources,
  '[dir]/source': holder,
  '[dir]/source/@dir': required(value(path('/srv/files'))),
  '[file]/source/@startupPolicy': startupPolicy,
  '[block]/source/@startupPolicy': startupPolicy,
  '[dir]/source/@startupPolicy': startupPolicy,
  '/auth': missing(noSecrets),
  '/encryption': missing(noSecrets),
  // One behind another has the lines of the first.
  '/backingStore': by('type', null, holder),
  '/backingStore/@type': only('file', 'block', 'network'),
  '/backingStore/@index': ignored(value(wholeNumber(0, 999_999_999))),
  '/backingStore/format': holder,
  '/backingStore/format/@type': told(only('raw', 'qcow2')),
  '/backingStore/format/metadata_cache': missing(),
  ...under('/backingStore', sources),
  '/backingStore[file]/source': required(holder),
  '/backingStore[block]/source': required(holder),
  '/backingStore[network]/source': required(by('protocol', null, holder)),
} as const;
