/**
 * The one error class users ever see, and the one table from its code to an exit code and an HTTP status.
 * Owns: what a failure is called. Must not know: who raised it or how it is printed.
 */

interface Meaning {
  /** Exit code of the command line. */
  readonly exit: 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8 | 9 | 10 | 130;
  /** Status of the daemon's HTTP answer. */
  readonly http: number;
}

const meanings = {
  /** The guest, or its agent, gives no answer. */
  GUEST_SILENT: { exit: 1, http: 409 },
  /** Something went wrong that no other code names. */
  FAILED: { exit: 1, http: 500 },
  /** Another domain has that name or UUID already. */
  DOMAIN_EXISTS: { exit: 1, http: 409 },
  /** The command line or request is malformed. */
  USAGE: { exit: 2, http: 400 },
  NO_SUCH_DOMAIN: { exit: 3, http: 404 },
  /** start of a domain that is live already. */
  DOMAIN_ACTIVE: { exit: 4, http: 409 },
  /** A verb that needs a live hypervisor, and there is none. */
  DOMAIN_NOT_RUNNING: { exit: 4, http: 409 },
  /** A verb the present state does not allow. */
  WRONG_STATE: { exit: 4, http: 409 },
  /** The previous incarnation's exclusive resources are not proven free. */
  INCARNATION_EXITING: { exit: 4, http: 409 },
  /** The facts about an incarnation cannot be read. */
  INCARNATION_LOST: { exit: 4, http: 409 },
  /** Another live domain claims the same image. */
  CLAIM_CONFLICT: { exit: 4, http: 409 },
  /** A figure the decision needs is unknown. */
  READING_UNKNOWN: { exit: 4, http: 409 },
  /** Someone already waits to start this domain. */
  ALREADY_WAITING: { exit: 4, http: 409 },
  /** Only the domain's own draining memory stands in the way. */
  INCARNATION_DRAINING: { exit: 5, http: 409 },
  /** Only other domains' draining memory stands in the way. */
  MEMORY_DRAINING: { exit: 5, http: 409 },
  /** The host is too small for it, draining or not. */
  MEMORY_SHORT: { exit: 6, http: 409 },
  /** The policy does not allow this start or force-start. */
  POLICY_FORBIDS: { exit: 6, http: 403 },
  INVALID_XML: { exit: 7, http: 422 },
  INVALID_POLICY: { exit: 7, http: 422 },
  /** The host lacks a feature, a program or a file the definition names. */
  HOST_LACKS: { exit: 8, http: 409 },
  DAEMON_UNREACHABLE: { exit: 9, http: 503 },
  /** The daemon went away while its answer was awaited. */
  DAEMON_LOST: { exit: 9, http: 503 },
  /** The socket belongs to, or is served by, someone else. */
  SOCKET_NOT_OURS: { exit: 9, http: 503 },
  /** The caller's deadline passed; nothing was undone. */
  DEADLINE_PASSED: { exit: 10, http: 504 },
  INTERRUPTED: { exit: 130, http: 499 },
} as const satisfies Record<string, Meaning>;

export type ErrorCode = keyof typeof meanings;

/** Flat facts about a failure, for programs: bytes, ids, names. */
export type ErrorDetails = Readonly<Record<string, unknown>>;

export interface ErrorOptions {
  /** One line that tells the way out. */
  readonly hint?: string | undefined;
  readonly details?: ErrorDetails | undefined;
  readonly cause?: unknown;
}

/** A failure with a stable code. `message` is one short sentence; the remedy is in `hint`. */
export class DomctlError extends Error {
  readonly code: ErrorCode;
  readonly hint: string | null;
  readonly details: ErrorDetails;

  constructor(code: ErrorCode, message: string, options: ErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'DomctlError';
    this.code = code;
    this.hint = options.hint ?? null;
    this.details = options.details ?? {};
  }

  get exit(): number {
    return meanings[this.code].exit;
  }

  get http(): number {
    return meanings[this.code].http;
  }
}

/** A system call or kernel file that failed; carries what was attempted, for the log and for `isErrno`. */
export class KernelError extends Error {
  readonly errno: number;
  readonly code: string;
  readonly syscall: string;
  readonly path: string | null;

  constructor(failure: {
    errno: number;
    code: string;
    syscall: string;
    path?: string | null;
    written?: string;
    cause?: unknown;
  }) {
    const where = failure.path ? ` ${failure.path}` : '';
    const what = failure.written === undefined ? '' : ` (writing ${JSON.stringify(failure.written)})`;
    super(`${failure.syscall}${where}: ${failure.code}${what}`, { cause: failure.cause });
    this.name = 'KernelError';
    this.errno = failure.errno;
    this.code = failure.code;
    this.syscall = failure.syscall;
    this.path = failure.path ?? null;
  }
}

/** True when `error` carries one of these errno names, whoever raised it. */
export function isErrno(error: unknown, ...codes: readonly string[]): boolean {
  return error instanceof Error && 'code' in error && codes.includes(String(error.code));
}

export function isErrorCode(text: string): text is ErrorCode {
  return Object.hasOwn(meanings, text);
}

/** The sentence of any thrown thing. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Any thrown thing as a DomctlError; what is not one already becomes FAILED with its cause kept. */
export function asDomctlError(error: unknown): DomctlError {
  if (error instanceof DomctlError) return error;
  if (isTwin(error)) {
    const { code, message, hint, details, cause } = error;
    return new DomctlError(code, message, { hint: hint ?? undefined, details, cause });
  }
  const message = messageOf(error);
  return new DomctlError('FAILED', message, { cause: error });
}

/** A DomctlError of another bundle, which has a copy of this class. */
function isTwin(error: unknown): error is DomctlError {
  return error instanceof Error && error.name === 'DomctlError' && 'code' in error && isErrorCode(String(error.code));
}
