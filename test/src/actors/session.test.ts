import { describe, expect, it } from 'vitest';
import { type NodeFacts, reversed, type Want } from '../../../machines/domain.ts';
import { LATELY_MS, type NodeQuestions, NodeSession, type Shown } from '../../../src/actors/session.ts';
import { FORWARD, MARK, node, UUID } from '../../machines/observations.ts';
import { NODES, SERVER, SUMMARY, stage } from './support.ts';

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
      session.shows('cp1', 'perhaps', true)();
      return undefined;
    });
    await read();
    expect(is()).toBe('unknown');
  });

  it('is not an instance that was told to end, where that is the end of the way: until it was started, or long after', async () => {
    const { survey, time, clock, cp1 } = stage();
    cp1.instances = async () => [SERVER];
    const session = new NodeSession(survey, clock);
    const BACK = reversed(FORWARD);
    const I1 = { at: 'cp1', instanceId: 'i-1' } as const;
    const is = async (move: typeof FORWARD) => {
      for (const of of ['nodes', 'instances'] as const) await survey.read({ of, at: 'cp1' }, survey.mark(), time.now());
      return session.observe(move).sides['cp1']?.instances.is;
    };
    expect(await is(BACK)).toBe('present');
    session.tells('stop', I1)();
    expect(await is(BACK)).toBe('present');
    session.tells('stop', I1);
    // An earlier request may have arrived all the same.
    session.tells('stop', I1)();
    expect(await is(BACK)).toBe('unknown');
    expect(await is(FORWARD)).toBe('present');
    session.starts(I1);
    expect(await is(BACK)).toBe('present');
    session.tells('stop', I1);
    expect(await is(BACK)).toBe('unknown');
    // A list that was asked for before, and is read only now, is no newer.
    time.after(LATELY_MS, () => undefined);
    await time.run(() => false, LATELY_MS + 10_000);
    expect(session.observe(BACK).sides['cp1']?.instances.is).toBe('unknown');
    expect(await is(BACK)).toBe('present');
    // An honest one tells that it is on its way down.
    cp1.instances = async () => [{ ...SERVER, 'OS-EXT-STS:task_state': 'powering-off' }];
    session.tells('stop', I1);
    expect(await is(BACK)).toBe('present');
  });

  it('is not an instance that was told to be gone, though a start was accepted meanwhile', async () => {
    const { survey, time, clock, cp1 } = stage();
    cp1.instances = async () => [SERVER];
    const session = new NodeSession(survey, clock);
    const i1 = { at: 'cp1', instanceId: 'i-1' } as const;
    session.tells('delete', i1);
    session.starts(i1);
    for (const of of ['nodes', 'instances'] as const) await survey.read({ of, at: 'cp1' }, survey.mark(), time.now());
    expect(session.observe(reversed(FORWARD)).sides['cp1']?.instances.is).toBe('unknown');
    expect(session.didLately({ name: 'startInstance', ...i1 })).toBe(true);
    session.done({ name: 'deleteInstance', ...i1 });
    expect(session.didLately({ name: 'stopInstance', ...i1 })).toBe(true);
  });

  it('knows of an undeploy that was accepted, until something is booted there again', () => {
    const { survey, clock } = stage();
    const session = new NodeSession(survey, clock);
    const undeploy = { name: 'undeploy', at: 'cp1' } as const;
    session.done(undeploy);
    expect(session.didLately(undeploy)).toBe(true);
    expect(session.didLately({ ...undeploy, at: 'cp2' })).toBe(false);
    session.done({ name: 'bootInstance', at: 'cp1' });
    expect(session.didLately(undeploy)).toBe(false);
  });

  it('is not gone where it was told to be booted, and nobody would look for it any more', async () => {
    const { survey, time, clock } = stage();
    const session = new NodeSession(survey, clock);
    session.tells('boot', { at: 'cp1' });
    for (const of of ['nodes', 'instances'] as const) await survey.read({ of, at: 'cp1' }, survey.mark(), time.now());
    expect(session.observe(FORWARD).sides['cp1']?.instances.is).toBe('unknown');
    expect(session.observe(reversed(FORWARD)).sides['cp1']?.instances.is).toBe('absent');
    session.done({ name: 'undeploy', at: 'cp1' });
    expect(session.observe(FORWARD).sides['cp1']?.instances.is).toBe('absent');
  });

  it('knows of a boot that was sent, by control plane, until what came of it is cleared away', () => {
    const { survey, clock } = stage();
    const session = new NodeSession(survey, clock);
    const boot = { name: 'bootInstance', at: 'cp1' } as const;
    expect(session.didLately(boot)).toBe(false);
    session.tells('boot', boot)();
    expect(session.didLately(boot)).toBe(false);
    session.tells('boot', boot);
    expect(session.didLately(boot)).toBe(true);
    expect(session.didLately({ ...boot, at: 'cp2' })).toBe(false);
    session.done({ name: 'deleteInstance', at: 'cp2', instanceId: 'i-1' });
    expect(session.didLately(boot)).toBe(true);
    session.done({ name: 'deleteInstance', at: 'cp1', instanceId: 'i-1' });
    expect(session.didLately(boot)).toBe(false);
  });

  it('is its former life that a list shows, when what was created anew is not as creating leaves it', async () => {
    const { session, survey, time } = await known();
    const is = async () => {
      await survey.read(NODES, survey.mark(), time.now());
      return session.observe(FORWARD).sides['cp1']?.node.is;
    };
    await session.change({ name: 'copyDefinition', at: 'cp1' }, async () => {
      session.shows('cp1', 'there', true);
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
          const back = session.shows('cp2', as, as !== 'perhaps marked');
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

  it('is unknown when a list still shows the mark that an own write has taken off a moment ago', async () => {
    const { session, survey, cp1, time } = await known();
    cp1.nodes = async () => [{ ...SUMMARY, extra: { ephyra: MARK } }];
    const is = async () => {
      await survey.read(NODES, survey.mark(), time.now());
      return session.observe(FORWARD).sides['cp1']?.node.is;
    };
    expect(await is()).toBe('present');
    expect(session.sawUnmarked('cp1', 1_000)).toBe(false);
    await session.change({ name: 'letGo', at: 'cp1' }, async () => node({ marker: null }));
    // Who has taken it off need not ask.
    expect(session.sawUnmarked('cp1', 1_000)).toBe(true);
    expect(await is()).toBe('unknown');
    time.after(LATELY_MS, () => undefined);
    await time.run(() => false, LATELY_MS + 10_000);
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
    session.done({ name: 'deleteInstance', at: 'cp1', instanceId: 'i-1' });
    expect(await is()).toBe('unknown');
    aheadMs = 3_600_000;
    expect(await is()).toBe('unknown');
    expect(session.didLately({ name: 'deleteInstance', at: 'cp1', instanceId: 'i-1' })).toBe(true);
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
    session.done({ name: 'deleteInstance', at: 'cp1', instanceId: 'i-1' });
    expect(next.didLately({ name: 'deleteInstance', at: 'cp1', instanceId: 'i-1' })).toBe(true);
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
    const stop = { name: 'stopInstance', at: 'cp1', instanceId: 'i-1' } as const;
    expect(session.didLately(stop)).toBe(false);
    session.done(stop);
    expect(session.didLately(stop)).toBe(true);
    expect(session.didLately({ ...stop, instanceId: 'i-2' })).toBe(false);
    time.after(LATELY_MS, () => undefined);
    await time.run(() => false, LATELY_MS + 10_000);
    expect(session.didLately(stop)).toBe(false);
    session.done({ name: 'addMember', at: 'cp1', instanceId: 'i-1' });
    expect(session.didLately({ name: 'addMember', at: 'cp1', instanceId: 'i-1' })).toBe(false);
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
