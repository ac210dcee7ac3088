/** How a QMP command fails. Owns the four kinds; what they mean for a domain is the caller's to say. */

/**
 * refused: QEMU answered with an error, whose `class` says which; deadline: no answer in time, and QEMU may still act
 * on it; closed: the connection ended first; protocol: the other end does not speak QMP.
 */
export type QmpErrorKind = 'refused' | 'deadline' | 'closed' | 'protocol';

/** A QMP command, or the connection it was for, that failed. */
export class QmpError extends Error {
  /** Name of the command; `connect` until the connection is up. */
  readonly command: string;
  /** QEMU's error class, e.g. `DeviceNotActive`; null unless refused by QEMU itself. */
  readonly class: string | null;
  readonly kind: QmpErrorKind;

  constructor(
    command: string,
    kind: QmpErrorKind,
    reason: string,
    options: { class?: string | undefined; cause?: unknown } = {},
  ) {
    super(`QMP ${command}: ${reason}`, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'QmpError';
    this.command = command;
    this.class = options.class ?? null;
    this.kind = kind;
  }
}
