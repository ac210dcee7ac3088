/** The journal on a real disk: what it remembers after a restart, whatever happened to its last lines. */
import { execFileSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { writeDurably } from '../../../lib/daemon/durable.ts';
import { Journal } from '../../../lib/daemon/journal.ts';
import type { Remembered } from '../../../lib/daemon/journal-file.ts';
import { journalRecord, journalVersion, type NewRecord } from '../../../lib/daemon/records.ts';
import type { Claim } from '../../../lib/domain/claims.ts';
import type { IncarnationState, Launch } from '../../../lib/domain/incarnation.ts';
import { launch, outcome, stateOfKind, states } from '../domain/samples.ts';

let directory = '';
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'domctl-journal-'));
});
afterEach(() => {
  rmSync(directory, { recursive: true });
});

const clock = { now: () => Date.UTC(2026, 0, 2, 3, 4, 5) };
const unborn = states['launching, unborn'];

function launched(id: number, domain = 'web1', state: IncarnationState = unborn): NewRecord {
  return { kind: 'launch', launch: { ...launch, id, domain }, state };
}

function became(incarnation: number, state: IncarnationState): NewRecord {
  return { kind: 'state', incarnation, event: 'any', state };
}

const released = states.released;

function file(): string {
  return join(directory, 'journal.jsonl');
}

function text(): string {
  return readFileSync(file(), 'utf8');
}

function queuedAs(number: number, domain: string): NewRecord {
  const { uuid, bootId, requester } = launch;
  const ticket = { number, domain, uuid, bootId, requester, force: false, paused: false };
  return { kind: 'queued', ticket: { ...ticket, promisedBytes: 7, sinceMs: 1, deadlineMs: null } };
}

/** A daemon's life: opens, appends, closes; tells what it remembered at its start. */
async function live(...records: NewRecord[]): Promise<Remembered> {
  const { journal, remembered } = await Journal.open(directory, clock);
  try {
    for (const record of records) await journal.append(record);
  } finally {
    await journal.close();
  }
  return remembered;
}

function statesOf({ incarnations }: Remembered): string[] {
  return incarnations.map(({ launch: { id }, state }) => `${id} ${state.kind}`);
}

function seqs(): unknown[] {
  return text()
    .trim()
    .split('\n')
    .map((line) => (JSON.parse(line) as { seq: number }).seq);
}

const asideName = `journal.jsonl.damaged-${clock.now()}`;

