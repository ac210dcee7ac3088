/** Variables that the hypervisor of a domain is started with. */
import type { Domain } from '../domain/definition.ts';
import { clockEnvironment } from './argv-clock.ts';

/** Of its clock, and those that its definition gives to QEMU as they are. */
export function hypervisorEnvironment(domain: Domain): Readonly<Record<string, string>> {
  const own = (domain.qemuCommandline?.env ?? []).map(({ name, value }) => [name, value ?? ''] as const);
  return { ...clockEnvironment(domain), ...Object.fromEntries(own) };
}
