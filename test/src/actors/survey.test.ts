import { describe, expect, it } from 'vitest';
import { type NodeFacts, reversed, type Want } from '../../../machines/domain.ts';
import type { NodeQuestions } from '../../../src/actors/session.ts';
import { LATELY_MS, NodeSession, type Shown } from '../../../src/actors/session.ts';
import { indexInstances, placementClass, Survey } from '../../../src/actors/survey.ts';
import type { ControlPlane } from '../../../src/openstack/control-plane.ts';
import { OpenStackError } from '../../../src/openstack/errors.ts';
import { FORWARD, instance, node, UUID } from '../../machines/observations.ts';
import { processTime, VirtualTime } from '../../support/world/time.ts';

const SUMMARY = {
  uuid: UUID,
  name: 'node-01',
  provision_state: 'active',
  target_provision_state: null,
  power_state: 'power on',
  instance_uuid: 'i-1',
  maintenance: false,
  maintenance_reason: null,
  protected: false,
  retired: false,
  reservation: null,
  last_error: null,
  resource_class: 'bm-worker',
  extra: {},
};

interface Cloud {
  calls: string[];
  nodes: () => Promise<unknown[]>;
  providers: (resources: string | undefined) => Promise<{ uuid: string }[]>;
}

function stage(takesMs = 0) {
  const time = new VirtualTime(1_000_000);
  const clock = processTime(time);
  const clouds = new Map<string, Cloud>();
  const planes = new Map<string, ControlPlane>();
  for (const name of ['cp1', 'cp2']) {
    const cloud: Cloud = {
      calls: [],
      nodes: async () => (name === 'cp1' ? [SUMMARY] : []),
      providers: async () => [{ uuid: UUID }],
    };
    const counted = async <T>(what: string, answer: () => Promise<T>): Promise<T> => {
      cloud.calls.push(what);
      if (takesMs > 0) await clock.sleep(takesMs);
      return answer();
    };
    clouds.set(name, cloud);
    planes.set(name, {
      name,
      ironic: { listNodes: () => counted('nodes', cloud.nodes) },
      nova: { listServers: () => counted('instances', async () => []) },
      placement: {
        listProviders: (o?: { resources?: string }) =>
          counted(o?.resources === undefined ? 'providers' : `schedulable ${o.resources}`, () =>
            cloud.providers(o?.resources),
          ),
      },
    } as unknown as ControlPlane);
  }
  const survey = new Survey(planes, clock);
  return { time, clock, survey, planes, cp1: clouds.get('cp1') as Cloud, cp2: clouds.get('cp2') as Cloud };
}

const NODES = { of: 'nodes', at: 'cp1' } as const;

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

