import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createPlugin } from '../../plugins/exec/index.ts';
import { context, node, setup, until } from './hadoop/bench.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'exec-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const sh = (script: string) => ['/bin/sh', '-c', script, 'sh'];

/** The plugin with one script for all four commands, and more options. */
function plugin(script: string, more: Record<string, unknown> = {}, means: Partial<ReturnType<typeof setup>> = {}) {
  const command = sh(script);
  return createPlugin({
    ...setup({ remove: command, add: command, verifyNode: command, verifyApplication: command, ...more }),
    ...means,
  }) as Exclude<ReturnType<typeof createPlugin>, Promise<unknown>>;
}

const worker = node('worker-1', { addressesBefore: ['10.1.0.1', 'fe80::1'], addressesAfter: ['10.2.0.1'] });

describe('a command of the plugin exec', () => {
  test('gets the node in variables and as JSON', async () => {
    const out = join(folder, 'out');
    // The deadline counts from any instant; for who reads it, it is a time of day.
    const clocks = { now: () => 9_600_000, elapsed: () => 3_600_000, date: () => 1_000 };
    await plugin(`env > "${out}.env"; cat > "${out}.json"`, {}, clocks).removeNode(worker, {
      ...context(),
      deadline: 3_660_000,
    });
    const env = Object.fromEntries(
      (await readFile(`${out}.env`, 'utf8')).split('\n').map((line) => line.split(/=(.*)/s)),
    );
    expect(env).toMatchObject({
      EPHYRA_VERB: 'remove',
      EPHYRA_NODE_UUID: 'uuid-worker-1',
      EPHYRA_NODE_NAME: 'bm-worker-1',
      EPHYRA_NODE_ROLE: 'hadoop-worker',
      EPHYRA_INSTANCE_NAME: 'worker-1',
      EPHYRA_ADDRESSES_BEFORE: '10.1.0.1 fe80::1',
      EPHYRA_ADDRESSES_AFTER: '10.2.0.1',
      EPHYRA_DEADLINE: '61000',
    });
    expect(JSON.parse(await readFile(`${out}.json`, 'utf8'))).toEqual({
      verb: 'remove',
      deadline: 61_000,
      node: worker,
    });
  });

  test('does not see the secrets in the environment of Ephyra, unless one is named', async () => {
    process.env['SECRET_OF_TEST'] = 'hidden';
    try {
      const script = `printf %s "$SECRET_OF_TEST$GIVEN" > "${folder}/seen"`;
      await plugin(script, { env: { GIVEN: 'given' } }).addNode(worker, context());
      expect(await readFile(join(folder, 'seen'), 'utf8')).toBe('given');
      await plugin(script, { passEnv: ['SECRET_OF_TEST'] }).addNode(worker, context());
      expect(await readFile(join(folder, 'seen'), 'utf8')).toBe('hidden');
    } finally {
      delete process.env['SECRET_OF_TEST'];
    }
  });

  test('has nothing interpreted by a shell', async () => {
    const show = [process.execPath, '-e', 'require("fs").writeFileSync(process.argv[1], process.argv[2])'];
    const made = createPlugin(
      setup({
        remove: [...show, join(folder, 'x'), '$(id); `id`'],
        add: ['x'],
        verifyNode: ['x'],
        verifyApplication: ['x'],
      }),
    ) as Exclude<ReturnType<typeof createPlugin>, Promise<unknown>>;
    await made.removeNode(worker, context());
    expect(await readFile(join(folder, 'x'), 'utf8')).toBe('$(id); `id`');
  });

  test('tells its progress line by line', async () => {
    const told = context();
    await plugin('echo 12 of 40 blocks left; printf "11 of"; sleep 0.05; echo " 40 blocks left"').removeNode(
      worker,
      told,
    );
    expect(told.said).toEqual(['12 of 40 blocks left', '11 of 40 blocks left']);
  });
});

describe.each(['removeNode', 'addNode'] as const)('%s of the plugin exec', (verb) => {
  test.each([
    [1, 'application_refused', 'retry'],
    [2, 'application_refused', 'stop'],
    [75, 'application_refused', 'retry'],
    [3, 'application_unknown', 'retry'],
    [66, 'application_unknown', 'retry'],
  ] as const)('fails with exit code %i as %s, %s', async (code, reason, next) => {
    await expect(plugin(`echo because >&2; exit ${code}`)[verb](worker, context())).rejects.toMatchObject({
      reason,
      next,
      message: expect.stringContaining('because'),
    });
  });

  test('fails when a signal ends the command', async () => {
    await expect(plugin('kill -KILL $$')[verb](worker, context())).rejects.toMatchObject({
      reason: 'application_unknown',
      message: expect.stringContaining('SIGKILL'),
    });
  });

  test('stops when the command does not exist', async () => {
    const missing = createPlugin(
      setup({ remove: ['/no/x'], add: ['/no/x'], verifyNode: ['/no/x'], verifyApplication: ['/no/x'] }),
    ) as Exclude<ReturnType<typeof createPlugin>, Promise<unknown>>;
    await expect(missing[verb](worker, context())).rejects.toMatchObject({
      next: 'stop',
      remedy: expect.stringContaining('/no/x'),
    });
    expect(await missing.verifyNode(worker, context())).toMatchObject({ health: 'unknown', membership: 'unknown' });
  });
});

/** A command with a child that leaves a mark every few milliseconds, for as long as it lives. */
const family = (path: string) => `(while :; do echo . >> "${path}"; sleep 0.01; done) & wait`;
const marks = async (path: string) => (await readFile(path, 'utf8').catch(() => '')).length;

