import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { setUp } from './bench.ts';
import { Pool } from './child.ts';
import { Player } from './play.ts';
import { nameOf, pointsOf, targetOf, withoutCommon } from './points.ts';
import { storyCalled } from './stories.ts';
import { RESUME_LIMIT_MS, slowOf } from './sweep.ts';

/** Killed at all of these in one deployment, one process after the other. `npm run test:crash` kills at every point there is. */
const KILLS: readonly { readonly story: string; readonly points: readonly string[] }[] = [
  {
    story: 'success',
    points: [
      'before | source ironic PATCH /v1/nodes/node-01 #1',
      'between | file yarn.exclude write #1',
      'after | source nova DELETE /v2.1/servers/{id} #1',
      'middle | target nova POST /v2.1/servers #1',
    ],
  },
  {
    story: 'failure',
    points: [
      'between | store write #2',
      'after | target ironic POST /v1/nodes #1',
      'before | source ironic POST /v1/nodes #1',
      'after | source nova POST /v2.1/servers #1',
    ],
  },
  {
    story: 'abort',
    points: [
      'before | slack POST /api/chat.postMessage #1',
      'after | source ironic DELETE /v1/nodes/node-01 #1',
      'after | target nova POST /v2.1/servers #1',
      'torn | store write #2',
    ],
  },
];

let folder: string;
const pool = new Pool(3);

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'ephyra-crash-test-'));
  pool.fill();
});
afterAll(async () => {
  await pool.close();
  await rm(folder, { recursive: true, force: true });
});

describe.concurrent('killed with SIGKILL and started again, four times in one deployment', () => {
  test.each(KILLS)('$story', { timeout: 120_000 }, async ({ story, points }) => {
    const player = new Player(await setUp(storyCalled(story), join(folder, story)), pool);
    try {
      const cuts = points.map((name) => ({ target: targetOf(name), ordinal: null }));
      const { deaths, problems } = await player.play(cuts, true);
      expect(problems).toEqual([]);
      expect(deaths).toEqual(points);
    } finally {
      await player.close();
    }
  });
});

describe('points', () => {
  const counted = (counts: [string, number][]) => ({
    counts,
    total: counts.reduce((sum, [, count]) => sum + count, 0),
  });

  test('are every write each time, and of a repeated read the first and the last time', () => {
    const { points, merged } = pointsOf('s', [
      { fresh: true, counted: counted([['before | a POST /t', 1]]) },
      {
        fresh: false,
        counted: counted([
          ['after | a PUT /x', 3],
          ['before | a GET /y < a PUT /x', 5],
        ]),
      },
      {
        fresh: false,
        counted: counted([
          ['after | a PUT /x', 3],
          ['before | a GET /y < a PUT /x', 4],
        ]),
      },
    ]);
    expect(points.map((point) => `${nameOf(point)}${point.fresh ? ' fresh' : ''}`)).toEqual([
      'before | a POST /t #1 fresh',
      'after | a PUT /x #1',
      'after | a PUT /x #2',
      'after | a PUT /x #3',
      'before | a GET /y < a PUT /x #1',
      'before | a GET /y < a PUT /x #4',
    ]);
    expect(merged).toBe(3);
  });

  test('are of what is said to people only those that come each time: they may have asked again', () => {
    const runs = [2, 3].map((times) => ({
      fresh: false,
      counted: counted([['after | slack POST /commands/{id}', times]]),
    }));
    expect(pointsOf('s', runs).points.map(nameOf)).toEqual([
      'after | slack POST /commands/{id} #1',
      'after | slack POST /commands/{id} #2',
    ]);
  });

  test('that are the same before stories part are in one of them only', () => {
    const list = (story: string, keys: string[]) => ({
      points: keys.map((key) => ({ story, key, count: 1, fresh: key.includes('auth.test') })),
      merged: 0,
    });
    const same = ['before | a GET /x < begin', 'before | a POST /auth.test'];
    const { lists, common } = withoutCommon([
      list('one', [...same, 'before | a PUT /x']),
      list('two', [...same, 'before | a PUT /x', 'before | a GET /y < begin', 'before | a GET /x < a PUT /x']),
    ]);
    expect(common).toBe(2);
    expect(lists[0]?.points).toHaveLength(3);
    expect(lists[1]?.points.map(({ key }) => key)).toEqual([
      'before | a PUT /x',
      'before | a GET /y < begin',
      'before | a GET /x < a PUT /x',
    ]);
  });

  test('have names that can be given back', () => {
    const target = { key: 'middle | source nova GET /v2.1/servers < target ironic POST /v1/nodes', count: 2 };
    expect(targetOf(nameOf(target))).toEqual(target);
    expect(() => targetOf('middle #2')).toThrow('is no point');
  });
});

test('a point of which a start took too long is carried out again once, however many starts it had', () => {
  const task = (key: string) => ({ point: { story: 's', key, count: 1, fresh: false }, second: null, tries: 0 });
  const [quick, slow] = [task('before | a PUT /x'), task('before | a PUT /y')];
  const late = RESUME_LIMIT_MS + 1;
  const resumes = [
    { task: quick, ms: RESUME_LIMIT_MS },
    { task: slow, ms: late },
    { task: slow, ms: late },
  ];
  expect(slowOf(resumes)).toEqual([slow]);
});
