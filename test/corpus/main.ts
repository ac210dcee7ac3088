/**
 * `npm run corpus [DIR]`: judges a directory of NAME.xml with NAME.x86_64-latest.args. Without one it judges our fixtures and writes
 * docs/corpus.md. Exits 1 where something is wrong.
 */
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { judgeDirectory } from './judge.ts';
import { only, renderReport, summary, tellDifference } from './report.ts';

const fixtures = fileURLToPath(new URL('../fixtures/corpus', import.meta.url));
const report = new URL('../../docs/corpus.md', import.meta.url);

const [directory] = process.argv.slice(2);
const verdicts = judgeDirectory(directory ?? fixtures);
if (directory === undefined) writeFileSync(report, renderReport(verdicts));
else process.stdout.write(renderReport(verdicts));
process.stderr.write(`${summary(verdicts)}\n`);
const wrong = only('wrong', verdicts);
for (const { file, differences } of wrong) {
  for (const each of differences) process.stderr.write(`${file}: ${tellDifference(each)}\n`);
}
process.exitCode = wrong.length > 0 ? 1 : 0;
