import { describe, expect, it } from 'vitest';
import type { Marker, NodeFacts } from '../../../machines/domain.ts';
import type { FailureData } from '../../../machines/errors.ts';
import type { Place } from '../../../machines/migration/items.ts';
import type { Sighting } from '../../../src/deployments/resume.ts';
import { bringUpToDate, itemsOf, leftOnTheWay } from '../../../src/deployments/resume.ts';
import { SYSTEM } from '../../../src/deployments/service.ts';
import type { StoredDeployment, StoredResult } from '../../../src/store/types.ts';
import { instance, MARK, node } from '../../machines/observations.ts';
import { NOW, record } from './support.ts';

const ID = record().id;
const OURS: Marker = { ...MARK, deployment: ID };
const FAILURE: FailureData = { reason: 'no_valid_host', next: 'stop', message: 'No valid host was found.' };
const facts = (marker: NodeFacts['marker']): NodeFacts => node({ uuid: 'n-1', marker });
const sighting = (changes: Partial<Sighting>): Sighting => ({
  inSource: null,
  inTarget: null,
  instancesInTarget: [],
  ...changes,
});
const result = (place: Place, changes: Partial<StoredResult> = {}): StoredResult => ({
  uuid: 'n-1',
  place,
  failure: null,
  startedAt: NOW - 10,
  endedAt: null,
  attempts: 1,
  ...changes,
});

/** The first node of a deployment, as it is sighted. */
function first(seen: Sighting | undefined, changes: Partial<StoredDeployment> = {}, reopened = false) {
  const deployment = record({ nodes: record().nodes.slice(0, 1), ...changes });
  const [item] = itemsOf(deployment, new Map(seen === undefined ? [] : [['n-1', seen]]), reopened);
  if (item === undefined) throw new Error('no item');
  return item;
}

const HOME = sighting({ inSource: facts(null) });
const CLAIMED = sighting({ inSource: facts(OURS) });
const BOTH = sighting({ inSource: facts(OURS), inTarget: facts(OURS) });
const THERE = sighting({ inTarget: facts(OURS) });
const ARRIVED = sighting({
  inTarget: facts(null),
  instancesInTarget: [instance({ metadata: { ephyra_deployment: ID } })],
});

describe('after a start, a node', () => {
  it('goes on from where it is seen to be', () => {
    expect(first(HOME).place).toBe('waiting');
    for (const seen of [CLAIMED, BOTH, THERE]) expect(first(seen).place).toBe('moving');
    expect(first(ARRIVED).place).toBe('moved');
  });

  it('on its way back stays on its way back', () => {
    for (const seen of [CLAIMED, BOTH, THERE]) {
      expect(first(seen, { results: [result('going_back', { failure: FAILURE })] })).toMatchObject({
        place: 'going_back',
        failure: FAILURE,
      });
    }
  });

  it('of an aborted deployment goes back, or is back', () => {
    for (const seen of [CLAIMED, BOTH, THERE]) expect(first(seen, { intent: 'abort' }).place).toBe('going_back');
    expect(first(HOME, { intent: 'abort' }).place).toBe('back');
    expect(first(ARRIVED, { intent: 'abort' }).place).toBe('moved');
    // The lists may be behind: whoever was left elsewhere is looked at closer.
    for (const place of ['moving', 'stuck', 'going_back', 'moved'] as const) {
      expect(first(HOME, { intent: 'abort', results: [result(place)] }, true).place).toBe('going_back');
    }
    expect(first(HOME, { intent: 'abort', results: [result('back')] }).place).toBe('back');
  });

  it('that was stuck stays so until somebody says that it may go on', () => {
    const stuck = { results: [result('stuck', { failure: FAILURE })] };
    expect(first(CLAIMED, stuck)).toMatchObject({ place: 'stuck', failure: FAILURE });
    expect(first(CLAIMED, stuck, true).place).toBe('moving');
    expect(first(CLAIMED, { ...stuck, intent: 'abort' }, true).place).toBe('going_back');
  });

  it('that was on its way and is home by the lists is looked at closer', () => {
    for (const place of ['moving', 'going_back'] as const) {
      expect(first(HOME, { results: [result(place)] }).place).toBe('moving');
      expect(first(HOME, { intent: 'stop', results: [result(place)] }).place).toBe('going_back');
    }
    expect(first(HOME, { intent: 'stop' }).place).toBe('waiting');
    // What has arrived is there by now.
    expect(first(HOME, { results: [result('moved')] }).place).toBe('moving');
    // A person was called for it, and nobody is begun with any more.
    expect(first(HOME, { intent: 'stop', results: [result('stuck')] }).place).toBe('stuck');
  });

  it('that has arrived stays so in an abort until it is its turn, unless that has come', () => {
    const arrived = (place: Place) => first(ARRIVED, { intent: 'abort', results: [result(place)] }).place;
    expect(arrived('moved')).toBe('moved');
    expect(arrived('going_back')).toBe('going_back');
  });

  it('that had come back stays home', () => {
    const back = { results: [result('back', { failure: FAILURE, attempts: 2 })] };
    expect(first(HOME, back)).toMatchObject({ place: 'back', failure: FAILURE, tries: 2 });
  });

  it('that may have come home unseen keeps its failure and its tries', () => {
    const came = (place: Place, attempts: number, failure: FailureData | null) =>
      first(HOME, { results: [result(place, { attempts, failure })] });
    expect(came('going_back', 2, FAILURE)).toMatchObject({ place: 'going_back', tries: 2, failure: FAILURE });
    // The try that was cut off goes on, and so does what nobody has to turn round any more.
    expect(came('moving', 2, FAILURE)).toMatchObject({ place: 'moving', tries: 2, failure: null });
    expect(came('going_back', 2, null)).toMatchObject({ place: 'moving', tries: 2 });
  });

  it('that is nowhere, or in both without a mark, is looked at closer', () => {
    expect(first(sighting({})).place).toBe('moving');
    expect(first(sighting({ inSource: facts(null), inTarget: facts(null) })).place).toBe('moving');
    expect(first(undefined).place).toBe('moving');
  });

  it('with the mark of another deployment is not taken for ours', () => {
    const other = sighting({ inSource: facts({ ...OURS, deployment: 'd-other' }) });
    expect(first(other).place).toBe('waiting');
  });

  it('in the target with an instance of ours that does not run has arrived only where that is recorded', () => {
    const stopped = sighting({
      ...ARRIVED,
      instancesInTarget: ARRIVED.instancesInTarget.map((one) => ({ ...one, status: 'SHUTOFF' })),
    });
    expect(first(stopped).place).toBe('moving');
    expect(first(stopped, { results: [result('moving')] }).place).toBe('moving');
    expect(first(stopped, { results: [result('moved')] }).place).toBe('moved');
    // To be brought back, it waits for its turn as all that have arrived.
    expect(first(stopped, { intent: 'abort' }).place).toBe('moved');
  });

  it('of one that was found by its marks is not claimed anew when it is home without its mark', () => {
    const rebuilt = { requestedBy: SYSTEM, results: [result('moving')] };
    expect(first(HOME, rebuilt).place).toBe('back');
    expect(first(HOME, { results: [result('moving')] }).place).toBe('moving');
    expect(first(HOME, { ...rebuilt, results: [result('moved')] }).place).toBe('back');
    // Its own tries are.
    const second = { ...rebuilt, results: [result('moving', { attempts: 2, failure: FAILURE })] };
    expect(first(HOME, second)).toMatchObject({ place: 'moving', tries: 2 });
    expect(first(HOME, { ...rebuilt, results: [result('waiting', { failure: FAILURE })] }).place).toBe('waiting');
  });

  it('in the target without our instance has not arrived', () => {
    expect(first(sighting({ inTarget: facts(null) })).place).toBe('moving');
  });

  it('has as many tries as it had', () => {
    expect(first(HOME).tries).toBe(0);
    expect(first(CLAIMED).tries).toBe(1);
    expect(first(HOME, { results: [result('waiting', { attempts: 1, failure: FAILURE })] }).tries).toBe(1);
    expect(first(CLAIMED, { results: [result('moving', { attempts: 2 })] }).tries).toBe(2);
  });
});

