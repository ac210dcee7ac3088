/** Identifiers made where the XML gives none. */
import { randomBytes, randomUUID } from 'node:crypto';

export function generateUuid(): string {
  return randomUUID();
}

/** A MAC of QEMU's and KVM's own range, 52:54:00, as libvirt gives. */
export function generateMac(): string {
  return ['52', '54', '00', ...[...randomBytes(3)].map((byte) => byte.toString(16).padStart(2, '0'))].join(':');
}
