/** Arguments of small domains, and ways to look at them. */
import type { Domain } from '../../../lib/domain/definition.ts';
import { type LaunchSettings, buildArgv } from '../../../lib/qemu/argv.ts';
import { bareDomain, plainLaunch } from '../../fixtures/qmp/domains.ts';

/** Arguments of the bare domain with that change. */
export function argvOf(change: Partial<Domain>, settings: Partial<LaunchSettings> = {}): string[] {
  return buildArgv({ ...bareDomain, ...change }, { ...plainLaunch, ...settings });
}

/** Options with their values, one line each. */
export function lines(argv: readonly string[]): string[] {
  return argv
    .join('\n')
    .replaceAll(/\n(?!-)/g, ' ')
    .split('\n');
}

/** Values of every occurrence of an option. */
export function valuesOf(option: string, argv: readonly string[]): string[] {
  return argv.filter((_value, index) => argv[index - 1] === option);
}

/** Values of an option that takes JSON. */
export function objectsOf(option: string, argv: readonly string[]): object[] {
  return valuesOf(option, argv).map((value) => JSON.parse(value) as object);
}

/** The one -device with that id. */
export function deviceOf(id: string, argv: readonly string[]): object | undefined {
  return objectsOf('-device', argv).find((each) => 'id' in each && each.id === id);
}

/** The domain's machine type exchanged. */
export function onMachine(machine: string): Pick<Domain, 'os'> {
  return { os: { ...bareDomain.os, machine } };
}
