/** A daemon that is there, one that is not, and one that is just dying. */
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { connectRunning } from '../../../lib/client/autostart.ts';
import { findPlaces, socketPath } from '../../../lib/places.ts';

function places() {
  const directory = mkdtempSync(join(tmpdir(), 'autostart-'));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  return findPlaces({ DOMCTL_RUNTIME_DIR: directory });
}

test('where nobody listens there is no daemon', async () => {
  expect(await connectRunning(places())).toBeNull();
});

test('one that takes the connection and answers nothing is dying: there is none', async () => {
  const here = places();
  const dying = createServer((connection) => connection.destroy()).listen(socketPath(here));
  onTestFinished(() => void dying.close());
  await once(dying, 'listening');
  expect(await connectRunning(here)).toBeNull();
});
