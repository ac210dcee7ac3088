/** `domctld` itself: the daemon's bundle beside it. */
import { fileURLToPath } from 'node:url';
import { loadBundle } from '../bundle.ts';

loadBundle(fileURLToPath(new URL('daemon.cjs', import.meta.url)));
