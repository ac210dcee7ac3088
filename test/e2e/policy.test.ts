/** domctl policy: without the daemon for files, with it for what a policy would decide about a domain now. */
import { writeFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { createHost, describeEndToEnd } from './harness.ts';

const mine = 'kind: policy\nversion: 1\nname: mine\ndescription: Ours\nextends: balanced\ndestroy:\n  killAfter: 3s\n';

describeEndToEnd('domctl policy', () => {
  test('list, show and check need no daemon', async () => {
    await using host = await createHost({ policies: { mine } });
    expect(await host.ok('policy', 'list')).toMatch(/^ balanced \* +shipped +yes +Force-start when/m);
    expect(await host.ok('policy', 'list')).toMatch(/^ mine +\S+mine\.yaml +yes +Ours$/m);
    expect(await host.ok('policy', 'show', 'mine')).toMatch(/^destroy:\n {2}killAfter: 3s\n {2}freedTimeout: 40s$/m);
    expect(await host.json('policy', 'show', 'mine')).toMatchObject({ name: 'mine', destroy: { killAfter: '3s' } });
    expect(await host.ok('policy', 'check')).toMatch(/^\S+host\.yaml: valid\n/);
    expect(await host.ok('daemon', 'status')).toBe('domctld is not running\n');
  });

  test('check names file, line and column of each mistake and exits with 7; 2 without what it needs', async () => {
    await using host = await createHost();
    const file = host.at('try.yaml');
    writeFileSync(file, 'kind: policy\nversion: 1\nname: try\nextends: balanced\ndestroy:\n  killafter: 3s\n');
    const result = await host.domctl(['policy', 'check', file, 'strict']);
    expect(result.exit).toBe(7);
    expect(result.stdout).toBe('strict: valid\n');
    expect(result.stderr).toMatch(/^error: \S+try\.yaml:6:3: destroy\.killafter: unknown key\nhint: .*killAfter/);
    const { stdout } = await host.domctl(['policy', 'check', file, '--json']);
    expect(JSON.parse(stdout)).toMatchObject({
      valid: false,
      files: [{ file, error: { code: 'INVALID_POLICY', details: { line: 6, column: 3 } } }],
    });
    expect((await host.domctl(['policy', 'show', 'nosuch'])).exit).toBe(7);
    expect((await host.domctl(['policy', 'show'])).exit).toBe(2);
    expect((await host.domctl(['policy', 'explain', 'nosuch'])).exit).toBe(3);
  });

  test('explain says every value with its line, and what start and force-start would come to now', async () => {
    await using host = await createHost({ policies: { mine } });
    await host.define({ name: 'db1', shared: true, policy: 'mine' });
    const before = await host.ok('policy', 'explain', 'db1');
    expect(before).toMatch(/^Domain 'db1' is under policy mine \(named by its XML\)$/m);
    expect(before).toMatch(/^ destroy\.killAfter +3s +mine\.yaml:7$/m);
    expect(before).toMatch(/^ forceStart\.maxShortfall +25% +balanced\.yaml:8$/m);
    expect(before).toMatch(/^'domctl start' now: it would be admitted\n {2}promised by live domains /m);
    await host.ok('start', 'db1');
    const holder = await host.holdMemory((await host.info('db1')).pid!);
    await host.ok('destroy', 'db1');
    const after = await host.ok('policy', 'explain', 'db1');
    expect(after).toMatch(
      /^'domctl start' now: refused with exit 5: .*incarnation 1 is still draining: 0\.\d GiB held/m,
    );
    expect(after).toMatch(/^ {2}hint: 'domctl start db1 --wait'/m);
    expect(after).toMatch(/^'domctl force-start' now: it would be admitted$/m);
    expect(after).toMatch(/^\+ held by draining +0\.\d GiB +incarnation 1 of db1$/m);
    expect(await host.json('policy', 'explain', 'db1')).toMatchObject({
      policy: 'mine',
      chosenBy: 'xml',
      allowed: true,
      launchedWith: [{ id: 1, policy: 'mine' }],
      start: { admitted: false, refusal: { code: 'INCARNATION_DRAINING', exit: 5 } },
      forceStart: { admitted: true, refusal: null },
    });
    expect(host.history(1).at(-1)).toBe('draining');
    await holder.letGo();
    await host.becomes('db1', 'shut off');
  });

  test('explain of a domain whose policy the host does not allow says so, and that no start would be admitted', async () => {
    await using host = await createHost({ policies: { mine } });
    host.writeHostYaml({ allowedPolicies: ['strict'] });
    await host.define({ name: 'db1', policy: 'mine' });
    const text = await host.ok('policy', 'explain', 'db1');
    expect(text).toContain("Domain 'db1' is under policy mine (named by its XML, which host.yaml does not allow)");
    expect(text).toMatch(/^'domctl start' now: refused with exit 6: /m);
    expect(text).toMatch(/^'domctl force-start' now: refused with exit 6: /m);
  });
});
