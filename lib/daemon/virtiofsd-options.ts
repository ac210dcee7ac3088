/** What virtiofsd is told of a directory, in the words of its C version and of the one written in Rust. Pure. */
import type { Filesystem } from '../domain/devices.ts';

/** Options beside the socket. */
export function virtiofsdOptions({ source, readonly, server }: Filesystem, isRust: boolean): string[] {
  const words = isRust ? rustWords(server) : cWords(server);
  const shared = isRust ? ['--shared-dir', source] : ['-f', '-o', `source=${source.replace(/[\\,]/g, '\\$&')}`];
  const threads = server.threads === null ? [] : [`--thread-pool-size=${server.threads}`];
  return [...shared, ...words, ...threads, ...(readonly ? ['--readonly'] : [])];
}

function rustWords({ xattr, cache, sandbox }: Filesystem['server']): string[] {
  return [
    ...(xattr === true ? ['--xattr'] : []),
    ...(cache === null ? [] : [`--cache=${cache === 'none' ? 'never' : cache}`]),
    ...(sandbox === null ? [] : [`--sandbox=${sandbox}`]),
  ];
}

function cWords({ xattr, cache, sandbox }: Filesystem['server']): string[] {
  return [
    ...(xattr === null ? [] : ['-o', xattr ? 'xattr' : 'no_xattr']),
    ...(cache === null ? [] : ['-o', `cache=${cache}`]),
    ...(sandbox === null ? [] : ['-o', `sandbox=${sandbox}`]),
  ];
}
