/** A daemon to be soaked, with a hypervisor that weighs nothing; ended and swept with it. */
import { join } from 'node:path';
import { buildLightQemu } from '../../setup/light-qemu.ts';
import { type Daemon, startDaemon } from '../daemon.ts';
import { makeScratch } from '../ending.ts';

export interface SoakSite extends Daemon {
  readonly light: string;
}

/** Domains are promised what they need and little more: so many fit. */
const host = { overhead: { fixed: '80MiB', perVcpu: '8MiB', memory: '0.2%' } };

/** `qemu` is what the light hypervisor is when it is asked what it can do. */
export async function openSite(qemu: string): Promise<SoakSite> {
  const directory = makeScratch('soak-');
  const light = join(directory, 'light');
  buildLightQemu(light, qemu);
  return { ...(await startDaemon(directory, { host })), light };
}
