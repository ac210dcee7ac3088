/** Domains that this daemon wrote down itself: definitions on disk, and what an incarnation was launched with. */
import type { Domain } from '../domain/definition.ts';
import type { Launch } from '../domain/incarnation.ts';
import { parseDomain } from '../xml/parse.ts';
import { generateMac, generateUuid } from './identifiers.ts';

/** What was let through at define is let through again: it was the operator's decision then. Throws as `parseDomain`. */
export function readStoredDomain(xml: string, file: string): Domain {
  return parseDomain(xml, { file, allowUnsupported: true, generate: { uuid: generateUuid, mac: generateMac } }).domain;
}

const launched = new WeakMap<Launch, Domain>();

/** What that incarnation runs with, whatever its definition has become since. Read once: a launch never changes. */
export function launchedDomain(launch: Launch): Domain {
  const known = launched.get(launch);
  if (known) return known;
  const domain = readStoredDomain(launch.xml, `launch of incarnation ${launch.id}`);
  launched.set(launch, domain);
  return domain;
}
