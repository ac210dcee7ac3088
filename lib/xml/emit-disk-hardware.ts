/** What a disk tells the guest of itself, and how fast it may be -> XML. */
import { type DiskHardware, type DiskThrottle, throttleWords } from '../domain/disk-hardware.ts';
import { onOff, tag, texted, type Tag } from './serialize.ts';

/** Elements of `<disk>` before its target. */
export function geometry({ geometry: given, ...sizes }: DiskHardware): (Tag | null)[] {
  const { logicalBlockBytes, physicalBlockBytes, discardGranularityBytes } = sizes;
  const isSized = [logicalBlockBytes, physicalBlockBytes, discardGranularityBytes].some((each) => each !== null);
  const blockio = {
    logical_block_size: logicalBlockBytes,
    physical_block_size: physicalBlockBytes,
    discard_granularity: discardGranularityBytes,
  };
  return [
    given === null
      ? null
      : tag('geometry', { cyls: given.cylinders, heads: given.heads, secs: given.sectors, trans: given.translation }),
    isSized ? tag('blockio', blockio) : null,
  ];
}

/** Attributes of `<target>`. */
export function mechanics({ rotationRate, removable }: DiskHardware): Record<string, string | number | null> {
  return { removable: onOff(removable), rotation_rate: rotationRate };
}

/** Elements of `<disk>` after its serial. */
export function maker({ wwn, vendor, product }: DiskHardware): (Tag | null)[] {
  return [texted('wwn', wwn), texted('vendor', vendor), texted('product', product)];
}

/** `<iotune>`. */
export function iotune(throttle: DiskThrottle | null): Tag | null {
  if (throttle === null) return null;
  const { limits, group } = throttle;
  const told = throttleWords.map((word) => texted(word, word === 'group_name' ? group : (limits[word] ?? null)));
  return tag('iotune', {}, told);
}
