import { isEnded } from '../../src/store/state.ts';
import type { Meddler } from '../support/world/meddler.ts';
import type { World } from '../support/world/world.ts';
import { BOB } from '../support/world/world.ts';
import type { Meddling } from './scenario.ts';
import { nodeName } from './scenario.ts';

/** Who meddles, with which node where there is one. */
interface Scene<M extends Meddling> {
  readonly world: World;
  readonly meddler: Meddler;
  readonly what: M;
  /** Empty when there is no such node. */
  readonly uuid: string;
  readonly later: (ms: number, undo: () => void) => void;
}

/** The meddling that is called so; of several that share a shape, that shape. */
type Of<K extends Meddling['do'], M = Meddling> = M extends { readonly do: infer D }
  ? K extends D
    ? M
    : never
  : never;
type Deeds = { readonly [K in Meddling['do']]: (scene: Scene<Of<K>>) => void };

/** As another Ephyra would write it: of what is on the node. */
function markOn({ meddler, world, uuid }: Pick<Scene<Meddling>, 'meddler' | 'world' | 'uuid'>, deployment: string) {
  const at = meddler.whereIs(uuid);
  const there = at === null ? undefined : world.mirror(at).instanceOn(uuid);
  const unsaid = { flavor: null, image: null, networks: [], keyName: null, configDrive: false, metadata: {} };
  const instance = there === undefined ? null : { at, id: there.id, name: there.name, ...unsaid, addresses: [] };
  // A mark with a wrong role is believed like the right one: nobody could tell.
  const role = world.roles.get(uuid) ?? 'hadoop-worker';
  return { v: 1, deployment, epoch: 1, source: 'cp1', target: 'cp2', role, instance };
}

/** Now, or the next time that Placement has it free: whoever is quicker has it. */
function bootOnNode({ world, meddler, uuid }: Pick<Scene<Meddling>, 'world' | 'meddler' | 'uuid'>): void {
  if (meddler.boot(uuid)) return;
  const stops = world.planes.map((plane) =>
    plane.onChange(({ kind, uuid: changed, after }) => {
      if (kind !== 'provider.reserved' || changed !== uuid || after?.['reserved'] !== 0) return;
      for (const stop of stops) stop();
      world.time.after(0, () => void meddler.boot(uuid));
    }),
  );
}