describe('a journal', () => {
  test('begins empty, in a directory only its owner enters', async () => {
    const fresh = join(directory, 'state', 'journal');
    const { journal, remembered } = await Journal.open(fresh, clock);
    await journal.close();
    expect(remembered).toEqual({ incarnations: [], lastId: 0, tickets: [], damage: [] });
    expect([fresh, join(fresh, 'journal.jsonl')].map((path) => (statSync(path).mode & 0o777).toString(8))).toEqual([
      '700',
      '600',
    ]);
  });

  test('remembers each incarnation in its last state, with what it was launched with', async () => {
    await live(launched(7), became(7, states.running), launched(8, 'db1'), became(7, states.draining));
    const remembered = await live();
    expect(remembered).toEqual({
      incarnations: [
        { launch, state: states.draining },
        { launch: { ...launch, id: 8, domain: 'db1' }, state: unborn },
      ],
      lastId: 8,
      tickets: [],
      damage: [],
    });
  });

  test('remembers who waits, in order: not who was taken out, nor whose start has begun', async () => {
    const queue = [3, 1, 2, 4].map((number) => queuedAs(number, `db${number}`));
    await live(...queue, { kind: 'dequeued', ticket: 1, end: 'cancelled' }, launched(9, 'db2'));
    expect((await live()).tickets.map(({ number, domain }) => [number, domain])).toEqual([
      [3, 'db3'],
      [4, 'db4'],
    ]);
  });

  test('remembers claims of every kind', async () => {
    const claims: Claim[] = [
      ...launch.claims,
      { kind: 'nvram', path: '/v.fd', device: 5, inode: 7, mode: 'exclusive' },
      { kind: 'block', path: '/dev/vdb', device: 2064, mode: 'shared' },
      { kind: 'tap', name: 'vnet0', managed: false, mode: 'exclusive' },
      { kind: 'port', protocol: 'tcp', address: null, port: 5900, mode: 'exclusive' },
    ];
    await live({ kind: 'launch', launch: { ...launch, claims }, state: unborn });
    expect((await live()).incarnations[0]?.launch.claims).toEqual(claims);
  });

  test('takes a record from before there were companions', async () => {
    await live(launched(7));
    const { companions, ...before } = (JSON.parse(text()) as { launch: Launch }).launch;
    expect(companions).not.toEqual([]);
    writeFileSync(file(), text().replace(/"launch":\{.*\},"state"/, `"launch":${JSON.stringify(before)},"state"`));
    const { incarnations, damage } = await live();
    expect(damage).toEqual([]);
    expect(incarnations[0]?.launch).toEqual({ ...launch, companions: [] });
  });

  test('numbers and dates its lines, on from where the last daemon ended', async () => {
    await live(launched(7), became(7, states.running));
    await live(became(7, states.draining));
    expect(seqs()).toEqual([1, 2, 3]);
    expect(JSON.parse(text().split('\n')[0] ?? '')).toMatchObject({
      v: journalVersion,
      seq: 1,
      at: '2026-01-02T03:04:05.000Z',
      kind: 'launch',
    });
  });

  test('has a record on disk when its append resolves', async () => {
    const { journal } = await Journal.open(directory, clock);
    try {
      await journal.append(launched(7));
      expect(seqs()).toEqual([1]);
    } finally {
      await journal.close();
    }
  });

  test('writes records that come at once in the order they came, and resolves them so', async () => {
    const { journal } = await Journal.open(directory, clock);
    const ids = Array.from({ length: 50 }, (_, index) => index + 1);
    const resolved: number[] = [];
    await Promise.all(ids.map(async (id) => journal.append(launched(id)).then(() => resolved.push(id))));
    await journal.close();
    expect(resolved).toEqual(ids);
    expect(seqs()).toEqual(ids);
    expect((await live()).incarnations.map((one) => one.launch.id)).toEqual(ids);
  });

  test('finishes what was appended before it closes', async () => {
    const { journal } = await Journal.open(directory, clock);
    const appended = journal.append(launched(7));
    await journal.close();
    await appended;
    expect(statesOf(await live())).toEqual(['7 launching']);
  });

  test('keeps every state there is', async () => {
    for (const state of Object.values(stateOfKind)) {
      await live(launched(7), became(7, state));
      expect((await live()).incarnations).toEqual([{ launch, state }]);
      rmSync(file());
    }
  });
});

