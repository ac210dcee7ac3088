/** Rules on an IOMMU, and on what is given to QEMU as it is. */
import type { Iommu } from '../domain/translation.ts';
import type { Known } from './known.ts';
import type { Problem } from './problems.ts';
import { when, type Ruled, type Told } from './rule.ts';

/** What is wrong with them. */
export function brokenTranslation(known: Known, { iommu, qemuCommandline }: Ruled): Problem[] {
  const told = iommu === null ? null : brokenIommu(iommu);
  const isEmpty = qemuCommandline?.args.length === 0 && qemuCommandline.env.length === 0;
  return [
    ...when(told !== null, known, '/domain/devices/iommu', ...(told ?? nothing)),
    ...when(isEmpty, known, '/domain/qemu:commandline', 'it says nothing', 'remove it'),
  ];
}

const nothing: Told = ['', ''];

function brokenIommu({ model, address, eim, intremap }: Iommu): Told | null {
  if (model === 'intel' && address !== null) return ['an intel IOMMU is part of the board', 'remove the address'];
  const isLame = eim === true && intremap !== true;
  return isLame ? ['eim needs the remapping of interrupts', "write intremap='on'"] : null;
}
