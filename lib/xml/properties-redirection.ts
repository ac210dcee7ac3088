/** Lines of the table: USB hubs, redirected USB devices, smart cards. */
import { address } from './numbers.ts';
import { backendLines } from './properties-backends.ts';
import { boot, onCcid, onUsb } from './properties-shapes.ts';
import { by, holder, only, required, several, under, value, whole, type Property } from './property.ts';
import { certificateName, flag, path, usbVersion, orAny } from './values.ts';

/** Lines of a back end without the type, whose meaning a smart card's mode decides. */
const { '/@type': backendType, ...backendParts } = backendLines;

export const redirection = {
  ...under('/domain/devices/hub', {
    '': several(holder),
    '/@type': required(only('usb')),
    ...onUsb,
  }),
  ...under('/domain/devices/redirdev', {
    '': several(by('type', null, holder)),
    '/@bus': only('usb'),
    ...backendLines,
    ...boot,
    ...onUsb,
  }),
  ...under('/domain/devices/redirfilter', {
    '': whole(holder),
    '/usbdev': several(holder),
    '/usbdev/@class': value(orAny(address(0xff))),
    '/usbdev/@vendor': value(orAny(address(0xffff))),
    '/usbdev/@product': value(orAny(address(0xffff))),
    '/usbdev/@version': value(orAny(usbVersion)),
    '/usbdev/@allow': required(value(flag('yes', 'no'))),
  }),
  ...under('/domain/devices/smartcard', {
    '': several(by('type', null, holder)),
    '/@mode': required(only('host', 'host-certificates', 'passthrough')),
    '/@type': optional(backendType),
    ...backendParts,
    '/certificate': several(value(certificateName)),
    '/database': value(path('/etc/pki/nssdb')),
    ...onCcid,
  }),
} as const;

function optional<T>(property: Property<T>): Property<T> {
  return { ...property, absence: 'fine' };
}
