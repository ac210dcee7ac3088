/** Namespaces of libvirt's, and what their elements are called in the table. */
import type { XmlElement } from './document.ts';

/** Of what only QEMU has. */
export const qemuNamespace = 'http://libvirt.org/schemas/domain/qemu/1.0';

/** What the table calls an element: QEMU's own have the prefix `qemu:` there, whatever the document's; null: not libvirt's. */
export function tableName({ name, namespace }: Pick<XmlElement, 'name' | 'namespace'>): string | null {
  if (namespace === '') return name;
  return namespace === qemuNamespace ? `qemu:${name.slice(name.indexOf(':') + 1)}` : null;
}
