import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { FailureData } from '../../machines/errors.ts';
import type { Fleet, Item, MigrationOptions, Place } from '../../machines/migration/items.ts';
import { backlog, failuresOf, forwardWindow, inLine, moveOf, requeue, settle } from '../../machines/migration/items.ts';

const FAILURE: FailureData = { reason: 'no_valid_host', next: 'retry', message: 'No valid host was found.' };
const OPTIONS: MigrationOptions = {
  window: 2,
  windowOf: {},
  windowPerFailureDomain: null,
  canary: 0,
  failureBudget: 1,
  nodeAttempts: 2,
};

const item = (uuid: string, place: Place = 'waiting', more: Partial<Item> = {}): Item => ({
  uuid,
  name: `node-${uuid}`,
  role: 'worker',
  failureDomain: null,
  instanceId: null,
  place,
  tries: place === 'waiting' ? 0 : 1,
  failure: null,
  ...more,
});

function fleet(items: readonly Item[], more: Partial<Fleet> = {}): Fleet {
  return {
    items: Object.fromEntries(items.map((one) => [one.uuid, one])),
    queue: items.filter(({ place }) => place === 'waiting').map(({ uuid }) => uuid),
    arrived: items.filter(({ place }) => place === 'moved').map(({ uuid }) => uuid),
    options: OPTIONS,
    ...more,
  };
}

describe('the line', () => {
  const next = (of: Fleet, window: number) => inLine(of, window).map(({ uuid }) => uuid);

  it('lets the next go while the window has room', () => {
    expect(next(fleet([item('a'), item('b')]), 2)).toEqual(['a']);
    expect(next(fleet([item('a', 'moving'), item('b')]), 2)).toEqual(['b']);
    expect(next(fleet([item('a', 'moving'), item('b', 'going_back'), item('c')]), 2)).toEqual([]);
  });

  it('is never overtaken: a role that is full holds up those behind it', () => {
    const options = { ...OPTIONS, window: 3, windowOf: { master: 1 } };
    const items = [item('a', 'moving', { role: 'master' }), item('b', 'waiting', { role: 'master' }), item('c')];
    expect(next(fleet(items, { options }), 3)).toEqual([]);
  });

  describe('with a limit for each failure domain', () => {
    const options = { ...OPTIONS, window: 3, windowPerFailureDomain: 1 };
    const limited = (...items: Item[]) => next(fleet(items, { options }), 3);
    const inRack = (uuid: string, failureDomain: string | null, place?: Place, role = 'worker') =>
      item(uuid, place, { failureDomain, role });

    it('leaves out those of a domain that is full, and keeps the order', () => {
      const line = [inRack('b', 'r1'), inRack('c', 'r2'), inRack('d', 'r3')];
      expect(limited(inRack('a', 'r1', 'moving'), ...line)).toEqual(['c', 'd']);
      expect(limited(inRack('a', 'r1', 'going_back'), ...line)).toEqual(['c', 'd']);
      expect(limited(inRack('a', 'r4', 'moving'), ...line)).toEqual(['b', 'c', 'd']);
      expect(limited(inRack('a', 'r1', 'moving'), inRack('b', 'r1'))).toEqual([]);
      expect(next(fleet([inRack('a', 'r1', 'moving'), inRack('b', 'r2')], { options }), 1)).toEqual([]);
    });

    it('lets no other role pass', () => {
      const master = inRack('m', 'r2', 'waiting', 'master');
      expect(limited(inRack('a', 'r1', 'moving'), inRack('b', 'r1'), master)).toEqual([]);
      expect(limited(inRack('b', 'r1'), master)).toEqual(['b']);
    });

    it('takes a node of an unknown domain to be in each of them', () => {
      expect(limited(inRack('a', null, 'moving'), inRack('b', 'r1'), inRack('c', null))).toEqual([]);
      expect(limited(inRack('a', 'r1', 'moving'), inRack('b', null), inRack('c', 'r2'))).toEqual(['c']);
    });

    it('counts as many as the limit says', () => {
      const two = { ...options, windowPerFailureDomain: 2 };
      const items = [inRack('a', 'r1', 'moving'), inRack('b', 'r1'), inRack('c', 'r2')];
      expect(next(fleet(items, { options: two }), 3)).toEqual(['b', 'c']);
    });
  });

  it('is empty at its end', () => {
    expect(next(fleet([item('a', 'moved')]), 2)).toEqual([]);
  });

  it('sends canaries alone', () => {
    const options = { ...OPTIONS, canary: 1 };
    expect(forwardWindow(fleet([item('a')], { options }))).toBe(1);
    expect(forwardWindow(fleet([item('a', 'moved')], { options }))).toBe(OPTIONS.window);
  });

  it('takes a node that came back behind the last of its role', () => {
    const items = [item('a', 'going_back'), item('b'), item('c', 'waiting', { role: 'master' })];
    expect(requeue(fleet(items), 'a')).toEqual(['b', 'a', 'c']);
    const alone = [item('a', 'going_back', { role: 'master' }), item('b'), item('c')];
    expect(requeue(fleet(alone), 'a')).toEqual(['a', 'b', 'c']);
  });
});

