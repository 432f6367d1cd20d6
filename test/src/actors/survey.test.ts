import { describe, expect, it } from 'vitest';
import { indexInstances, placementClass } from '../../../src/actors/survey.ts';
import { OpenStackError } from '../../../src/openstack/errors.ts';
import { instance, UUID } from '../../machines/observations.ts';
import { NODES, SUMMARY, stage } from './support.ts';

describe('the survey', () => {
  it('asks once for all who want to know the same at the same time', async () => {
    const { survey, cp1, time } = stage(50);
    const readings = Array.from({ length: 300 }, () => survey.read(NODES, 0, time.now()));
    await time.run(() => false, 1_000);
    expect(new Set(await Promise.all(readings)).size).toBe(1);
    expect(cp1.calls).toEqual(['nodes']);
  });

  it('asks again for who needs an answer to a later question', async () => {
    const { survey, cp1, time } = stage();
    await survey.read(NODES, 0, time.now());
    await survey.read(NODES, 0, time.now());
    expect(cp1.calls).toHaveLength(1);
    await survey.read(NODES, survey.mark(), time.now());
    expect(cp1.calls).toHaveLength(2);
    await survey.read(NODES, 0, time.now() + 1);
    expect(cp1.calls).toHaveLength(3);
  });

  it('does not take an answer that was on its way when something changed', async () => {
    const { survey, cp1, time } = stage(100);
    void survey.read(NODES, 0, time.now());
    const changed = survey.mark();
    void survey.read(NODES, changed, time.now());
    await time.run(() => false, 1_000);
    expect(cp1.calls).toHaveLength(2);
  });

  it('believes neither of two answers that overtake each other, and asks again', async () => {
    const { survey, cp1, time } = stage();
    const answers: ((nodes: unknown[]) => void)[] = [];
    cp1.nodes = () => new Promise((resolve) => answers.push(resolve));
    const first = survey.read(NODES, 0, 0);
    const second = survey.read(NODES, survey.mark(), time.now());
    answers[1]?.([SUMMARY]);
    await second;
    expect(survey.last(NODES)?.answer.ok).toBe(true);
    // It was asked before, and perhaps sent again after a refusal: who knows which of the two is the newer one?
    answers[0]?.([]);
    while (answers.length < 3) await new Promise(setImmediate);
    expect(survey.last(NODES)).toBeUndefined();
    answers[2]?.([SUMMARY]);
    const read = await first;
    expect(read.answer.ok && read.answer.value.has(UUID)).toBe(true);
    expect(survey.last(NODES)).toBe(read);
    expect(cp1.calls).toEqual(['nodes', 'nodes', 'nodes']);
  });

  it('keeps an answer when an earlier question ends without one', async () => {
    const { survey, cp1, time } = stage();
    const ends: { resolve: (nodes: unknown[]) => void; reject: (error: Error) => void }[] = [];
    cp1.nodes = () => new Promise((resolve, reject) => ends.push({ resolve, reject }));
    const first = survey.read(NODES, 0, 0);
    const second = survey.read(NODES, survey.mark(), time.now());
    ends[1]?.resolve([SUMMARY]);
    await second;
    ends[0]?.reject(new Error('silence'));
    expect((await first).answer.ok).toBe(false);
    expect(survey.last(NODES)?.answer.ok).toBe(true);
  });

  it('takes a cloud that does not answer for an answer of its own', async () => {
    const { survey, cp1, time } = stage();
    cp1.nodes = () => Promise.reject(new Error('connection refused'));
    expect((await survey.read(NODES, 0, time.now())).answer).toEqual({ ok: false, why: 'connection refused' });
  });

  it('takes a resource class that Placement has never heard of for: nobody has room', async () => {
    const { survey, cp1, time } = stage();
    cp1.providers = () =>
      Promise.reject(
        new OpenStackError({
          controlPlane: 'cp1',
          service: 'placement',
          method: 'GET',
          url: 'http://placement',
          expected: [200],
          status: 400,
          kind: 'bad_request',
          message: 'Invalid resource class',
        }),
      );
    const reading = await survey.read({ of: 'schedulable', at: 'cp1', resourceClass: 'CUSTOM_X' }, 0, time.now());
    expect(reading.answer).toEqual({ ok: true, value: new Set() });
  });
});

describe('the index of instances', () => {
  it('finds those on a node, those meant for it, and the one that the node names', () => {
    const index = indexInstances([
      instance(),
      instance({ id: 'i-2', nodeUuid: null, metadata: { ephyra_node: UUID } }),
      instance({ id: 'i-3', nodeUuid: 'another' }),
      instance({ id: 'i-4', nodeUuid: null }),
    ]);
    const ids = (uuid: string, named: string | null) => index.on(uuid, named).map(({ id }) => id);
    expect(ids(UUID, null)).toEqual(['i-1', 'i-2']);
    expect(ids(UUID, 'i-1')).toEqual(['i-1', 'i-2']);
    expect(ids(UUID, 'i-4')).toEqual(['i-4', 'i-1', 'i-2']);
    expect(ids('nobody', null)).toEqual([]);
  });

  it('names resource classes as Placement does', () => {
    expect(placementClass('bm-worker')).toBe('CUSTOM_BM_WORKER');
    expect(placementClass('bm.big node')).toBe('CUSTOM_BM_BIG_NODE');
  });
});