const DEEDS: Deeds = {
  maintenance({ meddler, uuid, what, later }) {
    meddler.maintenance(uuid, what.at, true);
    later(what.forMs, () => meddler.maintenance(uuid, what.at, false));
  },
  'delete instance': ({ meddler, uuid }) => meddler.instance(uuid, 'delete'),
  'stop instance': ({ meddler, uuid }) => meddler.instance(uuid, 'stop'),
  'foreign mark': (scene) => scene.meddler.mark(scene.uuid, markOn(scene, 'd-somebody-else')),
  'newer epoch': (scene) =>
    scene.meddler.mark(scene.uuid, {
      ...markOn(scene, scene.world.record?.id ?? 'd-nobody'),
      epoch: 9_000_000_000,
    }),
  'garbled mark': ({ meddler, uuid }) => meddler.mark(uuid, 'hands off'),
  'remove mark': ({ meddler, uuid }) => meddler.mark(uuid, undefined),
  'edit definition': ({ meddler, uuid, what }) => void meddler.define(uuid, 'asset_tag', `A-${what.node}`),
  'spoil definition': ({ meddler, uuid }) => {
    const at = meddler.whereIs(uuid) ?? 'cp1';
    meddler.request(at, 'ironic', 'PATCH', `/v1/nodes/${uuid}`, [{ op: 'remove', path: '/properties/cpus' }]);
  },
  'hold lock'({ world, meddler, uuid, what }) {
    const at = meddler.whereIs(uuid);
    if (at === null) return;
    world.plane(at).faults.add({ match: { node: uuid }, effect: { kind: 'node-locked', ms: what.forMs } });
  },
  protect: ({ meddler, uuid }) => meddler.protect(uuid),
  retire({ meddler, uuid, what, later }) {
    if (meddler.retire(uuid, true)) later(what.forMs, () => void meddler.retire(uuid, false));
  },
  lock({ world, what }) {
    if (world.process === null) return;
    void world.ephyra.lock({ by: BOB, scope: what.scope, reason: 'disks are being replaced', forMs: 60_000 });
  },
  abort({ world }) {
    if (world.process !== null) void world.ephyra.abort({ by: BOB });
  },
  'deploy beside'({ world }) {
    // Only while there is one that it must not meet.
    if (world.process === null || world.record === undefined || isEnded(world.record)) return;
    const { ephyra } = world;
    void ephyra.deploy({ source: 'cp1', target: 'cp2', by: BOB, idempotencyKey: 'beside' }).then((answer) => {
      // The other has ended meanwhile: nobody is there to approve this one.
      if (answer.ok) void ephyra.stop({ id: answer.value.id, by: BOB });
    });
  },
  stop({ world }) {
    if (world.process !== null) void world.ephyra.stop({ by: BOB });
  },
  'application silent'({ world, what, later }) {
    world.application.faults.silent = true;
    later(what.forMs, () => {
      world.application.faults.silent = false;
    });
  },
  'application unhealthy'({ world, what, later }) {
    world.application.faults.unhealthy = 'three blocks are missing';
    later(what.forMs, () => {
      world.application.faults.unhealthy = null;
    });
  },
  'application throws'({ world, what, later }) {
    world.application.faults.throws = true;
    later(what.forMs, () => {
      world.application.faults.throws = false;
    });
  },
  'application hangs'({ world, what, later }) {
    world.application.faults.hangs = true;
    later(what.forMs, () => {
      world.application.faults.hangs = false;
    });
  },
  'drain hangs'({ world, uuid, what, later }) {
    world.application.faults.drainHangs.add(uuid);
    later(what.forMs, () => world.application.goOn(uuid));
  },
  'join hangs'({ world, uuid, what, later }) {
    world.application.faults.joinHangs.add(uuid);
    later(what.forMs, () => world.application.goOn(uuid));
  },
  'crash machine': ({ meddler, uuid }) => meddler.crash(uuid),
  'member in': ({ meddler, uuid }) => meddler.operate(uuid, 'in'),
  'member out': ({ meddler, uuid }) => meddler.operate(uuid, 'out'),
  'boot on node': bootOnNode,
  'replace instance'(scene) {
    scene.meddler.instance(scene.uuid, 'delete');
    bootOnNode(scene);
  },
  'application lies'({ world, uuid, what, later }) {
    world.blamed.add(uuid, 'lie', what.forMs);
    world.application.faults.lies.add(uuid);
    later(what.forMs, () => void world.application.faults.lies.delete(uuid));
  },
  'replica behind'({ world, what, later }) {
    if (world.options.history !== true) return;
    world.network.lag(what.at, what.ms, what.sparesLeases);
    later(what.forMs, () => world.network.lag(what.at, null));
  },
  'disk full'({ world, what, later }) {
    world.diskRefuses = 'ENOSPC: no space left on device';
    later(what.forMs, () => {
      world.diskRefuses = null;
    });
  },
  'restart service'({ world, what, later }) {
    world.network.cut(what.at, what.service);
    const { faults } = world.plane(what.at);
    const id = faults.add({ match: { service: what.service }, effect: { kind: 'service-down', answer: 'refused' } });
    later(what.forMs, () => void faults.remove(id));
  },
};

/** Does it now; what lasts is undone in its time. */
export function meddle(world: World, meddler: Meddler, what: Meddling): void {
  world.note(`meddling: ${JSON.stringify(what)}`);
  const uuid = 'node' in what ? uuidOf(world, what.node) : '';
  if ('node' in what && uuid === '') return;
  const deed = DEEDS[what.do] as (scene: Scene<Meddling>) => void;
  deed({ world, meddler, what, uuid, later: (ms, undo) => void world.time.after(ms, undo) });
}

function uuidOf(world: World, node: number): string {
  try {
    return world.uuid(nodeName(node));
  } catch {
    return '';
  }
}
