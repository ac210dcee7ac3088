/** A lab's machine as QEMU emulates it, or KVM runs it: Debian's newest cloud kernel, on what virtiofsd shows it of the host. */
import { existsSync, mkdirSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { setTimeout as pause } from 'node:timers/promises';
import { findQemus } from '../setup/qemus.ts';
import { type EmulatedParts, emulatedParts } from './parts.ts';
import { showing } from './shown.ts';
import { LabError, rootHint, type Site, type StartMachine } from './site.ts';

/** Throws when its parts are out of reach. The machine's fourth descriptor leads to the agent. */
export async function prepareEmulated(accelerator: 'kvm' | 'tcg'): Promise<StartMachine> {
  const parts = await emulatedParts();
  return async (site, dependOn) => {
    const { served } = await serveRoot(site, parts);
    dependOn(served);
    return site.spawn(site.options.emulator ?? (await newestQemu()), machineArguments(site, parts, accelerator));
  };
}

/** Resolves when virtiofsd listens; `served` rejects when it ends. */
async function serveRoot(site: Site, parts: EmulatedParts): Promise<{ readonly served: Promise<never> }> {
  const root = site.at('root');
  mkdirSync(root);
  const script = `exec "$1" --socket-path="$2" -o "source=$root,sandbox=chroot,cache=always,no_posix_lock,no_flock" -f`;
  const args = [parts.virtiofsd, site.at('fs')];
  const server = site.spawn('unshare', showing({ root, parts: parts.directory, script, args }));
  const served = site.failure(server, 'virtiofsd', rootHint);
  while (!existsSync(site.at('fs'))) await Promise.race([pause(5), served]);
  return { served };
}

function machineArguments(site: Site, parts: EmulatedParts, accelerator: 'kvm' | 'tcg'): string[] {
  const { memoryMiB = 3072, cpus = Math.min(4, availableParallelism()) } = site.options;
  const processor =
    accelerator === 'kvm' ? ['-accel', 'kvm', '-cpu', 'host'] : ['-accel', 'tcg,thread=multi', '-cpu', 'max'];
  const init = site.initArguments(parts.directory, parts.agent);
  return [
    ...['-nodefaults', '-no-user-config', '-display', 'none', '-no-reboot', '-serial', 'stdio', ...processor],
    ...['-M', 'q35,memory-backend=ram', '-smp', String(cpus), '-m', `${memoryMiB}M`],
    ...['-object', `memory-backend-memfd,id=ram,size=${memoryMiB}M,share=on`],
    ...['-chardev', `socket,id=fs,path=${site.at('fs')}`, '-device', 'vhost-user-fs-pci,chardev=fs,tag=root'],
    ...['-drive', `file=${site.scratchImage},format=raw,if=virtio,cache=unsafe,discard=unmap`],
    ...['-chardev', 'socket,id=channel,fd=3', '-device', 'virtio-serial-pci'],
    ...['-device', 'virtserialport,chardev=channel,name=lab', '-kernel', parts.kernel],
    ...['-append', `console=ttyS0 panic=-1 mitigations=off rootfstype=virtiofs root=root ${init}`],
  ];
}

/** Of QEMU 7.2's emulated processor a 6.12 kernel dies now and then (cmpxchg16b spoils the flags); 10's does not. */
async function newestQemu(): Promise<string> {
  const emulators = (await findQemus()).flatMap(({ emulator }) => (emulator === null ? [] : [emulator]));
  const newest = emulators.at(-1);
  if (newest === undefined) throw new LabError('this host has no qemu-system-x86_64', "'npm run setup' installs it");
  return newest;
}