describe('settling', () => {
  it('in the target counts as moved, last of those that have arrived', () => {
    const after = settle(
      fleet([item('a', 'moved'), item('b', 'moving')]),
      'b',
      { place: 'target', failure: null },
      true,
    );
    expect(after.items['b']).toMatchObject({ place: 'moved', failure: null });
    expect(after.arrived).toEqual(['a', 'b']);
    expect(after.failed).toBe(false);
  });

  it('back home with a failure is tried again, while it may', () => {
    const home = { place: 'source', failure: FAILURE } as const;
    const again = settle(fleet([item('a', 'moving', { tries: 1 })]), 'a', home, true);
    expect(again).toMatchObject({ queue: ['a'], failed: true, items: { a: { place: 'waiting', failure: FAILURE } } });
    const enough = settle(fleet([item('a', 'moving', { tries: 2 })]), 'a', home, true);
    expect(enough).toMatchObject({ queue: [], failed: true, items: { a: { place: 'back' } } });
    const stopped = settle(fleet([item('a', 'moving', { tries: 1 })]), 'a', home, false);
    expect(stopped).toMatchObject({ queue: [], items: { a: { place: 'back' } } });
  });

  it('back home because somebody wanted it is no failure', () => {
    const after = settle(fleet([item('a', 'going_back')]), 'a', { place: 'source', failure: null }, false);
    expect(after).toMatchObject({ failed: false, items: { a: { place: 'back', failure: null } } });
  });

  it('on its way back when Ephyra started keeps the failure from before', () => {
    const going = item('a', 'going_back', { failure: FAILURE, tries: 1 });
    const after = settle(fleet([going]), 'a', { place: 'source', failure: null }, true);
    expect(after).toMatchObject({ failed: true, items: { a: { place: 'waiting', failure: FAILURE } } });
  });

  it('stuck is a failure that nobody tries again', () => {
    const after = settle(fleet([item('a', 'moving')]), 'a', { place: 'stuck', failure: FAILURE }, true);
    expect(after).toMatchObject({ failed: true, queue: [], items: { a: { place: 'stuck', failure: FAILURE } } });
  });

  it('never loses or doubles a node', () => {
    const places = fc.constantFrom<Place>('waiting', 'moving', 'moved', 'going_back', 'back', 'stuck');
    fc.assert(
      fc.property(
        fc.array(places, { minLength: 1, maxLength: 8 }),
        fc.constantFrom('target', 'source', 'stuck'),
        fc.boolean(),
        fc.boolean(),
        (all, place, withFailure, mayTryAgain) => {
          const items = [...all.map((one, at) => item(`n${at}`, one)), item('x', 'moving')];
          const before = fleet(items);
          const after = settle(
            before,
            'x',
            { place: place as 'target', failure: withFailure ? FAILURE : null },
            mayTryAgain,
          );
          expect(Object.keys(after.items).sort()).toEqual(items.map(({ uuid }) => uuid).sort());
          expect(new Set(after.queue).size).toBe(after.queue.length);
          expect(after.queue.every((uuid) => after.items[uuid]?.place === 'waiting')).toBe(true);
          expect(after.arrived.every((uuid) => after.items[uuid]?.place === 'moved')).toBe(true);
        },
      ),
    );
  });
});

describe('the failures of a node', () => {
  it('are the tries that have ended, whatever became of the last one', () => {
    expect(failuresOf(item('a'))).toBe(0);
    expect(failuresOf(item('a', 'waiting', { tries: 1, failure: FAILURE }))).toBe(1);
    expect(failuresOf(item('a', 'moving', { tries: 1 }))).toBe(0);
    expect(failuresOf(item('a', 'moving', { tries: 3 }))).toBe(2);
    expect(failuresOf(item('a', 'moved', { tries: 2 }))).toBe(1);
    expect(failuresOf(item('a', 'going_back', { tries: 1, failure: FAILURE }))).toBe(0);
    expect(failuresOf(item('a', 'back', { tries: 2, failure: FAILURE }))).toBe(2);
    expect(failuresOf(item('a', 'back', { tries: 1 }))).toBe(0);
    expect(failuresOf(item('a', 'stuck', { tries: 1, failure: FAILURE }))).toBe(1);
  });
});

describe('going back', () => {
  it('takes what has moved, the newest first', () => {
    const items = [item('a', 'moved'), item('b', 'moved'), item('c', 'stuck'), item('d')];
    expect(backlog(fleet(items, { arrived: ['b', 'a'] }))).toEqual(['a', 'b']);
  });

  it('is the same move with the two sides swapped', () => {
    const course = { deployment: 'd-1', epoch: 7, source: 'cp1', target: 'cp2' };
    expect(moveOf(course, item('a'), 'forward')).toMatchObject({ from: 'cp1', to: 'cp2', source: 'cp1' });
    expect(moveOf(course, item('a'), 'back')).toMatchObject({ from: 'cp2', to: 'cp1', source: 'cp1' });
  });
});
