/** Names that a definition gives its devices -> XML. */
import type { Alias } from '../domain/aliases.ts';
import { tag, type Tag } from './serialize.ts';

/** `<devices>` with an `<alias>` in each device that has one, where libvirt has it: before the address. */
export function named(devices: Tag, aliases: readonly Alias[]): Tag {
  for (const device of new Set(aliases.map((alias) => alias.device))) {
    const tags = devices.children.filter((child) => typeof child !== 'string' && child.name === device);
    for (const alias of aliases) if (alias.device === device) addName(tags[alias.index], alias.name);
  }
  return devices;
}

function addName(device: Tag | string | undefined, name: string): void {
  if (device === undefined || typeof device === 'string') return;
  const { children } = device;
  const address = children.findIndex((part) => typeof part !== 'string' && part.name === 'address');
  children.splice(address < 0 ? children.length : address, 0, tag('alias', { name }));
}
