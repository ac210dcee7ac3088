/** Rules on redirected USB devices and smart cards. */
import { devicesAt, type Known } from './known.ts';
import { typed } from './parse-redirection.ts';
import type { Problem } from './problems.ts';
import { each, when, type Ruled } from './rule.ts';
import { brokenBackend } from './rules-characters.ts';

/** What is wrong with them. */
export function brokenRedirection(known: Known, domain: Ruled): Problem[] {
  const { redirdevs, redirFilter, smartcards } = domain;
  const filter = '/domain/devices/redirfilter';
  return [
    ...each(known, '/domain/devices/redirdev', redirdevs, ({ backend }) => [brokenBackend(backend, domain)]),
    ...when(redirFilter !== null && redirFilter.length === 0, known, filter, 'it has no <usbdev>', 'remove it'),
    ...brokenSmartcards(known, domain),
    ...each(known, '/domain/devices/smartcard', smartcards, (card) => [
      card.mode === 'host-certificates' && card.certificates.length !== 3
        ? [`it has ${card.certificates.length} certificates`, 'name three']
        : null,
      card.mode === 'passthrough' ? brokenBackend(card.backend, domain) : null,
    ]),
  ];
}

function brokenSmartcards(known: Known, { smartcards }: Ruled): Problem[] {
  const key = '/domain/devices/smartcard';
  return devicesAt(known, key).flatMap((element, index) => {
    const isPassed = smartcards[index]?.mode === 'passthrough';
    return [
      ...when(
        isPassed && !typed(element),
        element,
        key,
        'it is not told what it is passed through',
        "add type='spicevmc'",
      ),
      ...when(
        !isPassed && typed(element),
        element,
        key,
        'only a card that is passed through has a type',
        'remove the type',
      ),
    ];
  });
}
