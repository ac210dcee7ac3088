/** Lines of `<driver>` for virtio devices which say nothing else there. */
import { virtioDriver } from './properties-virtio.ts';
import { holder, under, whole } from './property.ts';

/** Below a device. */
export const driverLines = { '/driver': whole(holder), ...under('/driver', virtioDriver) } as const;