describe('the nodes that have moved', () => {
  it('come first, in the order in which they arrived', () => {
    const seen = new Map([
      ['n-1', ARRIVED],
      ['n-2', { ...ARRIVED, inTarget: node({ uuid: 'n-2', marker: null }) }],
    ]);
    const results = [result('moved', { endedAt: NOW }), { ...result('moved', { endedAt: NOW - 5 }), uuid: 'n-2' }];
    expect(itemsOf(record({ results }), seen, false).map(({ uuid }) => uuid)).toEqual(['n-2', 'n-1']);
  });
});

describe('the record', () => {
  it('is told what has come to rest while nobody looked', () => {
    for (const [was, seen, place] of [
      ['moving', ARRIVED, 'moved'],
      ['stuck', HOME, 'waiting'],
    ] as const) {
      const draft = record({ results: [result(was)] });
      bringUpToDate(draft, [first(seen, { results: [result(was)] })], NOW);
      expect(draft.results[0]).toMatchObject({ place, endedAt: NOW });
    }
  });

  it('is left alone where nothing is new', () => {
    const draft = record({ results: [result('moving')] });
    bringUpToDate(draft, [first(CLAIMED, { results: [result('moving')] })], NOW);
    expect(draft.results).toEqual([result('moving')]);
  });
});

describe('whom earlier deployments have left on their way', () => {
  const earlier = (place: Place, changes: Partial<StoredDeployment> = {}) =>
    record({ id: 'earlier', state: 'stuck', results: [result(place)], ...changes });
  const leftBy = (...before: StoredDeployment[]) => [...leftOnTheWay([...before, record()], record()).keys()];

  it('is whoever the newest one that moved it has not brought to rest', () => {
    for (const place of ['stuck', 'moving', 'going_back'] as const) expect(leftBy(earlier(place))).toEqual(['n-1']);
    for (const place of ['moved', 'back', 'waiting'] as const) expect(leftBy(earlier(place))).toEqual([]);
    expect(leftBy(earlier('stuck'), earlier('moved', { id: 'later' }))).toEqual([]);
    expect(leftBy(earlier('moved'), earlier('stuck', { id: 'later' }))).toEqual(['n-1']);
  });

  it('is nobody of one that has not ended, or whom this one has moved itself', () => {
    expect(leftBy(earlier('moving', { state: 'rolling' }))).toEqual([]);
    const own = record({ results: [result('back')] });
    expect([...leftOnTheWay([earlier('stuck'), own], own).keys()]).toEqual([]);
  });
});
