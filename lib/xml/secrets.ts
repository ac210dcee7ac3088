/** What a definition may hold that is not for everyone's eyes. domctl itself keeps none; `--allow-unsupported` lets libvirt's through. */

/**
 * Passwords of screens and cookies of servers, as libvirt writes them. Only where they are markup: in a text or a value the
 * printer writes a quote as a reference.
 */
const secrets = /\spasswd\s*=\s*(?:'[^']*'|"[^"]*")|<cookies\b[^>]*>.*?<\/cookies\s*>/gs;

/** The definition as `virsh dumpxml` shows it without `--security-info`. */
export function withoutSecrets(xml: string): string {
  return xml.replace(secrets, '');
}