describe('a torn last line', () => {
  beforeEach(async () => {
    await live(launched(7), became(7, states.running));
  });

  test('is cut off, kept aside and named', async () => {
    const whole = text();
    const torn = `${whole}{"v":1,"seq":3,"at":"2026-`;
    writeFileSync(file(), torn);
    const remembered = await live();
    expect(statesOf(remembered)).toEqual(['7 running']);
    expect(remembered.damage).toEqual([
      `${file()}:3: not a whole line`,
      `a copy is kept as ${join(directory, asideName)}`,
    ]);
    expect(text()).toBe(whole);
    expect(readFileSync(join(directory, asideName), 'utf8')).toBe(torn);
  });

  test('does not spoil the records that follow', async () => {
    writeFileSync(file(), `${text()}{"v":1,"seq":3,"at":"2026-`);
    await live(became(7, states.draining));
    const remembered = await live();
    expect([statesOf(remembered), remembered.damage]).toEqual([['7 draining'], []]);
  });

  test('with letters of several bytes is cut at its own beginning', async () => {
    writeFileSync(file(), `${text()}${JSON.stringify({ v: 1, note: 'grün ☃' }).slice(0, -4)}`);
    await live(became(7, states.draining));
    expect(statesOf(await live())).toEqual(['7 draining']);
  });

  test('after a garbage line of bytes that are no text is cut at its own beginning too', async () => {
    writeFileSync(
      file(),
      Buffer.concat([Buffer.from(text()), Buffer.alloc(100, 0xff), Buffer.from('\n{"v":1,"seq":3,"at"')]),
    );
    await live(became(7, states.draining));
    expect(statesOf(await live())).toEqual(['7 draining']);
  });

  test('that lacks nothing but its newline does not swallow the next record', async () => {
    writeFileSync(file(), text().slice(0, -1));
    expect(statesOf(await live(became(7, states.draining)))).toEqual(['7 running']);
    expect(statesOf(await live())).toEqual(['7 draining']);
  });

  test('that lacks nothing but its newline stays, though other damage is there', async () => {
    const [first, second] = text().trim().split('\n');
    writeFileSync(file(), `${first}\ngarbage\n${second}`);
    expect(statesOf(await live())).toEqual(['7 running']);
    expect(statesOf(await live())).toEqual(['7 running']);
  });
});

describe('a disk that is full', () => {
  /** Lets this process write regular files up to `bytes` long; Node ignores SIGXFSZ, so write(2) ends early, then fails with EFBIG. */
  function limitFileSize(bytes: string): void {
    execFileSync('prlimit', ['--pid', String(process.pid), `--fsize=${bytes}:`]);
  }

  test('refuses the record, and spoils none that is appended when there is room again', async (context) => {
    if (!existsSync('/usr/bin/prlimit')) context.skip('prlimit (util-linux) is not installed');
    const { journal } = await Journal.open(directory, clock);
    try {
      await journal.append(launched(7));
      limitFileSize(String(statSync(file()).size + 40));
      try {
        await expect(journal.append(became(7, states.running))).rejects.toThrow(/EFBIG/);
      } finally {
        limitFileSize('unlimited');
      }
      await journal.append(became(7, states.draining));
    } finally {
      await journal.close();
    }
    expect(statesOf(await live())).toEqual(['7 draining']);
  });

  test('keeps what stands until there is room, the last word on each thing, and leaves no half line', async (context) => {
    if (!existsSync('/usr/bin/prlimit')) context.skip('prlimit (util-linux) is not installed');
    const { journal } = await Journal.open(directory, clock);
    try {
      await journal.append(launched(7));
      const whole = text();
      limitFileSize(String(statSync(file()).size + 40));
      try {
        for (const state of [states.running, states.draining])
          await expect(journal.append(became(7, state), { stands: true })).rejects.toMatchObject({
            code: 'HOST_LACKS',
            details: { path: file(), errno: 'EFBIG' },
          });
        await expect(journal.append(launched(8))).rejects.toThrow(/EFBIG/);
        expect(text()).toBe(whole);
      } finally {
        limitFileSize('unlimited');
      }
      expect(await journal.append(launched(9))).toBe(5);
    } finally {
      await journal.close();
    }
    expect(seqs()).toEqual([1, 3, 5]);
    const remembered = await live();
    expect([statesOf(remembered), remembered.damage]).toEqual([['7 draining', '9 launching'], []]);
  });

  test('is given what is owed to it at the end', async (context) => {
    if (!existsSync('/usr/bin/prlimit')) context.skip('prlimit (util-linux) is not installed');
    const { journal } = await Journal.open(directory, clock);
    await journal.append(launched(7));
    limitFileSize(String(statSync(file()).size + 40));
    try {
      await expect(journal.append(became(7, states.running), { stands: true })).rejects.toThrow(/EFBIG/);
    } finally {
      limitFileSize('unlimited');
    }
    await journal.close();
    expect(statesOf(await live())).toEqual(['7 running']);
  });
});