/** A process that was killed can stay in the table until somebody asks for it: what counts is that it does nothing. */
async function isStill(path: string): Promise<boolean> {
  const before = await marks(path);
  await delay(100);
  return (await marks(path)) === before;
}

describe('a command that does not end', () => {
  test('is ended with its children at the time-out', async () => {
    const path = join(folder, 'marks');
    const going = plugin(family(path), { timeout: '300ms' }).removeNode(worker, context());
    await expect(going).rejects.toMatchObject({ reason: 'deadline', next: 'retry' });
    expect(await marks(path)).toBeGreaterThan(0);
    expect(await isStill(path)).toBe(true);
  });

  test('is ended with its children when the wait is cancelled', async () => {
    const path = join(folder, 'marks');
    const told = context();
    const going = plugin(family(path)).removeNode(worker, told);
    await until(async () => (await marks(path)) > 0);
    told.abort();
    await expect(going).rejects.toMatchObject({ reason: 'cancelled', next: 'cancelled' });
    expect(await isStill(path)).toBe(true);
  });

  test('leaves the answer of a verify unknown', async () => {
    const slow = plugin('sleep 60', { verifyTimeout: '100ms' });
    expect(await slow.verifyNode(worker, context())).toEqual({
      health: 'unknown',
      membership: 'unknown',
      reasons: ['the command did not answer in time'],
    });
    expect(await slow.verifyApplication(context())).toMatchObject({ health: 'unknown' });
  });

  test('does not fill the memory', async () => {
    const told = context();
    await expect(
      plugin(
        'i=0; while [ $i -lt 20000 ]; do echo 0123456789012345678901234567890123456789; i=$((i+1)); done; echo end >&2; exit 1',
      ).verifyNode(worker, told),
    ).resolves.toEqual({ health: 'unhealthy', membership: 'unknown', reasons: ['end'] });
  });

  test('may leave a daemon behind when it ends by itself', async () => {
    const started = Date.now();
    await plugin('sleep 5 & exit 0').removeNode(worker, context());
    expect(Date.now() - started).toBeLessThan(4_000);
  });
});

describe('verifyNode of the plugin exec', () => {
  test.each([
    ['exit 0', { health: 'healthy', membership: 'in', reasons: [] }],
    ['echo ill >&2; exit 1', { health: 'unhealthy', membership: 'unknown', reasons: ['ill'] }],
    ['exit 3', { health: 'unhealthy', membership: 'out', reasons: ['the command ended with exit code 3'] }],
    ['exit 2', { health: 'unknown', membership: 'unknown', reasons: ['the command ended with exit code 2'] }],
    ['exit 75', { health: 'unknown', membership: 'unknown', reasons: ['the command ended with exit code 75'] }],
    [
      `echo hello; echo '{"membership":"out","health":"healthy"}'`,
      { health: 'healthy', membership: 'out', reasons: [] },
    ],
    [
      `echo '{"membership":"in","reasons":["slow disk"]}'; exit 1`,
      { health: 'unhealthy', membership: 'in', reasons: ['slow disk'] },
    ],
    [
      `echo '{"health":"unknown","reasons":["no answer"]}'`,
      { health: 'unknown', membership: 'in', reasons: ['no answer'] },
    ],
  ])('takes %j as %j', async (script, answer) => {
    expect(await plugin(script).verifyNode(worker, context())).toEqual(answer);
  });

  test.each([
    [`echo '{"health":"healthy"}'; exit 1`, 'contradicts itself'],
    [`echo '{"membership":"in"}'; exit 3`, 'contradicts itself'],
    [`echo '{"health":"fine"}'`, 'health'],
    [`echo '{"health":'`, 'is not'],
  ])('believes nothing of %j', async (script, reason) => {
    const answer = await plugin(script).verifyNode(worker, context());
    expect(answer).toMatchObject({ health: 'unknown', membership: 'unknown' });
    expect(answer.reasons.join()).toContain(reason);
  });
});

describe('verifyApplication of the plugin exec', () => {
  test('tells who is out', async () => {
    const answer = await plugin(`echo '{"unavailable":["worker-3"],"membersInService":9}'`).verifyApplication(
      context(),
    );
    expect(answer).toEqual({ health: 'healthy', reasons: [], unavailable: ['worker-3'], membersInService: 9 });
  });

  test.each([
    ['exit 1', 'unhealthy'],
    ['exit 3', 'unknown'],
    ['exit 4', 'unknown'],
    [`echo '{"health":"healthy"}'; exit 1`, 'unknown'],
  ])('takes %j as %s', async (script, health) => {
    expect((await plugin(script).verifyApplication(context())).health).toBe(health);
  });
});

describe('the options of the plugin exec', () => {
  test('are checked all at once, with the nearest known key', async () => {
    await writeFile(join(folder, 'x'), '');
    const make = () => createPlugin(setup({ remove: 'drain now', add: [], verifyNod: ['x'], verifyTimeout: 'soon' }));
    expect(make).toThrow(/options\.remove: .*expected array/);
    expect(make).toThrow(/options\.add: must be a list: the program/);
    expect(make).toThrow(/options\.verifyNod: unknown key; did you mean "verifyNode"\?/);
    expect(make).toThrow(/options\.verifyTimeout: must be a duration such as 500ms, 30s, 5m, 4h \(found "soon"\)/);
  });
});
