import { expect, it } from 'vitest';
import { decide } from '../../machines/decide/decide.ts';
import type { Decision } from '../../machines/decide/decision.ts';
import { ACTIONS, DESTRUCTIVE } from '../../machines/decide/decision.ts';
import type { Memory } from '../../machines/decide/memory.ts';
import type {
  InstanceFacts,
  Marker,
  Move,
  NodeFacts,
  Observation,
  Seen,
  SideObservation,
} from '../../machines/domain.ts';
import { absent, BACK, BOOTED, FORWARD, instance, MARK, node, present, unknown, unlooked } from './observations.ts';

/** Each kind of answer, and each value that makes a difference: all combinations of them are asked. */
const STATES = [
  'enroll',
  'manageable',
  'available',
  'cleaning',
  'clean failed',
  'deploying',
  'active',
  'deploy failed',
];
const MARKS: readonly (Marker | 'invalid' | null)[] = [
  MARK,
  null,
  'invalid',
  { ...MARK, deployment: 'd-other' },
  { ...MARK, epoch: MARK.epoch + 1 },
];
const NOT_SEEN = [absent, unknown, unlooked] as const;

const NODES: readonly Seen<NodeFacts>[] = [
  ...NOT_SEEN,
  ...STATES.flatMap((provisionState) =>
    MARKS.flatMap((marker) =>
      [null, 'i-1'].flatMap((instanceUuid) =>
        ['as it is', 'maintenance', 'locked', 'protected', 'retired'].map((how) =>
          present(
            node({
              provisionState,
              marker,
              instanceUuid,
              maintenance: how === 'maintenance',
              reservation: how === 'locked' ? 'conductor' : null,
              protected: how === 'protected',
              retired: how === 'retired',
            }),
          ),
        ),
      ),
    ),
  ),
];
const ours = BOOTED;
const INSTANCES: readonly Seen<readonly InstanceFacts[]>[] = [
  ...NOT_SEEN,
  present([instance()]),
  present([instance({ status: 'SHUTOFF' })]),
  present([instance(ours)]),
  present([instance({ status: 'BUILD', taskState: 'spawning', ...ours })]),
  present([instance({ status: 'ERROR', fault: 'No valid host was found.', ...ours })]),
  present([instance({ status: 'ERROR' })]),
  present([instance({ taskState: 'deleting' })]),
  present([instance({ status: 'ACTIVE', ...ours }), instance({ id: 'i-2', status: 'ERROR', ...ours })]),
];

/** What the other side may be while this one is everything. */
const OTHER: readonly SideObservation[] = [
  ...NOT_SEEN,
  present(node({ provisionState: 'enroll', instanceUuid: null })),
  present(node({ provisionState: 'enroll', instanceUuid: null, marker: null })),
  present(node({ provisionState: 'available', instanceUuid: null })),
  present(node()),
  present(node({ marker: { ...MARK, deployment: 'd-other' } })),
].flatMap((one) =>
  [absent, unknown, present([instance()])].map((instances) => ({
    node: one,
    instances,
    provider: absent,
    schedulable: absent,
  })),
);
/** By Placement: not offered, offered, not to be told, not asked. */
const PLACEMENT: readonly Pick<SideObservation, 'provider' | 'schedulable'>[] = [
  { provider: absent, schedulable: absent },
  { provider: present(true), schedulable: present(true) },
  { provider: unknown, schedulable: unknown },
  { provider: unlooked, schedulable: unlooked },
];
const MEMBERSHIP: readonly Observation['membership'][] = [present('in'), present('out'), unknown, unlooked];
const EQUAL: readonly Observation['definitionsEqual'][] = [present(true), present(false), unknown, unlooked];
const MEMORIES: readonly Memory[] = [{}, { removed: true }, { added: true }, { added: true, verified: true }];

