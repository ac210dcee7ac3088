/** Prints domctl(1): `npm run man`, and the build, lead it into dist/man/domctl.1. */
import { allVerbs } from './main.ts';
import { renderManual } from './manual.ts';

process.stdout.write(renderManual(allVerbs()));
