/** USB hubs, redirected USB devices and smart cards as QEMU's arguments. Pure. */
import type { Domain } from '../domain/definition.ts';
import type { Redirdev, RedirRule, Smartcard } from '../domain/redirection.ts';
import type { BootOrder } from './argv-boot.ts';
import type { UsbPlaces } from './argv-usb.ts';
import { device, given } from './arguments.ts';
import { cardReaders, readerOf } from './card-readers.ts';
import { chardev } from './chardev.ts';

/** Hubs, which come before what is plugged into them. */
export function hubArguments({ hubs }: Domain, usb: UsbPlaces): string[] {
  return hubs.flatMap((hub, index) => device({ driver: 'usb-hub', id: `hub${index}`, ...usb.get(hub) }));
}

interface Around {
  readonly socketDir: string;
  readonly usb: UsbPlaces;
  readonly boot: BootOrder;
}

/** Redirected devices. */
export function redirdevArguments(domain: Domain, around: Around): string[] {
  const filter = domain.redirFilter === null ? null : domain.redirFilter.map(ruleText).join('|');
  return domain.redirdevs.flatMap((each, index) => redirdev(each, index, { ...around, filter }));
}

function redirdev(each: Redirdev, index: number, around: Around & { readonly filter: string | null }): string[] {
  const names = { chardev: `charredir${index}`, id: `redir${index}` };
  const { socketDir, usb, boot, filter } = around;
  return [
    ...chardev(names.chardev, { backend: each.backend, log: null }, socketDir),
    ...device({
      driver: 'usb-redir',
      ...names,
      ...given('filter', filter),
      ...given('bootindex', boot.get(each) ?? null),
      ...usb.get(each),
    }),
  ];
}

/** `class:vendor:product:version:allow`, as usbredir has it. */
function ruleText({ class: kind, vendor, product, version, allow }: RedirRule): string {
  const bcd = version === null ? null : versionNumber(version);
  return [hex(kind, 2), hex(vendor, 4), hex(product, 4), hex(bcd, 4), allow ? '1' : '0'].join(':');
}

function hex(value: number | null, digits: number): string {
  return value === null ? '-1' : `0x${value.toString(16).toUpperCase().padStart(digits, '0')}`;
}

/** Two decimal digits a byte; a single one after the dot is tenths. */
function versionNumber(version: string): number {
  const [major = '', minor = ''] = version.split('.');
  return Number.parseInt(`${major.padStart(2, '0')}${minor.padEnd(2, '0')}`, 16);
}

/** Readers, and the smart cards in them. */
export function smartcardArguments(domain: Domain, { socketDir, usb }: Omit<Around, 'boot'>): string[] {
  const readers = cardReaders(domain).flatMap((reader) =>
    device({ driver: 'usb-ccid', id: `ccid${reader.index}`, ...usb.get(reader.device) }),
  );
  return [...readers, ...domain.smartcards.flatMap((card, index) => smartcard(card, index, socketDir))];
}

const usualDatabase = '/etc/pki/nssdb';

function smartcard(card: Smartcard, index: number, socketDir: string): string[] {
  const place = { id: `smartcard${index}`, bus: `ccid${readerOf(card)}.0` };
  switch (card.mode) {
    case 'host':
      return device({ driver: 'ccid-card-emulated', backend: 'nss-emulated', ...place });
    case 'host-certificates': {
      const certificates = card.certificates.map((name, number) => [`cert${number + 1}`, name] as const);
      const database = { db: card.database ?? usualDatabase };
      const named = { ...Object.fromEntries(certificates), ...database };
      return device({ driver: 'ccid-card-emulated', backend: 'certificates', ...named, ...place });
    }
    case 'passthrough': {
      const line = `charsmartcard${index}`;
      return [
        ...chardev(line, { backend: card.backend, log: null }, socketDir),
        ...device({ driver: 'ccid-card-passthru', chardev: line, ...place }),
      ];
    }
  }
}
