import fc from 'fast-check';
import type {
  InstanceFacts,
  Marker,
  Move,
  NodeFacts,
  Observation,
  Seen,
  SideObservation,
} from '../../machines/domain.ts';
import { METADATA } from '../../machines/domain.ts';

export const UUID = 'b0000000-0000-4000-8000-000000000001';
export const FORWARD: Move = {
  uuid: UUID,
  name: 'node-01',
  role: 'hadoop-worker',
  deployment: 'd-1',
  epoch: 7,
  source: 'cp1',
  target: 'cp2',
  instanceId: 'i-1',
  from: 'cp1',
  to: 'cp2',
};
/** Planned before it was written down what ran there. */
export const UNNAMED: Move = { ...FORWARD, instanceId: null };
export const BACK: Move = { ...FORWARD, from: 'cp2', to: 'cp1' };

export const MARK: Marker = {
  v: 1,
  deployment: 'd-1',
  epoch: 7,
  source: 'cp1',
  target: 'cp2',
  role: 'hadoop-worker',
  instance: {
    at: 'cp1',
    id: 'i-1',
    name: 'worker-01',
    flavor: 'bm.worker',
    image: 'image-1',
    networks: ['tenant-net'],
    keyName: 'ops',
    configDrive: false,
    metadata: {},
    addresses: ['10.1.0.11'],
  },
};

/** A node as both clouds like it best; what differs is given. */
export function node(changes: Partial<NodeFacts> = {}): NodeFacts {
  return {
    uuid: UUID,
    name: 'node-01',
    provisionState: 'active',
    targetProvisionState: null,
    powerState: 'power on',
    instanceUuid: 'i-1',
    maintenance: false,
    maintenanceReason: null,
    protected: false,
    retired: false,
    reservation: null,
    lastError: null,
    resourceClass: 'bm-worker',
    extra: {},
    marker: MARK,
    ...changes,
  };
}

export function instance(changes: Partial<InstanceFacts> = {}): InstanceFacts {
  return {
    id: 'i-1',
    name: 'worker-01',
    status: 'ACTIVE',
    taskState: null,
    nodeUuid: UUID,
    addresses: ['10.1.0.11'],
    networks: ['tenant-net'],
    metadata: {},
    flavorName: 'bm.worker',
    imageId: 'image-1',
    keyName: 'ops',
    configDrive: false,
    createdAt: '1970-01-01T00:00:05Z',
    fault: null,
    ...changes,
  };
}

/** What an instance is that d-1 has booted for the node. */
export const BOOTED = { metadata: { [METADATA.deployment]: 'd-1', [METADATA.node]: UUID } } as const;

export const present = <T>(value: T): Seen<T> => ({ is: 'present', value, at: 1 });
export const absent = { is: 'absent', at: 1 } as const;
export const unknown = { is: 'unknown', why: 'it does not answer', at: 1 } as const;
export const unlooked = { is: 'unlooked' } as const;

/** One side: what is left out is absent. */
export const side = (seen: Partial<SideObservation> = {}): SideObservation => ({
  node: absent,
  instances: absent,
  provider: absent,
  schedulable: absent,
  ...seen,
});

export const observation = (
  from: SideObservation,
  to: SideObservation,
  more: Partial<Pick<Observation, 'membership' | 'definitionsEqual'>> = {},
  move: Move = FORWARD,
): Observation => ({
  uuid: UUID,
  sides: { [move.from]: from, [move.to]: to },
  membership: present('out'),
  definitionsEqual: present(true),
  ...more,
});

export const STATES = [
  'enroll',
  'verifying',
  'manageable',
  'available',
  'cleaning',
  'clean wait',
  'clean failed',
  'deploying',
  'wait call-back',
  'active',
  'deploy failed',
  'error',
  'deleting',
  'inspecting',
  'rescue',
  'a state of a later release',
] as const;

/** Mostly the first, so that what needs many things at once is met, too. */
const mostly = <T>(usual: T, ...others: T[]): fc.Arbitrary<T> =>
  fc.oneof(
    { arbitrary: fc.constant(usual), weight: 4 * others.length },
    ...others.map((it) => ({ arbitrary: fc.constant(it), weight: 1 })),
  );

