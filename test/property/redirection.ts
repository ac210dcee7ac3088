/** Any hubs, redirected USB devices and smart cards, as long as they keep the rules of `lib/xml/rules-*.ts`. */
import { fc } from '@fast-check/vitest';
import type { Redirdev, RedirRule, Smartcard } from '../../lib/domain/redirection.ts';
import { maybe, number, path } from './arbitrary.ts';

const nowhere = fc.constant(null);

const redirdev: fc.Arbitrary<Redirdev> = fc.record({
  backend: fc.record({ type: fc.constant('pipe' as const), path }),
  bootOrder: nowhere,
  address: nowhere,
});

const rule: fc.Arbitrary<RedirRule> = fc.record({
  class: maybe(number(0, 0xff)),
  vendor: maybe(number(0, 0xffff)),
  product: maybe(number(0, 0xffff)),
  version: maybe(fc.stringMatching(/^[0-9]{1,2}\.[0-9]{1,2}$/)),
  allow: fc.boolean(),
});

const smartcard: fc.Arbitrary<Smartcard> = fc.oneof(
  fc.record({ mode: fc.constant('host' as const), address: nowhere }),
  fc.record({
    mode: fc.constant('host-certificates' as const),
    certificates: fc.array(
      fc.stringMatching(/^[a-z0-9 ._-]{0,9}[a-z0-9]$/).filter((name) => name.trim() === name),
      { minLength: 3, maxLength: 3 },
    ),
    database: maybe(path),
    address: nowhere,
  }),
  fc.record({
    mode: fc.constant('passthrough' as const),
    backend: fc.record({ type: fc.constant('pty' as const) }),
    address: nowhere,
  }),
);

/** Each of their lists. */
export const redirection = {
  hubs: fc.array(fc.record({ address: nowhere }), { maxLength: 2 }),
  redirdevs: fc.array(redirdev, { maxLength: 2 }),
  redirFilter: maybe(fc.array(rule, { minLength: 1, maxLength: 2 })),
  smartcards: fc.array(smartcard, { maxLength: 2 }),
};
