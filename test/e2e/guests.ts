/** Domain XML of machines with a whole guest inside, and somebody at their console. */
import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { Console } from '../guest/console.ts';
import type { SmallGuest } from '../guest/small.ts';
import { anyQemu } from './emulators.ts';
import type { Host } from './harness.ts';

export interface GuestSpec {
  readonly name: string;
  /** Boots directly; otherwise from the first disk. */
  readonly small?: SmallGuest;
  /** For the small guest's command line: `domctl.panic=0`. */
  readonly wishes?: string;
  readonly memoryMiB?: number;
  readonly disks?: readonly { readonly path: string; readonly format: 'raw' | 'qcow2' }[];
  /** Port of 127.0.0.1 that leads to the guest's web server. */
  readonly port?: number;
  /** `<on_crash>restart</on_crash>` and the like. */
  readonly lifecycle?: string;
  readonly watchdog?: string;
}

/** A q35 with every device that a manager talks to a guest by. */
export function guestXml(spec: GuestSpec): string {
  const { name, small, wishes = '', memoryMiB = 256, disks = [], port, lifecycle = '', watchdog = 'reset' } = spec;
  const forward = `<portForward proto='tcp' address='127.0.0.1'><range start='${port}' to='80'/></portForward>`;
  const direct = small
    ? `<kernel>${small.kernel}</kernel><initrd>${small.initrd}</initrd><cmdline>${small.cmdline} ${wishes}</cmdline>`
    : '';
  return `<domain type='qemu'>
  <name>${name}</name>
  <memory unit='MiB'>${memoryMiB}</memory>
  <vcpu>1</vcpu>
  <os><type arch='x86_64' machine='q35'>hvm</type>${direct}</os>
  <features><acpi/><apic/></features>
  ${lifecycle}
  <devices>
    <emulator>${anyQemu}</emulator>
    ${disks.map(diskXml).join('')}
    <interface type='user'><model type='virtio'/>${port === undefined ? '' : forward}</interface>
    <serial type='pty'><target port='0'/></serial>
    <console type='pty'><target type='serial' port='0'/></console>
    <channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>
    <rng model='virtio'><backend model='random'>/dev/urandom</backend></rng>
    <watchdog model='i6300esb' action='${watchdog}'/>
    <panic model='isa'/>
  </devices>
</domain>
`;
}

function diskXml({ path, format }: { readonly path: string; readonly format: string }, index: number): string {
  const target = `<target dev='vd${'abcdefgh'.charAt(index)}' bus='virtio'/>`;
  return `<disk type='file' device='disk'><driver name='qemu' type='${format}'/><source file='${path}'/>${target}</disk>`;
}

/** Connected through `domctl console`. */
async function openConsole(host: Host, domain: string): Promise<Console> {
  const child = host.spawn('console', domain);
  child.stderr.pipe(process.stderr);
  const console = new Console(child.stdout, child.stdin);
  await console.waitFor(/^Escape character is/);
  return console;
}

/** Starts a defined domain so that nothing its guest says is missed. */
export async function startWatched(host: Host, domain: string): Promise<Console> {
  await host.ok('start', domain, '--paused');
  const console = await openConsole(host, domain);
  await host.ok('resume', domain);
  return console;
}

/** A port of 127.0.0.1 that nobody listens on. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}