const nodes: fc.Arbitrary<NodeFacts> = fc
  .record({
    provisionState: fc.oneof(
      fc.constantFrom<string>('active', 'available', 'enroll'),
      fc.constantFrom<string>(...STATES),
    ),
    powerState: mostly<string | null>('power on', 'power off', 'error', null),
    instanceUuid: fc.constantFrom('i-1', 'i-1', 'i-1', null, null, 'i-2'),
    maintenance: mostly(false, true),
    protected: mostly(false, true),
    retired: mostly(false, true),
    reservation: mostly<string | null>(null, 'conductor-1'),
    lastError: mostly<string | null>(null, 'it broke'),
    resourceClass: mostly<string | null>('bm-worker', null),
    marker: mostly<NodeFacts['marker']>(
      MARK,
      null,
      null,
      null,
      'invalid',
      { ...MARK, deployment: 'd-other' },
      { ...MARK, epoch: 9 },
      { ...MARK, epoch: 3 },
      { ...MARK, instance: null },
    ),
  })
  .map(node);

const instances: fc.Arbitrary<InstanceFacts> = fc
  .record({
    id: mostly('i-1', 'i-2'),
    status: fc.constantFrom(
      'ACTIVE',
      'ACTIVE',
      'ACTIVE',
      'SHUTOFF',
      'SHUTOFF',
      'BUILD',
      'ERROR',
      'DELETED',
      'PAUSED',
      'REBOOT',
      'SOFT_DELETED',
    ),
    taskState: mostly<string | null>(null, 'deleting', 'powering-off', 'spawning'),
    nodeUuid: mostly<string | null>(UUID, null),
    addresses: mostly<string[]>(['10.1.0.11'], []),
    metadata: fc.constantFrom<Record<string, string>>(
      {},
      BOOTED.metadata,
      { ...BOOTED.metadata, [METADATA.node]: 'n-other' },
      { ...BOOTED.metadata, [METADATA.deployment]: 'd-other' },
    ),
    createdAt: mostly('1970-01-01T00:00:05Z', '1970-01-01T00:00:08Z'),
    fault: fc.constantFrom(null, 'No valid host was found.'),
  })
  .map(instance);

const seen = <T>(values: fc.Arbitrary<T>): fc.Arbitrary<Seen<T>> =>
  fc.oneof(
    { arbitrary: values.map(present), weight: 5 },
    { arbitrary: fc.constant<Seen<T>>(absent), weight: 4 },
    { arbitrary: fc.constant<Seen<T>>(unknown), weight: 1 },
    { arbitrary: fc.constant<Seen<T>>(unlooked), weight: 1 },
  );

const anySides: fc.Arbitrary<SideObservation> = fc.record({
  node: seen(nodes),
  instances: seen(
    fc.oneof(
      instances.map((one) => [one]),
      instances.map((one) => [one]),
      fc.array(instances, { minLength: 2, maxLength: 2 }),
    ),
  ),
  provider: seen(fc.constant(true as const)),
  schedulable: seen(fc.constant(true as const)),
});

/** What everything has to be right for, and is hardly ever met by chance. */
const wellSides: fc.Arbitrary<SideObservation> = fc
  .record({
    marker: mostly<NodeFacts['marker']>(MARK, null),
    status: fc.constantFrom('ACTIVE', 'ACTIVE', 'SHUTOFF'),
    metadata: fc.constantFrom<Record<string, string>>({}, BOOTED.metadata),
  })
  .map(({ marker, ...rest }) => side({ node: present(node({ marker })), instances: present([instance(rest)]) }));

export const sides = fc.oneof({ arbitrary: anySides, weight: 3 }, { arbitrary: wellSides, weight: 1 });

/** Everything that can be seen of a node, likely or not. */
export const observations: fc.Arbitrary<(move: Move) => Observation> = fc
  .record({
    from: sides,
    to: sides,
    membership: seen(fc.constantFrom('in' as const, 'out' as const)),
    definitionsEqual: seen(fc.boolean()),
  })
  .map(
    ({ from, to, membership, definitionsEqual }) =>
      (move) =>
        observation(from, to, { membership, definitionsEqual }, move),
  );

export const memories = fc.record({
  added: fc.boolean(),
  removed: fc.boolean(),
  verified: fc.boolean(),
  perhapsMarked: fc.boolean(),
});
