import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decide } from '../../machines/decide/decide.ts';
import type { Action, Decision } from '../../machines/decide/decision.ts';
import { ACTIONS, DESTRUCTIVE, EFFECTS } from '../../machines/decide/decision.ts';
import type { Move, NodeFacts, Observation, Seen, Want } from '../../machines/domain.ts';
import { METADATA, STEPS } from '../../machines/domain.ts';
import {
  absent,
  BACK,
  BOOTED,
  FORWARD,
  instance,
  MARK,
  memories,
  node,
  observation,
  observations,
  present,
  side,
  UNNAMED,
  UUID,
  unknown,
  unlooked,
} from './observations.ts';

const MOVES = [FORWARD, BACK, UNNAMED];
const RUNS = { numRuns: 20_000 };

const acts = (decision: Decision): Action | null => (decision.kind === 'act' ? decision.action : null);
const asks = (wants: readonly Want[], of: Want['of'], at?: string): boolean =>
  wants.some((want) => want.of === of && (at === undefined || ('at' in want && want.at === at)));

/** Holds for every observation, in both directions. */
function always(holds: (decision: Decision, seen: Observation, move: Move) => void, runs: object = RUNS): void {
  fc.assert(
    fc.property(observations, memories, fc.constantFrom(...MOVES), (make, memory, move) => {
      const seen = make(move);
      holds(decide(seen, move, memory), seen, move);
    }),
    runs,
  );
}

