/** Variables that the hypervisor of a domain is started with. */
import type { Domain } from '../domain/definition.ts';
import { clockEnvironment } from './argv-clock.ts';

/** Of its clock, its window and its sound, and those that its definition gives to QEMU as they are. */
export function hypervisorEnvironment(domain: Domain): Readonly<Record<string, string>> {
  const own = (domain.qemuCommandline?.env ?? []).map(({ name, value }) => [name, value ?? ''] as const);
  return {
    ...clockEnvironment(domain),
    ...windowEnvironment(domain),
    ...soundEnvironment(domain),
    ...Object.fromEntries(own),
  };
}

/** Where a window is to be. */
function windowEnvironment({ graphics }: Domain): Record<string, string> {
  const window = graphics.find((each) => each.type === 'sdl');
  return {
    ...(window?.display ? { DISPLAY: window.display } : {}),
    ...(window?.xauth ? { XAUTHORITY: window.xauth } : {}),
  };
}

/** What SDL plays through: QEMU has no option for it. */
function soundEnvironment({ audios }: Domain): Record<string, string> {
  const driver = audios.find(({ type, options }) => type === 'sdl' && 'driver' in options)?.options['driver'];
  return driver === undefined ? {} : { SDL_AUDIODRIVER: String(driver) };
}
