/**
 * Domain -> domain XML, in the order of `virsh dumpxml`, always from the model. `<metadata>` and what --allow-unsupported let
 * through are printed as they were given.
 */
import type { Domain, Features, MemoryBacking, OperatingSystem } from '../domain/definition.ts';
import type { Backend, Console, Disk, Interface, Serial } from '../domain/devices.ts';
import { graft } from './graft.ts';
import { policyNamespace } from './policy.ts';
import { serialize, tag, type Tag } from './serialize.ts';

/** The document that `parseDomain` (with `allowUnsupported`, if anything was let through) reads as the same domain again. */
export function emitDomain(domain: Domain): string {
  const root = tag('domain', { type: domain.type }, [
    tag('name', {}, domain.name),
    tag('uuid', {}, domain.uuid),
    domain.title === null ? null : tag('title', {}, domain.title),
    domain.description === null ? null : tag('description', {}, domain.description),
    domain.metadataXml ?? metadata(domain.policy),
    memory('memory', domain.memoryBytes),
    memory('currentMemory', domain.currentMemoryBytes),
    unlessEmpty(memoryBacking(domain.memoryBacking)),
    tag('vcpu', { placement: 'static' }, domain.vcpus),
    operatingSystem(domain.os),
    unlessEmpty(features(domain.features)),
    tag('on_poweroff', {}, domain.lifecycle.onPoweroff),
    tag('on_reboot', {}, domain.lifecycle.onReboot),
    tag('on_crash', {}, domain.lifecycle.onCrash),
    devices(domain),
  ]);
  return serialize(graft(root, domain.unsupported));
}

/** For a domain that was not read from XML. */
function metadata(policy: string | null): Tag | null {
  return policy === null ? null : tag('metadata', {}, [tag('policy', { xmlns: policyNamespace, name: policy })]);
}

function memory(name: string, bytes: number): Tag {
  return tag(name, { unit: 'KiB' }, Math.ceil(bytes / 1024));
}

function unlessEmpty(element: Tag): Tag | null {
  return element.children.length === 0 ? null : element;
}

function memoryBacking({ source, access, allocation, allocationThreads }: MemoryBacking): Tag {
  const isPlain = allocation === 'ondemand' && allocationThreads === null;
  return tag('memoryBacking', {}, [
    source === 'anonymous' ? null : tag('source', { type: source }),
    access === 'private' ? null : tag('access', { mode: access }),
    isPlain ? null : tag('allocation', { mode: allocation, threads: allocationThreads }),
  ]);
}

function operatingSystem({ arch, machine, boot, kernel, initrd, cmdline }: OperatingSystem): Tag {
  return tag('os', {}, [
    tag('type', { arch, machine }, 'hvm'),
    kernel === null ? null : tag('kernel', {}, kernel),
    initrd === null ? null : tag('initrd', {}, initrd),
    cmdline === null ? null : tag('cmdline', {}, cmdline),
    ...boot.map((dev) => tag('boot', { dev })),
  ]);
}

function features({ acpi, apic, pae, asyncTeardown }: Features): Tag {
  return tag('features', {}, [
    acpi ? tag('acpi') : null,
    apic ? tag('apic') : null,
    pae ? tag('pae') : null,
    asyncTeardown === null ? null : tag('async-teardown', { enabled: asyncTeardown ? 'yes' : 'no' }),
  ]);
}

function devices(domain: Domain): Tag {
  return tag('devices', {}, [
    domain.emulator === null ? null : tag('emulator', {}, domain.emulator),
    ...domain.disks.map(disk),
    ...domain.interfaces.map(card),
    ...domain.serials.map(serial),
    ...domain.consoles.map(console),
    tag('memballoon', { model: domain.memballoon.model }),
  ]);
}

function disk({ source, format, target, bus, readonly, shareable }: Disk): Tag {
  return tag('disk', { type: 'file', device: 'disk' }, [
    tag('driver', { name: 'qemu', type: format }),
    tag('source', { file: source?.path ?? null }),
    tag('target', { dev: target, bus }),
    readonly ? tag('readonly') : null,
    shareable ? tag('shareable') : null,
  ]);
}

function card({ type, mac, model }: Interface): Tag {
  return tag('interface', { type }, [tag('mac', { address: mac }), tag('model', { type: model })]);
}

function serial({ backend, port }: Serial): Tag {
  return tag('serial', { type: 'file' }, [
    source(backend),
    tag('target', { type: 'isa-serial', port }, [tag('model', { name: 'isa-serial' })]),
  ]);
}

function console({ kind, backend, port }: Console): Tag {
  return tag('console', { type: 'file' }, [source(backend), tag('target', { type: kind, port })]);
}

function source(backend: Backend): Tag {
  if (backend.type !== 'file') throw new Error(`${backend.type} is not written yet`);
  const { path, append } = backend;
  return tag('source', { path, append: append === null ? null : append ? 'on' : 'off' });
}