describe('decide, whatever is seen', () => {
  it('always answers, and every answer is whole', () => {
    const kinds = new Set<string>();
    always((decision) => {
      kinds.add(decision.kind);
      if (decision.kind === 'wait') {
        expect(decision.reason.length).toBeGreaterThan(10);
        expect(decision.wants.length).toBeGreaterThan(0);
      }
      if (decision.kind === 'look') expect(decision.wants.length).toBeGreaterThan(0);
      if (decision.kind === 'fail') {
        expect(decision.failure.message.length).toBeGreaterThan(10);
        if (decision.failure.next === 'ask') expect(decision.failure.remedy, decision.failure.message).toBeTruthy();
      }
      if (decision.kind === 'act') {
        expect(ACTIONS).toContain(decision.action.name);
        expect(STEPS).toContain(decision.step);
      }
    });
    expect([...kinds].sort()).toEqual(['act', 'done', 'fail', 'look', 'wait']);
  });

  it('is asked for every action by what is made up here', () => {
    const counts = new Map<string, number>();
    always(
      (decision) => {
        const action = acts(decision);
        if (action !== null) counts.set(action.name, (counts.get(action.name) ?? 0) + 1);
      },
      { numRuns: 60_000, seed: 1 },
    );
    for (const name of ACTIONS) expect(counts.get(name) ?? 0, name).toBeGreaterThan(4);
  });

  it('gives the same answer to the same question', () => {
    fc.assert(
      fc.property(observations, memories, (make, memory) => {
        const seen = make(FORWARD);
        expect(decide(seen, FORWARD, memory)).toEqual(decide(structuredClone(seen), FORWARD, memory));
      }),
    );
  });

  it('looks only for what it does not know, so that looking comes to an end', () => {
    always((decision, seen) => {
      if (decision.kind !== 'look') return;
      for (const want of decision.wants) {
        if (want.of === 'membership') expect(seen.membership.is).toBe('unlooked');
        else if (want.of === 'definitions') expect(seen.definitionsEqual.is).toBe('unlooked');
        else if (want.of === 'nodes' && want.since !== undefined) expect(want.since).toBeGreaterThan(0);
        else {
          const there = seen.sides[want.at];
          const fact = {
            nodes: there?.node,
            instances: there?.instances,
            providers: there?.provider,
            schedulable: there?.schedulable,
          }[want.of];
          expect(fact?.is).toBe('unlooked');
        }
      }
    });
  });

  it('never destroys without knowing both clouds', () => {
    always((decision, seen, move) => {
      const action = acts(decision);
      if (action === null || !DESTRUCTIVE.has(action.name)) return;
      for (const at of [move.from, move.to]) {
        expect(['present', 'absent']).toContain(seen.sides[at]?.node.is);
      }
      expect(asks(action.evidence, 'nodes', move.from)).toBe(true);
      expect(asks(action.evidence, 'nodes', move.to)).toBe(true);
    });
  });

  it('never stops or deletes an instance, and never undeploys, unless the application positively does without the node', () => {
    always((decision, seen) => {
      const action = acts(decision);
      if (action === null || !['stopInstance', 'deleteInstance', 'undeploy'].includes(action.name)) return;
      expect(seen.membership).toMatchObject({ is: 'present', value: 'out' });
      expect(asks(action.evidence, 'membership')).toBe(true);
    });
  });

  it('never unenrolls a node that the application counts on', () => {
    always((decision, seen, move) => {
      const action = acts(decision);
      if (action?.name !== 'unenroll') return;
      const there = seen.sides[action.at]?.node;
      const inert = there?.is === 'present' && there.value.provisionState === 'enroll';
      if (!inert) {
        expect(seen.membership).not.toMatchObject({ value: 'in' });
        expect(seen.membership.is).not.toBe('unlooked');
      }
      expect(there?.is).toBe('present');
      expect([move.from, move.to]).toContain(action.at);
    });
  });

  it('never unenrolls a node that runs something, is not whole elsewhere, or is not at rest', () => {
    always((decision, seen, move) => {
      const action = acts(decision);
      if (action?.name !== 'unenroll') return;
      const here = seen.sides[action.at];
      const other = seen.sides[action.at === move.from ? move.to : move.from];
      if (here?.node.is !== 'present' || other?.node.is !== 'present') throw new Error('it must be in both');
      expect(['available', 'manageable', 'enroll']).toContain(here.node.value.provisionState);
      const hereInert = here.node.value.provisionState === 'enroll';
      const otherInert = other.node.value.provisionState === 'enroll';
      expect(hereInert || otherInert).toBe(true);
      if (otherInert) {
        expect(seen.definitionsEqual).toMatchObject({ is: 'present', value: true });
        expect(here.instances.is === 'absent' || here.instances.is === 'present').toBe(true);
        expect(here.node.value.instanceUuid).toBeNull();
      }
    });
  });

  it('never touches a node with the mark of another, a newer epoch, or one that cannot be read', () => {
    always((decision, seen, move) => {
      const facts = [move.from, move.to].flatMap((at) => {
        const fact = seen.sides[at]?.node;
        return fact?.is === 'present' ? [fact.value] : [];
      });
      const strange = facts.some(
        ({ marker }) =>
          marker === 'invalid' ||
          (marker !== null && (marker.deployment !== move.deployment || marker.epoch > move.epoch)),
      );
      if (strange) expect(decision.kind).not.toBe('act');
    });
  });

  it('never stops, deletes or starts an instance that is somebody else’s, nor brings it into the application', () => {
    const done = new Set<string>();
    always((decision, seen, move) => {
      const action = acts(decision);
      if (action?.instanceId === undefined || action.name === 'stamp') return;
      done.add(action.name);
      const there = seen.sides[action.at];
      const found = there?.instances.is === 'present' ? there.instances.value : [];
      const own = found.some(
        ({ id, metadata }) =>
          id === action.instanceId &&
          ((metadata[METADATA.deployment] === move.deployment && metadata[METADATA.node] === UUID) ||
            claimedWith(there?.node, action.at) === id),
      );
      expect(own, JSON.stringify({ decision, seen })).toBe(true);
    });
    expect([...done].sort()).toEqual(['addMember', 'deleteInstance', 'settle', 'startInstance', 'stopInstance']);
  });

  it('claims a node with the instance that both clouds’ services name, and that was there at the plan', () => {
    always((decision, seen, move) => {
      const action = acts(decision);
      if (action?.name !== 'stamp') return;
      const there = seen.sides[action.at];
      expect(there?.node).toMatchObject({ value: { instanceUuid: action.instanceId } });
      const found = there?.instances.is === 'present' ? there.instances.value : [];
      const claimed = found.find(({ id }) => id === action.instanceId);
      const ours = claimed?.metadata[METADATA.deployment] === move.deployment;
      if (ours) return;
      if (move.instanceId !== null) expect(claimed?.id).toBe(move.instanceId);
      else expect(Date.parse(claimed?.createdAt ?? '')).toBeLessThanOrEqual(move.epoch * 1000);
    });
  });

  it('writes nothing but the mark to a node that is not marked, or asks whether it bears one', () => {
    always((decision, seen) => {
      const action = acts(decision);
      if (action === null) return;
      const marked = Object.values(seen.sides).some(
        ({ node: fact }) => fact.is === 'present' && fact.value.marker !== null,
      );
      if (!marked && action.name !== 'confirm') expect(action.name).toBe('stamp');
    });
  });

  it('leaves a node in maintenance alone', () => {
    always((decision, seen) => {
      const action = acts(decision);
      if (action === null) return;
      const there = seen.sides[action.at]?.node;
      // That it bears no mark is asked by a write which Ironic refuses.
      if (there?.is !== 'present' || action.name === 'confirm') return;
      expect(there.value.maintenance, action.name).toBe(false);
    });
  });

  it('takes no running node apart that is retired, and asks for none to be provided or booted', () => {
    const LEFT: readonly Action['name'][] = [
      'stamp',
      'removeMember',
      'stopInstance',
      'provide',
      'powerOn',
      'bootInstance',
    ];
    always((decision, seen, move) => {
      const action = acts(decision);
      if (action === null) return;
      const there = seen.sides[action.at]?.node;
      const deletesWhatRan = action.name === 'deleteInstance' && action.at === move.from;
      if (there?.is !== 'present' || !(LEFT.includes(action.name) || deletesWhatRan)) return;
      expect(there.value.retired, action.name).toBe(false);
    });
  });

  it('acts only in the two control planes of the move, on the side where the action belongs', () => {
    const BELONGS: Partial<Record<Action['name'], 'from' | 'to'>> = {
      stamp: 'from',
      removeMember: 'from',
      stopInstance: 'from',
      unenroll: 'from',
      copyDefinition: 'to',
      provide: 'to',
      bootInstance: 'to',
      startInstance: 'to',
      addMember: 'to',
      settle: 'to',
      letGo: 'to',
    };
    always((decision, _seen, move) => {
      const action = acts(decision);
      if (action === null) return;
      const belongs = BELONGS[action.name];
      expect(belongs === undefined ? [move.from, move.to] : [move[belongs]]).toContain(action.at);
    });
  });

  it('is one table: with the sides swapped the same is seen as the same, but for going home', () => {
    fc.assert(
      fc.property(observations, memories, (make, memory) => {
        const there = decide(make(FORWARD), FORWARD, memory);
        const home = decide(claimedIn('cp2', make(BACK)), BACK, memory);
        const swap = (text: string) => text.replaceAll(/cp[12]/g, (name) => (name === 'cp1' ? 'cp2' : 'cp1'));
        // Unmarked nodes differ: forward they are claimed or foreign, on the way back they may be home already.
        const unmarked = Object.values(make(FORWARD).sides).some(
          ({ node: fact }) => fact.is === 'present' && fact.value.marker === null,
        );
        if (!unmarked) expect(JSON.parse(swap(JSON.stringify(home)))).toEqual(JSON.parse(JSON.stringify(there)));
      }),
      RUNS,
    );
  });

  it('knows of each action what it changes', () => {
    expect(Object.keys(EFFECTS).sort()).toEqual([...ACTIONS].sort());
  });
});

