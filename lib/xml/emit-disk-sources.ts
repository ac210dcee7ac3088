/** Where the data of a disk is, and what is behind it -> XML. */
import type { BackingChain, BackingImage, DiskSource, NetworkHost, NetworkSource } from '../domain/disk-source.ts';
import { tag, yesNo, type Tag } from './serialize.ts';

/** `<source>`; `attributes` are those of any type. */
export function source(given: DiskSource, attributes: Readonly<Record<string, string | null>> = {}): Tag {
  switch (given.type) {
    case 'file':
      return tag('source', { file: given.path, ...attributes });
    case 'block':
      return tag('source', { dev: given.path, ...attributes });
    case 'dir':
      return tag('source', { dir: given.path, ...attributes });
    case 'network':
      return network(given, attributes);
  }
}

function network(given: NetworkSource, attributes: Readonly<Record<string, string | null>>): Tag {
  const { protocol, name, query, verifiesServer, readaheadBytes, timeoutSeconds } = given;
  return tag('source', { protocol, name, query, ...attributes }, [
    ...given.hosts.map(host),
    verifiesServer === null ? null : tag('ssl', { verify: yesNo(verifiesServer) }),
    readaheadBytes === null ? null : tag('readahead', { size: readaheadBytes }),
    timeoutSeconds === null ? null : tag('timeout', { seconds: timeoutSeconds }),
    ...identity(given),
  ]);
}

function identity({ initiator, snapshot, config, user, group }: NetworkSource): (Tag | null)[] {
  const asks = { user: user === null ? null : `+${user}`, group: group === null ? null : `+${group}` };
  return [
    initiator === null ? null : tag('initiator', {}, [tag('iqn', { name: initiator })]),
    snapshot === null ? null : tag('snapshot', { name: snapshot }),
    config === null ? null : tag('config', { file: config }),
    user === null && group === null ? null : tag('identity', asks),
  ];
}

function host(one: NetworkHost): Tag {
  if (one.transport === 'unix') return tag('host', { transport: 'unix', socket: one.socket });
  return tag('host', { name: one.name, port: one.port });
}

/** `<backingStore>` with all that is behind it; null where it is not told. */
export function backingStore(chain: BackingChain | null): Tag | null {
  if (chain === null) return null;
  const end = chain.ends ? tag('backingStore') : null;
  return chain.images.reduceRight<Tag | null>((behind, image) => layer(image, behind), end);
}

function layer({ source: given, format }: BackingImage, behind: Tag | null): Tag {
  return tag('backingStore', { type: given.type }, [tag('format', { type: format }), source(given), behind]);
}
