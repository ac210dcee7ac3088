/** Rules on the machine itself: firmware, CPU, clock, what follows its end. */
import type { Cpu } from '../domain/definition.ts';
import { findAll, has, valueAt, type Known } from './known.ts';
import { quote, type Problem } from './problems.ts';
import { repeats, when, type Ruled } from './rule.ts';

/** What is wrong with the machine. */
export function brokenMachine(known: Known, domain: Ruled): Problem[] {
  return [
    ...brokenFirmware(known, domain),
    ...brokenArch(known, domain),
    ...brokenCpu(known, domain),
    ...repeatedTimers(known, domain),
    ...brokenLifecycle(known, domain),
  ];
}

function brokenFirmware(known: Known, { os, features }: Ruled): Problem[] {
  const isFlash = os.loader === null ? os.firmware === 'efi' : os.loader.type === 'pflash';
  const noFlash = 'only UEFI firmware keeps variables';
  const flash = "add <loader type='pflash'>, or firmware='efi' to <os>";
  const isSecure = valueAt(known, '/domain/os/loader/@secure') === true;
  const isNameless = has(known, '/domain/os/loader') && os.loader === null && os.firmware === null;
  const name = "write its path, or add firmware='efi' to <os>";
  const isReady = os.loader?.type === 'pflash' && features.smm === true && /q35/.test(os.machine);
  const secure = "it needs type='pflash', <features><smm state='on'/></features> and a q35 machine";
  return [
    ...when(isNameless, known, '/domain/os/loader', 'the loader has no path', name),
    ...when(os.nvram !== null && !isFlash, known, '/domain/os/nvram', noFlash, flash),
    ...when(isSecure && !isReady, known, '/domain/os/loader', 'nothing would make this firmware secure', secure),
  ];
}

function brokenArch(known: Known, { os }: Ruled): Problem[] {
  const isSmall = os.arch === 'i686' && os.firmware === 'efi';
  const message = 'UEFI firmware is chosen for x86_64 alone';
  return when(isSmall, known, '/domain/os', message, "name a <loader>, or write arch='x86_64'");
}

function brokenCpu(known: Known, { cpu }: Ruled): Problem[] {
  if (cpu === null) return [];
  const isHost = cpu.mode === 'host-passthrough' || cpu.mode === 'maximum';
  const isRepeated = repeats(cpu.features.map(({ name }) => name));
  const elements = findAll(known, '/domain/cpu', '/domain/cpu/feature');
  const twice = elements.flatMap((element, index) => {
    const message = `the feature ${quote(cpu.features[index]?.name ?? '')} is given twice`;
    return when(isRepeated(index), element, '/domain/cpu/feature', message, 'keep one of them');
  });
  const migratable = 'only mode host-passthrough or maximum can be migratable or not';
  return [
    ...when(cpu.migratable !== null && !isHost, known, '/domain/cpu', migratable, 'remove the attribute migratable'),
    ...twice,
    ...brokenProcessor(known, cpu),
  ];
}

function brokenProcessor(known: Known, cpu: Cpu): Problem[] {
  const isHost = cpu.mode === 'host-passthrough' || cpu.mode === 'maximum';
  return [...brokenBits(known, cpu, isHost), ...brokenCache(known, cpu, isHost)];
}

const elsewhere = "this processor is not the host's";

function brokenBits(known: Known, { physicalBits }: Cpu, isHost: boolean): Problem[] {
  const key = '/domain/cpu/maxphysaddr';
  const bits = valueAt(known, `${key}/@bits`) !== undefined;
  const limit = valueAt(known, `${key}/@limit`) !== undefined;
  switch (physicalBits?.mode) {
    case undefined:
      return [];
    case 'emulate':
      return [
        ...when(!bits, known, key, 'it is not told how many', "add bits='42'"),
        ...when(limit, known, key, 'a limit is for what the host has', "write bits='...' instead"),
      ];
    case 'passthrough':
      return [
        ...when(bits, known, key, 'the host tells how many', 'remove bits'),
        ...when(!isHost, known, key, elsewhere, "write mode='emulate'"),
      ];
  }
}

function brokenCache(known: Known, { cache }: Cpu, isHost: boolean): Problem[] {
  if (cache === null) return [];
  const key = '/domain/cpu/cache';
  const isOdd = cache.mode === 'emulate' ? cache.level !== 3 : cache.level !== null;
  const level = 'only level 3 can be emulated, and passthrough and disable are of every level';
  const emulate = "write <cache level='3' mode='emulate'/>";
  return [
    ...when(isOdd, known, key, level, emulate),
    ...when(cache.mode === 'passthrough' && !isHost, known, key, elsewhere, emulate),
  ];
}

function repeatedTimers(known: Known, { clock }: Ruled): Problem[] {
  const isRepeated = repeats(clock.timers.map(({ name }) => name));
  return findAll(known, '/domain/clock', '/domain/clock/timer').flatMap((element, index) => {
    const message = `the timer ${clock.timers[index]?.name} is given twice`;
    return when(isRepeated(index), element, '/domain/clock/timer', message, 'keep one of them');
  });
}

function brokenLifecycle(known: Known, { lifecycle }: Ruled): Problem[] {
  // QEMU tells a reboot from a power-off only as long as it may reset by itself; libvirt refuses the pair as well.
  const isTurned = lifecycle.onPoweroff === 'restart' && lifecycle.onReboot === 'destroy';
  const message = 'on_poweroff restart and on_reboot destroy cannot be had together';
  return when(isTurned, known, '/domain/on_poweroff', message, 'change one of them');
}
