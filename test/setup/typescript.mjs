/** Lets plain Node 20 run our TypeScript, each file by itself: `node --import ./test/setup/typescript.mjs FILE.ts`. */
import { register } from 'node:module';

register('./typescript-loader.mjs', import.meta.url);