function* allObservations(move: Move): Generator<Observation> {
  for (const [full, reduced] of [
    [move.from, move.to],
    [move.to, move.from],
  ] as const) {
    for (const one of NODES) {
      for (const instances of INSTANCES) {
        for (const other of OTHER) {
          // What is asked node by node and what Placement says go round together: each meets each.
          for (let turn = 0; turn < 4; turn += 1) {
            const membership = MEMBERSHIP[turn] ?? unlooked;
            const definitionsEqual = EQUAL[(turn + OTHER.indexOf(other)) % 4] ?? unlooked;
            const placement = PLACEMENT[(turn + INSTANCES.indexOf(instances)) % 4];
            const sides = { [full]: { node: one, instances, ...placement }, [reduced]: other } as Observation['sides'];
            yield { uuid: move.uuid, sides, membership, definitionsEqual };
          }
        }
      }
    }
  }
}

/** Why the decision is none that may be; null: it may. */
function wrong(decision: Decision, seen: Observation, move: Move): string | null {
  switch (decision.kind) {
    case 'look':
      return decision.wants.length > 0 ? null : 'looks for nothing';
    case 'wait':
      return decision.wants.length > 0 && decision.reason !== '' ? null : 'waits for nothing';
    case 'fail':
      return decision.failure.message === '' ? 'fails without a reason' : null;
    case 'done':
      return null;
    case 'act':
      break;
  }
  const { name, at, evidence } = decision.action;
  if (!ACTIONS.includes(name)) return `does ${name}`;
  if (!DESTRUCTIVE.has(name)) return null;
  const [here, there] = [seen.sides[at], seen.sides[at === move.from ? move.to : move.from]];
  if (here?.node.is !== 'present') return `${name} where the node is ${here?.node.is}`;
  if (there?.node.is !== 'present' && there?.node.is !== 'absent')
    return `${name} while the other is ${there?.node.is}`;
  const { marker, maintenance } = here.node.value;
  if (maintenance) return `${name} in maintenance`;
  if (marker === null || marker === 'invalid') return `${name} without a mark`;
  if (marker.deployment !== move.deployment || marker.epoch > move.epoch) return `${name} with the mark of another`;
  for (const side of [move.from, move.to]) {
    if (!evidence.some((want) => want.of === 'nodes' && want.at === side)) return `${name} without a look at ${side}`;
  }
  if (name === 'unenroll') {
    if (there.node.is !== 'present') return 'unenroll of the only definition';
    return seen.membership.is === 'present' &&
      seen.membership.value === 'in' &&
      here.node.value.provisionState !== 'enroll'
      ? 'unenroll in service'
      : null;
  }
  const instances = here.instances.is === 'present' ? here.instances.value : [];
  const instance = instances.find(({ id }) => id === decision.action.instanceId);
  const claimed = marker.instance?.at === at && marker.instance.id === instance?.id;
  if (instance !== undefined && !claimed && instance.metadata !== ours.metadata) return `${name} of somebody else's`;
  const isOut = seen.membership.is === 'present' && seen.membership.value === 'out';
  return isOut ? null : `${name} while the application says ${JSON.stringify(seen.membership)}`;
}

it('decide answers all combinations of what can be seen, and destroys nothing without evidence', {
  timeout: 60_000,
}, () => {
  const kinds = new Map<string, number>();
  const destroyed = new Set<string>();
  let asked = 0;
  for (const move of [FORWARD, BACK]) {
    for (const seen of allObservations(move)) {
      const memory = MEMORIES[(asked + Math.floor(asked / MEMORIES.length)) % MEMORIES.length] ?? {};
      asked += 1;
      const decision = decide(seen, move, memory);
      kinds.set(decision.kind, (kinds.get(decision.kind) ?? 0) + 1);
      if (decision.kind === 'act' && DESTRUCTIVE.has(decision.action.name)) destroyed.add(decision.action.name);
      const why = wrong(decision, seen, move);
      if (why !== null) expect.fail(`${why}: ${JSON.stringify({ decision, seen, move, memory })}`);
    }
  }
  expect(asked).toBeGreaterThan(500_000);
  expect([...kinds.keys()].sort()).toEqual(['act', 'done', 'fail', 'look', 'wait']);
  expect([...destroyed].sort()).toEqual([...DESTRUCTIVE].sort());
});
