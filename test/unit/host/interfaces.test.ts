import { describe, expect, test } from 'vitest';
import { readTraffic } from '../../../lib/host/interfaces.ts';

describe('traffic of an interface', () => {
  test('is what the kernel counts: the loopback receives all that it sends', () => {
    const traffic = readTraffic('lo');
    expect(traffic).toMatchObject({ known: true, value: { sent: { errors: 0 } } });
    expect(traffic.known && traffic.value.received).toEqual(traffic.known && traffic.value.sent);
  });

  test('of one that is not there is unknown, with the reason', () => {
    expect(readTraffic('nosuch0')).toMatchObject({ known: false, reason: expect.stringContaining('ENOENT') });
  });
});
