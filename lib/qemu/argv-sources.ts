/** Where the data of a disk is, as QEMU's block layer has it. Pure. */
import type { DiskSource, NetworkHost, NetworkProtocol, NetworkSource } from '../domain/disk-source.ts';
import { given, impossible } from './arguments.ts';

/** Driver and place of the data; the node's name and rules are its disk's. `isFloppy`: of a directory. */
export function sourceNode(source: DiskSource, aio: string | null, isFloppy: boolean): object {
  switch (source.type) {
    case 'file':
      return { driver: 'file', filename: source.path, ...given('aio', aio) };
    case 'block':
      return { driver: 'host_device', filename: source.path, ...given('aio', aio) };
    case 'dir':
      return { driver: 'vvfat', dir: source.path, floppy: isFloppy, rw: false };
    case 'network':
      return network[source.protocol](source);
  }
}

/** Locking is said, not left to `auto`, which goes without locks where the file system refuses them. */
export function locking({ type }: DiskSource): object {
  return type === 'file' || type === 'block' ? { locking: 'on' } : {};
}

const ports: Partial<Record<NetworkProtocol, number>> = {
  nbd: 10_809,
  iscsi: 3260,
  rbd: 6789,
  http: 80,
  https: 443,
  ftp: 21,
  ftps: 990,
};

const network: Readonly<Record<NetworkProtocol, (source: NetworkSource) => object>> = {
  nbd: (source) => ({
    driver: 'nbd',
    server: address(server(source), source.protocol),
    ...given('export', source.name),
  }),
  iscsi,
  rbd,
  http: url,
  https: url,
  ftp: url,
  ftps: url,
  nfs: (source) => ({
    driver: 'nfs',
    server: { host: tcp(server(source)).name, type: 'inet' },
    path: source.name,
    ...given('user', source.user),
    ...given('group', source.group),
  }),
};

function server({ hosts, protocol }: NetworkSource): NetworkHost {
  const [host] = hosts;
  if (host === undefined) throw impossible(`<source protocol='${protocol}'> names no <host>`, 'add its server');
  return host;
}

function tcp(host: NetworkHost): Extract<NetworkHost, { transport: 'tcp' }> {
  if (host.transport === 'tcp') return host;
  throw impossible("<host transport='unix'> is for nbd only", 'name a server');
}

function portOf(host: Extract<NetworkHost, { transport: 'tcp' }>, protocol: NetworkProtocol): string {
  return String(host.port ?? ports[protocol] ?? 0);
}

function address(host: NetworkHost, protocol: NetworkProtocol): object {
  if (host.transport === 'unix') return { type: 'unix', path: host.socket };
  return { type: 'inet', host: host.name, port: portOf(host, protocol) };
}

/** `target/lun`, lun 0 when it is not told. */
function iscsi(source: NetworkSource): object {
  const [target = '', lun = '0'] = (source.name ?? '').split('/');
  const portal = authority(source);
  const who = given('initiator-name', source.initiator);
  return { driver: 'iscsi', portal, target, lun: Number(lun), transport: 'tcp', ...who };
}

/** `pool/image`, or `pool/namespace/image`. */
function rbd({ name, hosts, snapshot, config, protocol }: NetworkSource): object {
  const parts = (name ?? '').split('/');
  const monitors = hosts.map(tcp).map((host) => ({ host: host.name, port: portOf(host, protocol) }));
  return {
    driver: 'rbd',
    pool: parts[0],
    ...(parts.length === 3 ? { namespace: parts[1] } : {}),
    image: parts.at(-1),
    ...given('snapshot', snapshot),
    ...(monitors.length === 0 ? {} : { server: monitors }),
    ...given('conf', config),
  };
}

function url(source: NetworkSource): object {
  const { protocol, name, query, verifiesServer, readaheadBytes, timeoutSeconds } = source;
  // A question mark in a name is no query, and a sharp in either no end of what is asked for.
  const path = encodeURI((name ?? '').replace(/^\//, '')).replace(/[?#]/g, encodeURIComponent);
  const question = query === null ? '' : `?${query.replace(/[^!-~]+|#/gu, encodeURIComponent)}`;
  return {
    driver: protocol,
    url: `${protocol}://${authority(source)}/${path}${question}`,
    ...given('sslverify', verifiesServer),
    ...given('readahead', readaheadBytes),
    ...given('timeout', timeoutSeconds),
  };
}

/** `server.example:80`; an IPv6 address has brackets. */
function authority(source: NetworkSource): string {
  const host = tcp(server(source));
  return `${host.name.includes(':') ? `[${host.name}]` : host.name}:${portOf(host, source.protocol)}`;
}
