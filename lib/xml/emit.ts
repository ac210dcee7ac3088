/**
 * Domain -> domain XML, in the order of `virsh dumpxml`, always from the model. `<metadata>` and what --allow-unsupported let
 * through are printed as they were given.
 */
import type { Domain } from '../domain/definition.ts';
import { devices } from './emit-devices.ts';
import { sysinfo } from './emit-identity.ts';
import { iothreads } from './emit-iothreads.ts';
import { clock, cpu, features, operatingSystem, powerManagement } from './emit-machine.ts';
import { blkiotune, cputune, memory, memoryBacking, memtune, vcpu } from './emit-tuning.ts';
import { maximum } from './emit-memory.ts';
import { numatune } from './emit-numa.ts';
import { commandline } from './emit-translation.ts';
import { graft } from './graft.ts';
import { policyNamespace } from './policy.ts';
import { serialize, tag, texted, unlessEmpty, type Tag } from './serialize.ts';

/** The document that `parseDomain` (with `allowUnsupported`, if anything was let through) reads as the same domain again. */
export function emitDomain(domain: Domain): string {
  const root = tag('domain', { type: domain.type }, [
    tag('name', {}, domain.name),
    tag('uuid', {}, domain.uuid),
    texted('genid', domain.genid),
    texted('title', domain.title),
    texted('description', domain.description),
    domain.metadataXml ?? metadata(domain.policy),
    maximum(domain),
    memory('memory', domain.memoryBytes),
    memory('currentMemory', domain.currentMemoryBytes),
    unlessEmpty(blkiotune(domain.blkiotune)),
    unlessEmpty(memtune(domain.memtune)),
    unlessEmpty(memoryBacking(domain.memoryBacking)),
    vcpu(domain),
    ...iothreads(domain.iothreads),
    unlessEmpty(cputune(domain.cputune)),
    unlessEmpty(numatune(domain.numatune)),
    domain.sysinfo === null ? null : sysinfo(domain.sysinfo),
    operatingSystem(domain.os),
    unlessEmpty(features(domain.features)),
    domain.cpu === null ? null : cpu(domain.cpu),
    clock(domain.clock),
    tag('on_poweroff', {}, domain.lifecycle.onPoweroff),
    tag('on_reboot', {}, domain.lifecycle.onReboot),
    tag('on_crash', {}, domain.lifecycle.onCrash),
    unlessEmpty(powerManagement(domain.powerManagement)),
    devices(domain),
    domain.qemuCommandline === null ? null : commandline(domain.qemuCommandline),
  ]);
  return serialize(graft(root, domain.unsupported));
}

/** For a domain that was not read from XML. */
function metadata(policy: string | null): Tag | null {
  return policy === null ? null : tag('metadata', {}, [tag('policy', { xmlns: policyNamespace, name: policy })]);
}
