import { describe, expect, test } from 'vitest';
import { readCommand, shellWords } from '../../corpus/argv-file.ts';
import { compareMachines } from '../../corpus/compare.ts';
import { judge } from '../../corpus/judge.ts';
import { readMachine } from '../../corpus/machine.ts';
import { only, tellDifference } from '../../corpus/report.ts';

const machine = ['-machine', 'pc,usb=off,memory-backend=pc.ram'];
const memory = ['-object', '{"qom-type":"memory-backend-ram","id":"pc.ram","size":1048576}'];
const image = ['-blockdev', '{"driver":"file","filename":"/a.img","node-name":"n1","read-only":false}'];
const disk = ['-device', '{"driver":"virtio-blk-pci","drive":"n1","id":"d0","bus":"pci.0","addr":"0x2"}'];
const whole = [...machine, ...memory, ...image, ...disk];

function tell(libvirt: readonly string[], domctl: readonly string[]): string[] {
  return compareMachines(readMachine(libvirt), readMachine(domctl)).map(tellDifference);
}

describe('two command lines', () => {
  test('are the same whatever their order, ids, spelling and PCI places', () => {
    const other = [
      ...['-device', 'virtio-blk-pci,drive=disk,bus=pci.0,addr=0x9,id=other'],
      ...['-blockdev', 'driver=file,filename=/a.img,node-name=disk,read-only=off'],
      ...['-object', 'memory-backend-ram,id=ram0,size=1048576'],
      ...['-machine', '{"type":"pc","usb":false,"memory-backend":"ram0"}'],
    ];
    expect(tell(whole, other)).toEqual([]);
  });

  test.each([
    ['a disk that is missing', [...machine, ...memory], /^device virtio-blk-pci \(\/a\.img\): dropped/],
    ['an image of another name', replaced('/a.img', '/b.img'), /drive\.filename: \/b\.img, libvirt has \/a\.img$/],
    ['memory of another size', replaced('1048576', '2097152'), /^machine memory-backend\.size: 2097152/],
    ['an image that is written to', replaced('"read-only":false', '"read-only":true'), /drive\.read-only: on/],
    [
      'a device nobody asked for',
      [...whole, '-device', '{"driver":"e1000"}'],
      /^device e1000: there, libvirt has none$/,
    ],
    [
      'a back end nobody uses',
      [...whole, '-netdev', '{"type":"user","id":"x"}'],
      /^netdev user: type=user, libvirt has none$/,
    ],
  ])('%s is told by name', (_what, other, told) => {
    expect(tell(whole, other)).toEqual([expect.stringMatching(told)]);
  });

  test('that differ in one of two like devices name that one', () => {
    const nic = (mac: string): string[] => ['-device', `{"driver":"e1000","mac":"${mac}"}`];
    expect(tell([...nic('aa'), ...nic('bb')], [...nic('bb')])).toEqual([
      'device e1000 (aa): dropped, libvirt has mac=aa',
    ]);
  });
});

function replaced(text: string, by: string): string[] {
  return whole.map((word) => word.replace(text, by));
}

test('a command line is taken apart as a shell does it', () => {
  expect(shellWords(`a 'b c' "d \\"e" f\\ g \\\n-x='y'`)).toEqual(['a', 'b c', 'd "e', 'f g', '-x=y']);
  const { environment, program, args } = readCommand("TZ=a=b /bin/q -name 'x y'\n");
  expect([...environment, program, ...args]).toEqual([['TZ', 'a=b'], '/bin/q', '-name', 'x y']);
});

test('a definition whose third disk is dropped is judged wrong', () => {
  const disks = ['a', 'b', 'c'].map((name) => {
    return `<disk type='file'><source file='/${name}.img'/><target dev='vd${name}' bus='virtio'/></disk>`;
  });
  const xml = (some: readonly string[]): string =>
    `<domain type='qemu'><name>x</name><memory>1024</memory><os><type arch='x86_64' machine='pc'>hvm</type></os>
     <devices>${some.join('')}<memballoon model='none'/></devices></domain>`;
  const verdict = judge('x.xml', xml(disks.slice(0, 2)), `qemu ${disks.map(commandOf).join(' ')}`);
  const [wrong] = only('wrong', [verdict]);
  expect(wrong?.differences.map(tellDifference)).toContainEqual(
    expect.stringMatching(/^device virtio-blk-pci \(\/c\.img\): dropped/),
  );
});

function commandOf(_disk: string, index: number): string {
  const name = 'abc'[index] ?? '';
  const node = `{"driver":"file","filename":"/${name}.img","node-name":"n${index}"}`;
  return `-blockdev '${node}' -device '{"driver":"virtio-blk-pci","drive":"n${index}","id":"virtio-disk${index}"}'`;
}