describe('a directory in its place', () => {
  test('is moved aside and named, and a journal begun', async () => {
    mkdirSync(join(file(), 'something'), { recursive: true });
    const { damage } = await live(launched(7));
    expect(damage).toEqual([`${file()}: a directory in its place`, `it is kept as ${join(directory, asideName)}`]);
    expect(readdirSync(join(directory, asideName))).toEqual(['something']);
    expect(statesOf(await live())).toEqual(['7 launching']);
  });
});

describe('its transitions', () => {
  test('are each change of which both states are told, with number and time', async () => {
    await live(launched(7), became(7, states.running), launched(8), became(9, released), became(7, states.draining));
    const { journal, transitions } = await Journal.open(directory, clock);
    await journal.close();
    expect(transitions.map(({ seq, atMs, before, after }) => [seq, atMs, before.kind, after.kind])).toEqual([
      [2, clock.now(), 'launching', 'running'],
      [5, clock.now(), 'running', 'draining'],
    ]);
  });
});

describe('a line in the middle', () => {
  beforeEach(async () => {
    await live(launched(7), became(7, states.running), became(7, states.draining));
  });

  /** Replaces line `number`, from 1. */
  function replace(number: number, line: string): void {
    writeFileSync(
      file(),
      text()
        .split('\n')
        .map((old, index) => (index === number - 1 ? line : old))
        .join('\n'),
    );
  }

  test.each([
    ['not JSON', 'garbage', 'not a whole line'],
    ['no record', '[]', ''],
    ['of an unknown kind', '{"v":1,"seq":2,"at":"2026-01-02T03:04:05.000Z","kind":"dream"}', ''],
    ['without a version', '{"seq":2}', ''],
  ])('that is %s is kept aside and named, and the file goes on without it', async (_what, line, why) => {
    replace(2, line);
    const before = text();
    const remembered = await live();
    expect(statesOf(remembered)).toEqual(['7 draining']);
    expect(remembered.damage[0]).toContain(`${file()}:2: ${why}`);
    expect(readFileSync(join(directory, asideName), 'utf8')).toBe(before);
    expect(seqs()).toEqual([1, 3]);
    expect((await live()).damage).toEqual([]);
  });

  test('that stands there twice counts once', async () => {
    const [first, second, third] = text().split('\n');
    writeFileSync(file(), [first, second, third, second, ''].join('\n'));
    const remembered = await live();
    expect(statesOf(remembered)).toEqual(['7 draining']);
    expect(remembered.damage[0]).toBe(`${file()}:4: line 2 stands there twice`);
  });

  test('of a state without its launch makes nothing of it', async () => {
    replace(1, 'garbage');
    expect((await live()).incarnations).toEqual([]);
  });

  test('that was a launch does not give its number to another one', async () => {
    replace(1, 'garbage');
    expect((await live()).lastId).toBeGreaterThanOrEqual(7);
  });
});

describe('a journal of a later domctl', () => {
  test('is refused as a whole, and nothing is changed', async () => {
    await live(launched(7));
    const later = `${text()}garbage\n${JSON.stringify({ v: journalVersion + 1, seq: 2, at: 'whenever', kind: 'new' })}\n{"torn`;
    writeFileSync(file(), later);
    await expect(Journal.open(directory, clock)).rejects.toThrow(
      expect.objectContaining({
        code: 'FAILED',
        hint: expect.stringContaining('nothing was changed') as string,
      }) as Error,
    );
    expect(text()).toBe(later);
    expect(readdirSync(directory)).toEqual(['journal.jsonl']);
  });
});

