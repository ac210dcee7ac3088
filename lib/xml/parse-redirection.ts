/** XML -> USB hubs, redirected USB devices, smart cards. */
import type { Domain } from '../domain/definition.ts';
import type { RedirRule, Smartcard } from '../domain/redirection.ts';
import { readPlace } from './addresses.ts';
import { devicesAt, find, findAll, need, valueAt, type Known } from './known.ts';
import { readBackend } from './parse-backends.ts';

type Redirection = Pick<Domain, 'hubs' | 'redirdevs' | 'redirFilter' | 'smartcards'>;

/** All of them. */
export function readRedirection(domain: Known): Redirection {
  return {
    hubs: devicesAt(domain, '/domain/devices/hub').map((hub) => ({ address: readPlace(hub) })),
    redirdevs: devicesAt(domain, '/domain/devices/redirdev').map((device) => ({
      backend: readBackend(device, '/domain/devices/redirdev'),
      bootOrder: valueAt(device, '/domain/devices/redirdev/boot/@order') ?? null,
      address: readPlace(device),
    })),
    redirFilter: readFilter(domain),
    smartcards: devicesAt(domain, '/domain/devices/smartcard').map(readSmartcard),
  };
}

function readFilter(domain: Known): RedirRule[] | null {
  const key = '/domain/devices/redirfilter';
  const filter = find(domain, key);
  if (filter === undefined) return null;
  return findAll(filter, key, `${key}/usbdev`).map((rule) => ({
    class: valueAt(rule, `${key}/usbdev/@class`) ?? null,
    vendor: valueAt(rule, `${key}/usbdev/@vendor`) ?? null,
    product: valueAt(rule, `${key}/usbdev/@product`) ?? null,
    version: valueAt(rule, `${key}/usbdev/@version`) ?? null,
    allow: need(rule, `${key}/usbdev/@allow`),
  }));
}

const card = '/domain/devices/smartcard';

function readSmartcard(smartcard: Known): Smartcard {
  const mode = need(smartcard, `${card}/@mode`);
  const address = readPlace(smartcard);
  switch (mode) {
    case 'host':
      return { mode, address };
    case 'host-certificates':
      return {
        mode,
        certificates: findAll(smartcard, card, `${card}/certificate`).map((one) => need(one, `${card}/certificate`)),
        database: valueAt(smartcard, `${card}/database`) ?? null,
        address,
      };
    case 'passthrough':
      // Without a type the rules refuse it.
      return { mode, backend: typed(smartcard) ? readBackend(smartcard, card) : { type: 'null' }, address };
  }
}

/** Whether it says what is behind it. */
export function typed(smartcard: Known): boolean {
  return valueAt(smartcard, `${card}/@type`) !== undefined;
}
