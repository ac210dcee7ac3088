import { describe, expect, test } from 'vitest';
import { renderCommand } from '../../../lib/cli/render/shell.ts';
import { convertDefinition } from '../../../lib/convert/convert.ts';
import { findPlaces } from '../../../lib/places.ts';
import { shellWords } from '../../corpus/argv-file.ts';

const emulator = '/nowhere/qemu-system-x86_64';
const places = findPlaces({ DOMCTL_RUNTIME_DIR: '/run/x', DOMCTL_STATE_DIR: '/var/lib/x' });

async function convert(devices: string, os = '', allowUnsupported = false) {
  const xml = `<domain type='kvm'><name>web1</name><memory>65536</memory><os>${os}
    <type arch='x86_64' machine='pc-q35-99.9'>hvm</type></os><cpu mode='custom'><model>Unheard-Of</model></cpu>
    <devices><emulator>${emulator}</emulator>${devices}</devices></domain>`;
  return convertDefinition({ file: 'web1.xml', xml, allowUnsupported, places });
}

describe('a definition as a command line', () => {
  test('needs no emulator, image, bridge, tap, port or firmware to be there, and says what it took instead', async () => {
    const { argv, notes } = await convert(
      `<disk type='file'><source file='/nowhere/a.img'/><target dev='vda' bus='virtio'/></disk>
       <interface type='bridge'><source bridge='br-nowhere'/><model type='virtio'/></interface>
       <graphics type='vnc' port='-1'/>`,
      "<loader readonly='yes' type='pflash'>/nowhere/CODE.fd</loader>",
    );
    const line = argv.join(' ');
    expect(argv[0]).toBe(emulator);
    expect(line).toContain('pc-q35-99.9');
    expect(line).toContain('"filename":"/nowhere/a.img"');
    expect(line).toContain('"filename":"/var/lib/x/nvram/web1_VARS.fd"');
    expect(line).toContain('"type":"tap","fd":"3","vhost":true,"vhostfd":"4"');
    expect(line).toContain('-vnc 127.0.0.1:0');
    const told = ['QEMU 10.0.0', 'no uuid', '/nowhere/CODE.fd', '/run/x', 'descriptors 3 to 4', 'VNC', 'images'];
    for (const word of told) expect(notes.join('\n')).toContain(word);
  });

  test('is refused as define refuses it', async () => {
    await expect(convert('<unheard/>')).rejects.toMatchObject({ code: 'INVALID_XML' });
    const { notes } = await convert('<unheard/>', '', true);
    expect(notes[0]).toMatch(/^web1\.xml:\d+:\d+: .*kept without effect$/);
  });

  test('is a line that a shell takes apart into the same words', () => {
    const argv = ['/bin/qemu', '-name', "guest=it's a,b", '{"a":"$HOME `x`"}', ''];
    expect(shellWords(renderCommand(argv, { TZ: 'Europe/Paris' }).replace(/ ''$/, ''))).toEqual([
      'TZ=Europe/Paris',
      ...argv.slice(0, -1),
    ]);
    expect(renderCommand(['a', ''], {})).toBe("a ''");
  });
});
