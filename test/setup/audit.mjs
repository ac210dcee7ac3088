/**
 * `npm run audit`: whether a package that users get has a known fault that is high or critical. Ends with 1 for one, and by its name.
 * Where the registry keeps no list of faults, or cannot be reached, that is said, and is no success: it is nothing.
 */
import { spawnSync } from 'node:child_process';

const options = ['--omit=dev', '--audit-level=high', '--json', '--fetch-retries=0', '--fetch-timeout=20000'];
const { stdout, stderr } = spawnSync('npm', ['audit', ...options], { encoding: 'utf8', timeout: 60_000 });

function read(text) {
  try {
    return JSON.parse(text);
  } catch {
    return {};
  }
}

const report = read(stdout);
const found = report.metadata?.vulnerabilities;
if (found === undefined) {
  const why = report.statusCode
    ? `status ${report.statusCode}`
    : (stderr.match(/\b(?:npm )?(E[A-Z_0-9]+)\b/)?.[1] ?? 'no answer');
  console.log(`audit: not possible here: this registry gives no list of known faults (${why}); nothing was checked`);
} else {
  const serious = Object.values(report.vulnerabilities).filter(({ severity }) => /^(high|critical)$/.test(severity));
  for (const { name, severity, range } of serious) console.log(`audit: ${name} ${range}: ${severity}`);
  console.log(
    `audit: ${report.metadata.dependencies.prod} packages of the product, ${serious.length} with a serious fault`,
  );
  process.exitCode = serious.length === 0 ? 0 : 1;
}
