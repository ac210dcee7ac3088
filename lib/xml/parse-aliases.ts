/** XML -> names that a definition gives its devices. */
import { type Alias, aliasedDevices } from '../domain/aliases.ts';
import { devicesAt, valueAt, type Known } from './known.ts';

/** All of them, by kind of device. */
export function readAliases(domain: Known): Alias[] {
  return aliasedDevices.flatMap((device) =>
    devicesAt(domain, `/domain/devices/${device}`).flatMap((element, index) => {
      const name = valueAt(element, `/domain/devices/${device}/alias/@name`) ?? null;
      return name === null ? [] : [{ device, index, name }];
    }),
  );
}
