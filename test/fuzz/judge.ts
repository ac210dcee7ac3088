/** What must hold of any text given for a definition. */
import assert from 'node:assert/strict';
import { assumeCapabilities, assumeFirmware, placeholderLaunch } from '../../lib/convert/placeholders.ts';
import type { Domain } from '../../lib/domain/definition.ts';
import { DomctlError } from '../../lib/errors.ts';
import { buildArgv } from '../../lib/qemu/argv.ts';
import { emitDomain } from '../../lib/xml/emit.ts';
import { parseDomain } from '../../lib/xml/parse.ts';

/** Longest that one text may take of a processor: a machine that has other work too makes nobody's text a slow one. */
const longestMs = 1000;

/**
 * Reads `text` strictly and with what is unknown let through. What is refused must be refused by place; what is read must
 * be read the same again once it was printed, and come to a command line or a refusal. True when it was read.
 */
export function judge(text: string): boolean {
  return [false, true].map((allowUnsupported) => judgeOnce(text, allowUnsupported)).includes(true);
}

function judgeOnce(text: string, allowUnsupported: boolean): boolean {
  const begin = process.cpuUsage();
  const domain = read(text, allowUnsupported);
  if (domain) {
    const printed = emitDomain(domain);
    const again = parse(printed, allowUnsupported);
    assert.deepEqual(again, domain);
    assert.equal(emitDomain(again), printed);
    convert(domain);
  }
  const { user, system } = process.cpuUsage(begin);
  const tookMs = (user + system) / 1000;
  assert.ok(tookMs < longestMs, `took ${Math.round(tookMs)} ms`);
  return domain !== null;
}

function read(text: string, allowUnsupported: boolean): Domain | null {
  try {
    return parse(text, allowUnsupported);
  } catch (error) {
    if (!(error instanceof DomctlError)) throw error;
    assert.equal(error.code, 'INVALID_XML');
    assert.match(error.message, /^vm\.xml:\d+:\d+: /);
    return null;
  }
}

function parse(text: string, allowUnsupported: boolean): Domain {
  const generate = { uuid: () => '00000000-0000-4000-8000-000000000001', mac: () => '52:54:00:00:00:01' };
  return parseDomain(text, { file: 'vm.xml', allowUnsupported, generate }).domain;
}

function convert(domain: Domain): void {
  try {
    const { value: capabilities } = assumeCapabilities(domain, '/usr/bin/qemu-system-x86_64');
    const { value: firmware } = assumeFirmware(domain, '/vars.fd');
    const around = { capabilities, firmware, directory: '/run/d', nowMs: 0 };
    buildArgv(domain, placeholderLaunch(domain, around).value);
  } catch (error) {
    if (!(error instanceof DomctlError)) throw error;
  }
}
