/**
 * What must hold between several values of one definition; each alone is fine by the table.
 * Expects a document the table accepts, and the domain read from it.
 */
import type { Domain } from '../domain/definition.ts';
import { find, type Known } from './known.ts';
import { readPolicy } from './policy.ts';
import type { Problem } from './problems.ts';
import { brokenAcpi } from './rules-acpi.ts';
import { brokenAliases } from './rules-aliases.ts';
import { brokenPlaces } from './rules-addresses.ts';
import { brokenCharacters } from './rules-characters.ts';
import { brokenDevices } from './rules-devices.ts';
import { brokenDisks } from './rules-disks.ts';
import { brokenFeatures } from './rules-features.ts';
import { brokenFilesystems } from './rules-filesystems.ts';
import { brokenHostdevs } from './rules-hostdevs.ts';
import { brokenIdentity } from './rules-identity.ts';
import { brokenInterfaces } from './rules-interfaces.ts';
import { brokenIoThreads } from './rules-iothreads.ts';
import { brokenMachine } from './rules-machine.ts';
import { brokenModules } from './rules-memory.ts';
import { brokenNuma } from './rules-numa.ts';
import { brokenRedirection } from './rules-redirection.ts';
import { brokenShmems } from './rules-shmem.ts';
import { brokenTranslation } from './rules-translation.ts';
import { brokenTuning } from './rules-tuning.ts';

/** Every rule the document breaks. */
export function brokenRules(known: Known, domain: Omit<Domain, 'unsupported'>): Problem[] {
  const rules = [
    brokenTuning,
    brokenMachine,
    brokenFeatures,
    brokenIdentity,
    brokenIoThreads,
    brokenModules,
    brokenNuma,
    brokenPlaces,
    brokenDisks,
    brokenFilesystems,
    brokenInterfaces,
    brokenCharacters,
    brokenDevices,
    brokenRedirection,
    brokenTranslation,
    brokenAcpi,
    brokenHostdevs,
    brokenShmems,
    brokenAliases,
  ];
  return [
    ...rules.flatMap((rule) => rule(known, domain)),
    ...readPolicy(find(known, '/domain/metadata')?.element ?? null).problems,
  ];
}