describe('what is known of one node', () => {
  const questions: NodeQuestions = { membership: async () => 'out', definitionsEqual: async () => true };
  const wants: readonly Want[] = [
    NODES,
    { of: 'nodes', at: 'cp2' },
    { of: 'instances', at: 'cp1' },
    { of: 'membership' },
  ];

  async function known() {
    const scene = stage();
    const session = new NodeSession(scene.survey, scene.clock);
    await session.look(wants, FORWARD, scene.time.now(), questions);
    return { ...scene, session };
  }

  it('is nothing before anybody has looked', () => {
    const { survey, clock } = stage();
    const seen = new NodeSession(survey, clock).observe(FORWARD);
    expect(seen.sides['cp1']?.node.is).toBe('unlooked');
    expect(seen.membership.is).toBe('unlooked');
    expect(seen.definitionsEqual.is).toBe('unlooked');
  });

  it('is what the lists say: there, or positively not there', async () => {
    const { session } = await known();
    const { sides, membership } = session.observe(FORWARD);
    expect(sides['cp1']?.node).toMatchObject({ is: 'present', value: { uuid: UUID } });
    expect(sides['cp2']?.node.is).toBe('absent');
    expect(sides['cp1']?.instances.is).toBe('absent');
    expect(membership).toMatchObject({ is: 'present', value: 'out' });
  });

  it('is forgotten where an action changes it, also when the action fails', async () => {
    for (const action of [async () => undefined, () => Promise.reject(new Error('the answer got lost'))]) {
      const { session } = await known();
      await session.change({ name: 'stamp', at: 'cp1' }, action).catch(() => undefined);
      const { sides, membership } = session.observe(FORWARD);
      expect(sides['cp1']?.node.is).toBe('unlooked');
      expect(sides['cp1']?.instances.is).toBe('absent');
      expect(sides['cp2']?.node.is).toBe('absent');
      expect(membership.is).toBe('unlooked');
    }
  });

  it('is learned from the answer to an own write, until a newer list', async () => {
    const { session, survey, time } = await known();
    const is = () => session.observe(FORWARD).sides['cp1']?.node.is;
    await session.change({ name: 'unenroll', at: 'cp1' }, async () => null);
    expect(is()).toBe('absent');
    // A list that still shows it a moment later is behind.
    await survey.read(NODES, survey.mark(), time.now());
    expect(is()).toBe('unknown');
    time.after(LATELY_MS, () => undefined);
    await time.run(() => false, LATELY_MS + 10_000);
    await survey.read(NODES, survey.mark(), time.now());
    expect(is()).toBe('present');

    await session.change({ name: 'unenroll', at: 'cp1' }, async () => null);
    const read = () => survey.read(NODES, survey.mark(), time.now());
    // What has ended before anything was created, or was refused, makes it no less gone.
    await session.change({ name: 'copyDefinition', at: 'cp1' }, async () => undefined);
    await read();
    expect(is()).toBe('unknown');
    await session.change({ name: 'copyDefinition', at: 'cp1' }, async () => {
      session.shows('cp1', 'perhaps')();
      return undefined;
    });
    await read();
    expect(is()).toBe('unknown');
  });

  it('is its former life that a list shows, when what was created anew is not as creating leaves it', async () => {
    const { session, survey, time } = await known();
    const is = async () => {
      await survey.read(NODES, survey.mark(), time.now());
      return session.observe(FORWARD).sides['cp1']?.node.is;
    };
    await session.change({ name: 'copyDefinition', at: 'cp1' }, async () => {
      session.shows('cp1', 'there');
      return undefined;
    });
    expect(await is()).toBe('unknown');
    // From our own next step on nobody can tell.
    await session.change({ name: 'manage', at: 'cp1' }, async () => undefined);
    expect(await is()).toBe('present');
  });

  it('is unknown when a list lacks what an own write has shown a moment ago', async () => {
    const { session, survey, time } = await known();
    const is = async () => {
      await survey.read({ of: 'nodes', at: 'cp2' }, survey.mark(), time.now());
      return session.observe(FORWARD).sides['cp2']?.node.is;
    };
    await session.change({ name: 'copyDefinition', at: 'cp2' }, async () => node());
    expect(await is()).toBe('unknown');
    await session
      .change({ name: 'copyDefinition', at: 'cp2' }, () => Promise.reject(new Error('a duplicate')))
      .catch(() => undefined);
    expect(await is()).toBe('unknown');
    time.after(LATELY_MS, () => undefined);
    await time.run(() => false, LATELY_MS + 10_000);
    expect(await is()).toBe('absent');

    // The node was created, what follows was refused.
    const halfWay = (as: Shown, takeBack = false) =>
      session
        .change({ name: 'copyDefinition', at: 'cp2' }, () => {
          const back = session.shows('cp2', as);
          if (takeBack) back();
          return Promise.reject(new Error('refused'));
        })
        .catch(() => undefined);
    const isOnTheWayBack = async () => {
      await is();
      return session.observe(reversed(FORWARD)).sides['cp2']?.node.is;
    };
    await halfWay('perhaps', true);
    expect(await is()).toBe('absent');
    expect(await isOnTheWayBack()).toBe('absent');
    // Nobody has said whether it was created: that is of interest to who would leave it behind.
    await halfWay('perhaps');
    expect(await is()).toBe('absent');
    expect(await isOnTheWayBack()).toBe('unknown');
    // A second try that was refused says nothing of the first.
    await halfWay('perhaps', true);
    expect(await isOnTheWayBack()).toBe('unknown');
    await halfWay('there');
    expect(await is()).toBe('unknown');
    // A delete that failed may have been done, or not.
    await session.change({ name: 'unenroll', at: 'cp2' }, () => Promise.reject(new Error('silence'))).catch(() => 0);
    expect(await is()).toBe('absent');
    expect(await isOnTheWayBack()).toBe('unknown');
    await session.change({ name: 'unenroll', at: 'cp2' }, async () => null);
    expect(await is()).toBe('absent');
    expect(await isOnTheWayBack()).toBe('absent');
  });

  it('is unknown when a list lacks the mark that an own write has shown a moment ago', async () => {
    const { session, survey, time } = await known();
    const is = async () => {
      await survey.read(NODES, survey.mark(), time.now());
      return session.observe(FORWARD).sides['cp1']?.node.is;
    };
    await session.change({ name: 'stamp', at: 'cp1' }, async () => node());
    expect(await is()).toBe('unknown');
    await session.change({ name: 'letGo', at: 'cp1' }, async () => node({ marker: null }));
    expect(await is()).toBe('present');
  });

  it('is not forgotten early when the clock is set forward', async () => {
    const { survey, clock, time } = stage();
    let aheadMs = 0;
    const set = { now: () => clock.now() + aheadMs, elapsed: clock.elapsed };
    const session = new NodeSession(survey, set);
    const is = async () => {
      await survey.read(NODES, survey.mark(), time.now());
      return session.observe(FORWARD).sides['cp1']?.node.is;
    };
    await session.change({ name: 'stamp', at: 'cp1' }, async () => node());
    session.done({ name: 'deleteInstance', instanceId: 'i-1' });
    expect(await is()).toBe('unknown');
    aheadMs = 3_600_000;
    expect(await is()).toBe('unknown');
    expect(session.didLately({ name: 'deleteInstance', instanceId: 'i-1' })).toBe(true);
    time.after(LATELY_MS, () => undefined);
    await time.run(() => false, LATELY_MS + 10_000);
    expect(await is()).toBe('present');
  });

  it('is handed on to the next run where lists may be behind it, and nowhere else', async () => {
    const { session, survey, clock, time } = await known();
    await session.change({ name: 'stamp', at: 'cp1' }, async () => node());
    const isLater = async (now: NodeSession) => {
      await survey.read(NODES, survey.mark(), time.now());
      return now.observe(FORWARD).sides['cp1']?.node.is;
    };
    expect(await isLater(new NodeSession(survey, clock))).toBe('present');
    const next = new NodeSession(survey, clock, session);
    expect(next.observe(FORWARD).membership.is).toBe('unlooked');
    expect(await isLater(next)).toBe('unknown');
    // What the first one has sent off arrives when the second one is there already.
    let answer: (node: NodeFacts) => void = () => undefined;
    const late = session.change({ name: 'letGo', at: 'cp1' }, () => new Promise((resolve) => (answer = resolve)));
    const after = new NodeSession(survey, clock, session);
    let isQuiet = false;
    const quiet = after.quiet().then(() => {
      isQuiet = true;
    });
    await new Promise(setImmediate);
    expect(isQuiet).toBe(false);
    answer(node({ marker: null }));
    await Promise.all([late, quiet]);
    // What the late answer shows is what the list shows.
    expect(await isLater(after)).toBe('present');
    await session.change({ name: 'copyDefinition', at: 'cp1' }, async () => node());
    expect(await isLater(new NodeSession(survey, clock, after))).toBe('unknown');
  });

  it('does not outlive what the run before it sent off and did, though it was read before it was through', async () => {
    const { session, survey, clock, time } = await known();
    let answer: (nothing: undefined) => void = () => undefined;
    const late = session.change(
      { name: 'bootInstance', at: 'cp1' },
      () => new Promise((resolve) => (answer = resolve)),
    );
    const next = new NodeSession(survey, clock, session);
    const instances = () => next.observe(FORWARD).sides['cp1']?.instances.is;
    await survey.read({ of: 'instances', at: 'cp1' }, survey.mark(), time.now());
    expect(instances()).toBe('absent');
    answer(undefined);
    await late;
    expect(instances()).toBe('unlooked');
    session.done({ name: 'deleteInstance', instanceId: 'i-1' });
    expect(next.didLately({ name: 'deleteInstance', instanceId: 'i-1' })).toBe(true);
  });

  it('is looked for again once another session has changed the node, and never looked for in vain', async () => {
    const { session, survey, clock } = await known();
    const other = new NodeSession(survey, clock, session);
    await session.change({ name: 'letGo', at: 'cp1' }, async () => node({ marker: null }));
    await other.change({ name: 'stamp', at: 'cp1' }, async () => undefined);
    expect(session.observe(FORWARD).sides['cp1']?.node.is).toBe('unlooked');
    await session.look([NODES], FORWARD, 0, questions);
    expect(session.observe(FORWARD).sides['cp1']?.node.is).toBe('present');
  });

  it('is unknown when the application does not say, and a lack of knowledge is no answer', async () => {
    const { survey, clock, time } = stage();
    const session = new NodeSession(survey, clock);
    const silent = { ...questions, membership: async () => ({ unknown: 'it is silent' }) };
    await session.look([{ of: 'membership' }], FORWARD, time.now(), silent);
    expect(session.observe(FORWARD).membership).toMatchObject({ is: 'unknown', why: 'it is silent' });
  });

  it('is all doubted when it has led nowhere', async () => {
    const { session } = await known();
    session.doubt();
    const { sides, membership } = session.observe(FORWARD);
    expect([sides['cp1']?.node.is, sides['cp2']?.node.is, membership.is]).toEqual(['unlooked', 'unlooked', 'unlooked']);
  });

  it('of an earlier life is not built upon', async () => {
    const { session, time } = await known();
    time.after(10_000, () => undefined);
    await time.run(() => false, 20_000);
    session.begin(time.now() - 5_000);
    expect(session.observe(FORWARD).sides['cp1']?.node.is).toBe('unlooked');
    expect(session.observe(FORWARD).membership.is).toBe('unlooked');
  });

  it('includes what it has lately had done, so that a list that is behind does not have it done twice', async () => {
    const { session, time } = await known();
    const stop = { name: 'stopInstance', instanceId: 'i-1' } as const;
    expect(session.didLately(stop)).toBe(false);
    session.done(stop);
    expect(session.didLately(stop)).toBe(true);
    expect(session.didLately({ ...stop, instanceId: 'i-2' })).toBe(false);
    time.after(LATELY_MS, () => undefined);
    await time.run(() => false, LATELY_MS + 10_000);
    expect(session.didLately(stop)).toBe(false);
    session.done({ name: 'addMember', instanceId: 'i-1' });
    expect(session.didLately({ name: 'addMember', instanceId: 'i-1' })).toBe(false);
  });

  it('is not what an abandoned question is answered after an action', async () => {
    const { survey, clock, time } = stage();
    const session = new NodeSession(survey, clock);
    let answer: (membership: 'in' | 'out') => void = () => undefined;
    const slow = { ...questions, membership: () => new Promise<'in' | 'out'>((done) => (answer = done)) };
    const asked = session.look([{ of: 'membership' }], FORWARD, time.now(), slow);
    await session.change({ name: 'addMember', at: 'cp2' }, async () => undefined);
    answer('out');
    await asked;
    expect(session.observe(FORWARD).membership.is).toBe('unlooked');
  });

  it('waits for an action that is still on its way, whoever has stopped waiting for it', async () => {
    const { session, clock, time } = await known();
    let quiet = false;
    void session.change({ name: 'stamp', at: 'cp1' }, async () => {
      await clock.sleep(5_000);
      return undefined;
    });
    void session.quiet().then(() => {
      quiet = true;
    });
    await time.run(() => quiet, 4_999);
    expect(quiet).toBe(false);
    await time.run(() => quiet, 10);
    expect(quiet).toBe(true);
  });
});