describe('compaction', () => {
  const large = launch.xml.padEnd(5 * 1024 * 1024);
  const bulky: NewRecord = { kind: 'launch', launch: { ...launch, id: 1, domain: 'old', xml: large }, state: released };

  test('keeps all that is not released and the last of each domain, in few bytes', async () => {
    await live(
      bulky,
      launched(2, 'old', released),
      launched(3, 'web1', states.draining),
      launched(4, 'web1', states.running),
      launched(5, 'db1', released),
      launched(6, 'old', released),
    );
    expect(statSync(file()).size).toBeGreaterThan(5 * 1024 * 1024);
    const all = await live();
    expect(statesOf(all)).toEqual(['1 released', '2 released', '3 draining', '4 running', '5 released', '6 released']);
    expect(statSync(file()).size).toBeLessThan(20 * 1024);
    expect(statesOf(await live())).toEqual(['3 draining', '4 running', '5 released', '6 released']);
    expect(readdirSync(directory)).toEqual(['journal.jsonl']);
  });

  test('never gives a number again, even that of an incarnation it dropped', async () => {
    await live(launched(9, 'web1', released), launched(10, 'old', released), bulky);
    await live();
    const remembered = await live();
    expect(remembered.lastId).toBe(10);
    expect(remembered.damage).toEqual([]);
  });

  test('goes on numbering its lines', async () => {
    await live(bulky, launched(2, 'web1'));
    await live(became(2, states.running));
    // An event remembers the line it comes from: no number is given out twice.
    expect(seqs()).toEqual([3, 4, 5, 6]);
    expect(statesOf(await live())).toEqual(['1 released', '2 running']);
  });

  test('leaves a small journal as it is', async () => {
    await live(launched(7, 'web1', released), launched(8, 'web1', released));
    const before = text();
    await live();
    expect(text()).toBe(before);
  });
});

describe('a durable write', () => {
  test('replaces the whole file and leaves nothing beside it', async () => {
    const path = join(directory, 'x.xml');
    writeFileSync(path, 'a longer text than the new one');
    await writeDurably(path, 'new');
    expect([readFileSync(path, 'utf8'), readdirSync(directory)]).toEqual(['new', ['x.xml']]);
  });
});

describe('a record', () => {
  const head = { v: journalVersion, seq: 1, at: '2026-01-02T03:04:05.000Z' };

  test.each(Object.entries({ ...states, ...stateOfKind }))('may be of the state %s', (_name, state) => {
    expect(journalRecord.parse({ ...head, ...became(7, state) })).toMatchObject({ state });
    expect(journalRecord.parse({ ...head, ...launched(7, 'web1', state) })).toMatchObject({ state });
  });

  test.each(Object.values(stateOfKind).filter(({ kind }) => kind !== 'lost' && kind !== 'released'))(
    'may be lost and have been $kind',
    (was) => {
      expect(
        journalRecord.safeParse({
          ...head,
          ...became(7, { kind: 'lost', sinceMs: 1, reason: 'x', was } as IncarnationState),
        }).success,
      ).toBe(true);
    },
  );

  test('may be of a forced start', () => {
    const forced = { overIncarnations: [6], heldDrainingBytes: 300 * 2 ** 30, shortfallBytes: -5 };
    expect(
      journalRecord.safeParse({ ...head, kind: 'launch', launch: { ...launch, forced }, state: unborn }).success,
    ).toBe(true);
  });

  test.each<[string, unknown]>([
    ['a state it does not know', became(7, { kind: 'dreaming', sinceMs: 1 } as never)],
    ['lost out of released', became(7, { kind: 'lost', sinceMs: 1, reason: 'x', was: released } as never)],
    ['a draining one without its proofs', became(7, { ...states.draining, freed: undefined } as never)],
    ['an outcome it does not know', became(7, { ...released, outcome: { ...outcome, kind: 'vanished' } } as never)],
    ['data it does not know', became(7, { ...released, more: 1 } as never)],
    ['an incarnation without a number', became(0, released)],
  ])('may not be of %s', (_what, record) => {
    expect(journalRecord.safeParse({ ...head, ...(record as object) }).success).toBe(false);
  });
});
