/** A configuration that others could write says nothing that counts. */
import { chmodSync, chownSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { checkOne } from '../../../lib/policy/inspect.ts';
import { loadHostConfig, loadPolicy } from '../../../lib/policy/load.ts';
import { failure, operatorWith, shippedText } from './places.ts';

const files = { 'host.yaml': shippedText('host.yaml'), 'policies/strict.yaml': shippedText('strict.yaml') };
const isRoot = process.getuid?.() === 0;

test.each([
  ['host.yaml', 0o666, loadHostConfig],
  ['host.yaml', 0o664, loadHostConfig],
  ['.', 0o777, loadHostConfig],
  ['policies/strict.yaml', 0o646, async (places: Parameters<typeof loadHostConfig>[0]) => loadPolicy('strict', places)],
  ['policies', 0o775, async (places: Parameters<typeof loadHostConfig>[0]) => loadPolicy('strict', places)],
] as const)(
  "%s of mode %o is refused by name, and taken once it is nobody else's to write",
  async (path, mode, load) => {
    const places = operatorWith(files);
    chmodSync(join(places.configDir, path), mode);
    const found = await failure(load(places), places);
    const digits = mode.toString(8);
    expect(found.message).toMatch(
      new RegExp(`may be written by others \\(mode ${digits}\\): only root and who runs domctl`),
    );
    expect(found).toMatchObject({ code: 'INVALID_POLICY', exit: 7, hint: expect.stringMatching(/^chmod go-w \//) });
    chmodSync(join(places.configDir, path), mode & ~0o022);
    await load(places);
  },
);

test.skipIf(!isRoot)(
  `a file of somebody else is refused${isRoot ? '' : ' (skipped: needs root to give it away)'}`,
  async () => {
    const places = operatorWith(files);
    const file = join(places.configDir, 'host.yaml');
    chownSync(file, 65_534, 65_534);
    const found = await failure(loadHostConfig(places), places);
    expect(found.message).toBe('host.yaml: belongs to uid 65534: only root and who runs domctl may say what counts');
    expect(found.hint).toBe(`chown 0 ${file}, after a look at what it says`);
  },
);

test('a draft is checked whoever may write it: it does not count yet', async () => {
  const places = operatorWith({ ...files, 'draft.yaml': shippedText('strict.yaml').replace('strict', 'draft') });
  const draft = join(places.configDir, 'draft.yaml');
  chmodSync(draft, 0o666);
  expect((await checkOne(draft, places)).error).toBeNull();
});