/** The instance with which the node was claimed there, as its mark says. */
function claimedWith(node: Seen<NodeFacts> | undefined, at: string): string | undefined {
  const mark = node?.is === 'present' ? node.value.marker : null;
  const claimed = mark === null || mark === 'invalid' ? null : mark.instance;
  return claimed?.at === at ? claimed.id : undefined;
}

/** The same, but that its nodes were claimed in another control plane. */
function claimedIn(at: string, seen: Observation): Observation {
  const text = JSON.stringify(seen).replaceAll('"instance":{"at":"cp1"', `"instance":{"at":"${at}"`);
  return JSON.parse(text) as Observation;
}

describe('decide along the way', () => {
  const marked = (changes: Parameters<typeof node>[0]) => present(node(changes));
  const released = marked({ provisionState: 'available', instanceUuid: null, powerState: 'power off' });
  const inert = marked({ provisionState: 'enroll', instanceUuid: null, powerState: null });
  const running = { node: marked({}), instances: present([instance()]) };
  const booted = { node: marked({}), instances: present([instance(BOOTED)]) };

  const CASES: readonly (readonly [string, Observation, string, Parameters<typeof decide>[2]?])[] = [
    [
      'an unmarked node is claimed',
      observation(side({ node: present(node({ marker: null })), instances: present([instance()]) }), side()),
      'stamp',
    ],
    [
      'a claimed node is taken out of the application',
      observation(side(running), side(), { membership: present('in') }),
      'removeMember',
    ],
    [
      'one that is out, but not by this run, is asked to leave once more',
      observation(side(running), side()),
      'removeMember',
    ],
    [
      'one of which the application does not say whether it is in is asked to leave, too: its machine may be dead',
      observation(side(running), side(), { membership: unknown }),
      'removeMember',
    ],
    ['one that has left is stopped', observation(side(running), side()), 'stopInstance', { removed: true }],
    [
      'a stopped instance is deleted',
      observation(side({ ...running, instances: present([instance({ status: 'SHUTOFF' })]) }), side()),
      'deleteInstance',
      { removed: true },
    ],
    ['a released node is copied', observation(side({ node: released }), side()), 'copyDefinition'],
    [
      'an unfinished copy is completed',
      observation(side({ node: released }), side({ node: inert }), { definitionsEqual: present(false) }),
      'copyDefinition',
    ],
    ['a whole copy lets the node leave', observation(side({ node: released }), side({ node: inert })), 'unenroll'],
    ['an inert node is managed', observation(side(), side({ node: inert })), 'manage'],
    [
      'a managed node is provided',
      observation(
        side(),
        side({ node: marked({ provisionState: 'manageable', instanceUuid: null, powerState: 'power off' }) }),
      ),
      'provide',
    ],
    [
      'an available node that is offered is booted',
      observation(side(), side({ node: released, schedulable: present(true as const) })),
      'bootInstance',
    ],
    ['a running instance is added to the application', observation(side(), side(booted)), 'addMember'],
    ['an added one is verified', observation(side(), side(booted)), 'settle', { added: true }],
    ['a verified one is let go', observation(side(), side(booted)), 'letGo', { added: true, verified: true }],
  ];
  for (const [name, seen, action, memory] of CASES) {
    it(name, () => {
      const decision = decide(seen, FORWARD, memory);
      expect(acts(decision)?.name, JSON.stringify(decision)).toBe(action);
    });
  }

  it('asks by a write about a node without a mark with which an earlier run has begun', () => {
    const perhapsMarked = true;
    const untouched = side({ node: present(node({ marker: null })), instances: present([instance()]) });
    const asks = (move: Move, seen: Observation) => decide(seen, move, { perhapsMarked });
    expect(asks(FORWARD, observation(untouched, side()))).toMatchObject({
      step: 'claim',
      action: { name: 'confirm', at: 'cp1' },
    });
    const home = observation(side(), untouched, {}, BACK);
    expect(asks(BACK, home)).toMatchObject({ step: 'add', action: { name: 'confirm', at: 'cp1' } });
    expect(decide(home, BACK)).toEqual({ kind: 'done' });
  });

  it('is done with an unmarked running node of this deployment', () => {
    const there = side({
      node: present(node({ marker: null })),
      instances: present([instance(BOOTED)]),
    });
    expect(decide(observation(side(), there), FORWARD)).toEqual({ kind: 'done' });
  });

  it('leaves a retired node where it is, and says what ends that', () => {
    const retired = { retired: true, marker: null };
    const before = observation(side({ node: marked(retired), instances: present([instance()]) }), side());
    const failure = { reason: 'node_retired', next: 'stop', remedy: expect.stringContaining('unset --retired') };
    expect(decide(before, FORWARD)).toMatchObject({ kind: 'fail', failure });
    const claimed = observation(side({ ...running, node: marked({ retired: true }) }), side());
    expect(decide(claimed, FORWARD, { removed: true })).toMatchObject({ kind: 'fail', failure });
    const empty = side({ node: marked({ retired: true, provisionState: 'manageable', instanceUuid: null }) });
    for (const [seen, step] of [
      [observation(empty, side()), 'release'],
      [observation(empty, side({ node: inert })), 'release'],
      [observation(side(), empty), 'enroll'],
    ] as const) {
      const reason = expect.stringMatching(/retired in cp[12].* unset --retired b0000000/);
      expect(decide(seen, FORWARD)).toMatchObject({ kind: 'wait', step, reason });
    }
  });

  it('waits for a stale provider before it copies', () => {
    const seen = observation(side({ node: released }), side({ provider: present(true as const) }));
    expect(decide(seen, FORWARD)).toMatchObject({ kind: 'wait', step: 'copy' });
  });

  it('keeps the inert copy on the way home until the node runs there', () => {
    const home = (there: Parameters<typeof side>[0]) =>
      decide(observation(side({ node: inert }), side(there), {}, BACK), BACK);
    expect(acts(home({ node: released, schedulable: present(true as const) }))?.name).toBe('bootInstance');
    expect(acts(home(running))).toMatchObject({ name: 'unenroll', at: 'cp2' });
    // It is written to before the copy is deleted.
    expect(home({ ...running, node: marked({ reservation: 'c' }) })).toMatchObject({ kind: 'wait', step: 'unenroll' });
  });

  it('asks a person when both manage the node', () => {
    const seen = observation(side({ node: released }), side({ node: released }));
    expect(decide(seen, FORWARD)).toMatchObject({ kind: 'fail', failure: { reason: 'node_in_both', next: 'ask' } });
  });

  it('asks a person when the node is in neither', () => {
    expect(decide(observation(side(), side()), FORWARD)).toMatchObject({
      kind: 'fail',
      failure: { reason: 'node_missing', remedy: expect.stringContaining(UUID) },
    });
  });

  it('takes an unknown side for neither absent nor present', () => {
    for (const fact of [unknown, unlooked]) {
      for (const seen of [
        observation(side({ node: fact }), side({ node: inert })),
        observation(side({ node: released }), side({ node: fact })),
      ]) {
        expect(['wait', 'look']).toContain(decide(seen, FORWARD).kind);
      }
    }
  });

  it('asks a person about a node that lost its mark after the application had let go of it', () => {
    const unmarked = present(node({ marker: null, provisionState: 'available', instanceUuid: null }));
    const asks = (decision: ReturnType<typeof decide>) => {
      expect(decision).toMatchObject({ kind: 'fail', failure: { reason: 'node_foreign', next: 'ask' } });
    };
    const seen = observation(side({ node: unmarked }), side());
    asks(decide(seen, FORWARD, { removed: true }));
    const home = { ...seen, sides: { cp1: side({ node: unmarked }), cp2: side() } };
    asks(decide(home, BACK, { removed: true }));
    expect(decide(home, BACK)).toEqual({ kind: 'done' });
  });

  it('stops nothing that was asked to leave while the application does not say that it is out', () => {
    const seen = observation(side(running), side(), { membership: unknown });
    expect(decide(seen, FORWARD, { removed: true })).toMatchObject({ kind: 'wait', step: 'remove' });
  });

  it('does not believe an instance that Ironic does not have on the node', () => {
    const seen = observation(side({ node: released, instances: present([instance()]) }), side());
    expect(decide(seen, FORWARD, { removed: true })).toMatchObject({ kind: 'wait' });
  });

  it('asks about two instances that claim one node', () => {
    const seen = observation(
      side({ node: marked({ instanceUuid: null }), instances: present([instance(), instance({ id: 'i-2' })]) }),
      side(),
    );
    expect(decide(seen, FORWARD)).toMatchObject({ kind: 'fail', failure: { reason: 'instance_unexpected' } });
  });

  it('refuses a mark of a newer epoch of the same deployment', () => {
    const seen = observation(side({ ...running, node: marked({ marker: { ...MARK, epoch: 8 } }) }), side());
    expect(decide(seen, FORWARD)).toMatchObject({ kind: 'fail', failure: { reason: 'node_foreign' } });
  });

  it('mends what went wrong, and says what it was', () => {
    const at = (there: Parameters<typeof side>[0]) => acts(decide(observation(side(), side(there)), FORWARD));
    const ERROR = instance({ status: 'ERROR', fault: 'No valid host', ...BOOTED });
    expect(at({ node: released, instances: present([ERROR]) })).toMatchObject({
      name: 'deleteInstance',
      trouble: { reason: 'instance_error' },
    });
    expect(at({ node: marked({ provisionState: 'deploy failed', lastError: 'no image' }) })).toMatchObject({
      name: 'undeploy',
      trouble: { reason: 'deploy_failed', message: 'no image' },
    });
    expect(
      at({ node: marked({ provisionState: 'clean failed', instanceUuid: null, lastError: 'disk' }) }),
    ).toMatchObject({
      name: 'manage',
      trouble: { reason: 'clean_failed', message: 'disk' },
    });
    expect(at({ node: marked({ provisionState: 'enroll', instanceUuid: null, lastError: 'BMC' }) })).toMatchObject({
      name: 'manage',
      trouble: { reason: 'verify_failed_bmc' },
    });
  });

  it('says of everything that it mends what a person can do, and where', () => {
    const broken = {
      'deploy failed': marked({ provisionState: 'deploy failed' }),
      'clean failed': marked({ provisionState: 'clean failed', instanceUuid: null }),
      'no BMC': marked({ provisionState: 'enroll', instanceUuid: null, lastError: 'BMC' }),
    };
    for (const [what, node] of Object.entries(broken)) {
      const seen = observation(side(), side({ node }));
      expect(acts(decide(seen, FORWARD))?.trouble?.remedy, what).toMatch(/ of cp2 | cp2,/);
    }
    for (const what of ['deploy failed', 'clean failed'] as const) {
      const seen = observation(side({ node: broken[what] }), side({ node: absent }));
      expect(acts(decide(seen, FORWARD))?.trouble?.remedy, what).toContain('Ironic of cp1');
    }
  });

  it('starts what is shut off in the target', () => {
    const there = side({ ...running, instances: present([instance({ status: 'SHUTOFF', ...BOOTED })]) });
    expect(acts(decide(observation(side(), there), FORWARD))?.name).toBe('startInstance');
  });

  it('deletes no instance in error that Ephyra did not boot', () => {
    const there = side({ node: released, instances: present([instance({ status: 'ERROR' })]) });
    expect(decide(observation(absentSide(), there), FORWARD)).toMatchObject({
      kind: 'fail',
      failure: { reason: 'node_foreign', next: 'ask' },
    });
    const home = side({ ...running, instances: present([instance({ status: 'ERROR' })]) });
    expect(decide(observation(absentSide(), home, {}, BACK), BACK)).toMatchObject({
      kind: 'fail',
      failure: { reason: 'instance_error', next: 'ask' },
    });
  });

  describe('an instance of somebody else on a marked node', () => {
    const STRANGER = instance({ id: 'i-9', name: 'somebody-else', createdAt: '1970-01-01T00:00:20Z' });
    const occupied = { node: marked({ instanceUuid: 'i-9' }), instances: present([STRANGER]) };
    const refused = (decision: Decision) => {
      expect(decision).toMatchObject({ kind: 'fail', failure: { reason: 'node_foreign', next: 'ask' } });
      const { message, remedy } = decision.kind === 'fail' ? decision.failure : {};
      expect(message).toContain('somebody-else (i-9)');
      expect(remedy).toContain(
        `openstack server set --property ephyra_deployment=d-1 --property ephyra_node=${UUID} --property ephyra_role=hadoop-worker i-9`,
      );
    };

    it('holds the node where it is, whatever it is doing, and whatever the application says', () => {
      for (const status of ['ACTIVE', 'SHUTOFF', 'ERROR', 'BUILD', 'PAUSED']) {
        const there = { ...occupied, instances: present([{ ...STRANGER, status }]) };
        for (const membership of [present('in' as const), present('out' as const), unknown, unlooked]) {
          const memory = { removed: true, added: true, verified: true };
          refused(decide(observation(side(there), side(), { membership }), FORWARD, memory));
          refused(decide(observation(side(), side(there), { membership }), FORWARD, memory));
          refused(decide(observation(side(there), side(), { membership }, BACK), BACK, memory));
          refused(decide(observation(side(), side(there), { membership }, BACK), BACK, memory));
          refused(decide(observation(side(there), side({ node: inert }), { membership }), FORWARD, memory));
        }
      }
    });

    it('is seen beside a boot of ours that failed', () => {
      const failed = instance({ id: 'i-2', status: 'ERROR', nodeUuid: null, ...BOOTED });
      refused(decide(observation(side(), side({ ...occupied, instances: present([failed, STRANGER]) })), FORWARD));
    });

    it('is waited for while it goes away, and while only one of the two services knows of it', () => {
      const going = { ...occupied, instances: present([{ ...STRANGER, taskState: 'deleting' }]) };
      const onlyNova = { ...occupied, node: released };
      for (const there of [going, onlyNova]) {
        expect(decide(observation(side(there), side()), FORWARD, { removed: true }).kind).toBe('wait');
        expect(decide(observation(side(), side(there)), FORWARD).kind).toBe('wait');
      }
    });

    it('is the node’s own once a person has said so', () => {
      const said = { ...occupied, instances: present([{ ...STRANGER, ...BOOTED }]) };
      expect(acts(decide(observation(side(), side(said)), FORWARD))?.name).toBe('addMember');
      expect(acts(decide(observation(side(said), side()), FORWARD, { removed: true }))?.name).toBe('stopInstance');
    });

    it('is not touched where it is ours and does not run, once its mark is gone: what starts is waited for', () => {
      const there = (status: string, taskState: string | null = null) =>
        side({
          node: present(node({ marker: null, instanceUuid: 'i-2' })),
          instances: present([instance({ id: 'i-2', status, taskState, ...BOOTED })]),
        });
      for (const now of [there('BUILD', 'spawning'), there('REBOOT'), there('SHUTOFF', 'powering-on')]) {
        expect(decide(observation(side(), now), FORWARD)).toMatchObject({ kind: 'wait', step: 'boot' });
      }
      for (const status of ['SHUTOFF', 'ERROR']) {
        expect(decide(observation(side(), there(status)), FORWARD)).toMatchObject({
          kind: 'fail',
          failure: {
            reason: 'node_foreign',
            next: 'ask',
            message: expect.stringContaining('it bears no mark, and instance worker-01'),
            remedy: expect.stringMatching(/Bring instance i-2 to ACTIVE first.*\/ephyra abort d-1/),
          },
        });
      }
    });

    it('is not taken back either before it runs, once its mark is gone', () => {
      const node1 = { marker: null, provisionState: 'wait call-back', instanceUuid: 'i-2' } as const;
      const there = (changes: Partial<NodeFacts>, status: string) =>
        side({
          node: present(node({ ...node1, ...changes })),
          instances: present([instance({ id: 'i-2', status, ...BOOTED })]),
        });
      expect(decide(observation(there({}, 'BUILD'), side(), {}, BACK), BACK)).toMatchObject({
        kind: 'wait',
        step: 'boot',
        reason: 'instance worker-01 is BUILD, and its node bears no mark',
      });
      const failed = there({ provisionState: 'deploy failed' }, 'ERROR');
      expect(decide(observation(failed, side(), {}, BACK), BACK)).toMatchObject({
        kind: 'fail',
        step: 'boot',
        failure: {
          reason: 'node_foreign',
          next: 'ask',
          message: expect.stringContaining('node-01 in cp2 is not touched'),
          remedy: expect.stringMatching(/Bring instance i-2 to ACTIVE first.*rebuild i-2.*\/ephyra abort d-1/),
        },
      });
      expect(decide(observation(there({}, 'BUILD'), side(), {}, BACK), BACK, { removed: true }).kind).toBe('wait');
      const runs = there({ provisionState: 'active' }, 'ACTIVE');
      expect(acts(decide(observation(runs, side(), {}, BACK), BACK))).toMatchObject({ name: 'stamp', at: 'cp2' });
    });

    it('is lost where it is ours and runs without a mark before it was asked back into the application', () => {
      const there = side({
        node: present(node({ marker: null, instanceUuid: 'i-2' })),
        instances: present([instance({ id: 'i-2', ...BOOTED })]),
      });
      expect(decide(observation(side(), there), FORWARD)).toEqual({ kind: 'done' });
      expect(decide(observation(side(), there), FORWARD, { removed: true })).toMatchObject({
        failure: { reason: 'node_foreign', next: 'ask', message: expect.stringContaining('has lost its mark') },
      });
    });

    it('is told on an unmarked node in the target, too', () => {
      const there = { ...occupied, node: present(node({ marker: null, instanceUuid: 'i-9' })) };
      refused(decide(observation(side(), side(there)), FORWARD));
    });

    it('is not claimed in place of what was there when the node was planned', () => {
      const there = { ...occupied, node: present(node({ marker: null, instanceUuid: 'i-9' })) };
      const seen = observation(side(there), side());
      expect(decide(seen, FORWARD)).toMatchObject({
        kind: 'fail',
        failure: { reason: 'node_not_movable', next: 'stop', message: expect.stringContaining('somebody-else (i-9)') },
      });
      expect(decide(seen, FORWARD, { removed: true })).toMatchObject({ failure: { reason: 'node_foreign' } });
      expect(decide(seen, UNNAMED)).toMatchObject({
        failure: { remedy: expect.stringContaining('compare the clocks') },
      });
    });

    it('is not claimed however old it is, but where it was not written down what was there', () => {
      const older = { ...STRANGER, createdAt: '1970-01-01T00:00:01Z' };
      const there = { node: present(node({ marker: null, instanceUuid: 'i-9' })), instances: present([older]) };
      const seen = observation(side(there), side());
      expect(decide(seen, FORWARD)).toMatchObject({
        failure: { reason: 'node_not_movable', message: expect.stringContaining('instead of the planned i-1') },
      });
      expect(acts(decide(seen, UNNAMED))).toMatchObject({ name: 'stamp', instanceId: 'i-9' });
    });

    it('was there at the plan, whatever Nova’s clock says', () => {
      const late = instance({ createdAt: '1970-01-01T00:01:00Z' });
      const there = { node: present(node({ marker: null })), instances: present([late]) };
      expect(acts(decide(observation(side(there), side()), FORWARD))?.name).toBe('stamp');
    });

    it('is known under a mark of an older Ephyra by all that the mark says of what was claimed', () => {
      const { id: _, ...old } = MARK.instance as NonNullable<typeof MARK.instance>;
      const there = (changes: Parameters<typeof instance>[0]) => ({
        node: marked({ marker: { ...MARK, instance: old }, instanceUuid: 'i-9' }),
        instances: present([instance({ id: 'i-9', ...changes })]),
      });
      const next = (changes: Parameters<typeof instance>[0]) =>
        decide(observation(side(there(changes)), side()), FORWARD, { removed: true });
      expect(acts(next({}))?.name).toBe('stopInstance');
      for (const other of [
        { name: 'somebody-else' },
        { imageId: 'image-9' },
        { flavorName: 'bm.other' },
        { addresses: ['10.1.0.99'] },
        { addresses: [] },
      ]) {
        expect(next(other), JSON.stringify(other)).toMatchObject({ failure: { reason: 'node_foreign' } });
      }
    });
  });
});

const absentSide = () => side({ node: absent });
