/** The guest's clock and timers as QEMU's arguments. Pure: the time is handed in. */
import type { Domain, GuestClock, Timer } from '../domain/definition.ts';
import { onOff } from './arguments.ts';

/** `-rtc`, and the tick policy of KVM's timer chip, which a hypervisor without KVM does not make. */
export function clockArguments(domain: Domain, nowMs: number): string[] {
  const rtc = timer(domain.clock, 'rtc');
  const track = rtc?.track
    ? { boot: '', guest: ',clock=vm', wall: ',clock=host', realtime: ',clock=rt' }[rtc.track]
    : '';
  const drift = rtc?.tickPolicy === 'catchup' ? ',driftfix=slew' : '';
  return ['-rtc', `base=${base(domain.clock, nowMs)}${track}${drift}`, ...pit(domain)];
}

/** Variables of the hypervisor's environment: a time zone other than the host's is not an argument. */
export function clockEnvironment({ clock }: Domain): Readonly<Record<string, string>> {
  return clock.offset === 'timezone' && clock.timezone !== null ? { TZ: clock.timezone } : {};
}

/** `,hpet=..,pit=..` of -machine. */
export function machineTimers({ clock }: Domain): string {
  return (['hpet', 'pit'] as const)
    .map((name) => ({ name, present: timer(clock, name)?.present ?? null }))
    .flatMap(({ name, present }) => (present === null ? [] : [`,${name}=${onOff(present)}`]))
    .join('');
}

/** What -cpu says of timers. */
export function processorTimers({ clock }: Domain): string[] {
  const kvmclock = timer(clock, 'kvmclock')?.present ?? null;
  const frequencyHz = timer(clock, 'tsc')?.frequencyHz ?? null;
  return [
    ...(kvmclock === null ? [] : [`kvmclock=${onOff(kvmclock)}`]),
    ...(timer(clock, 'hypervclock')?.present === true ? ['hv-time=on'] : []),
    ...(frequencyHz === null ? [] : [`tsc-frequency=${frequencyHz}`]),
  ];
}

function timer(clock: GuestClock, name: Timer['name']): Timer | undefined {
  return clock.timers.find((each) => each.name === name);
}

function base(clock: GuestClock, nowMs: number): string {
  switch (clock.offset) {
    case 'utc':
      return 'utc';
    case 'localtime':
    case 'timezone':
      return 'localtime';
    case 'absolute':
      return isoTime((clock.startSeconds ?? 0) * 1000);
    case 'variable':
      return isoTime(nowMs + localOffsetMs(clock, nowMs) + (clock.adjustmentSeconds ?? 0) * 1000);
  }
}

function localOffsetMs({ basis }: GuestClock, nowMs: number): number {
  return basis === 'localtime' ? -new Date(nowMs).getTimezoneOffset() * 60_000 : 0;
}

/** Without zone or fraction, as QEMU reads it. */
function isoTime(atMs: number): string {
  return new Date(atMs).toISOString().slice(0, 'yyyy-mm-ddThh:mm:ss'.length);
}

function pit({ type, clock }: Domain): string[] {
  const policy = timer(clock, 'pit')?.tickPolicy;
  const honoured = type === 'kvm' && (policy === 'delay' || policy === 'discard');
  return honoured ? ['-global', `kvm-pit.lost_tick_policy=${policy}`] : [];
}
