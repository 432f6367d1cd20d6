import type { Marker } from '../../../machines/domain.ts';
import type { ChangeEvent } from '../../../src/sandbox/openstack/types.ts';
import { isEnded } from '../../../src/store/state.ts';
import type { DeepReadonly, StoredDeployment, StoreState } from '../../../src/store/types.ts';
import type { MemberChange } from '../world/application.ts';
import { serves } from '../world/application.ts';
import type { Call, Write } from '../world/calls.ts';
import { DESTRUCTIVE, describe, isLettingGo, isWrite } from '../world/calls.ts';
import type { Invariant, Watched } from './invariant.ts';
import { Knowledge, markerIn, type NodeSaid } from './knowledge.ts';

/** What may pass between a change of a node and Ephyra's taking it out of service: the basis of a minute, two of preparation. */
const UNSEEN_MS = 200_000;
/** The last look before the mark is taken off, and two minutes that a request may be held up for. */
const LET_GO_MS = 160_000;

/** What belongs to a node that has been made. */
const PARTS: ReadonlySet<Write> = new Set(['create port', 'create portgroup', 'set traits', 'set raid']);

/** Changes that may give a node a mark or take it away. */
const MARKS: ReadonlySet<string> = new Set(['node.created', 'node.deleted', 'node.marker']);

/**
 * Invariant 5: a node that Ephyra did not claim is never changed. What is written to a node belongs to a deployment that
 * has it in its plan, and the process has been told that the node bears that deployment's mark, or none when it is the
 * mark that is written. A mark that somebody else sets in the very last moment cannot be seen: Ironic has no
 * compare-and-set. On such a node, too, nothing is done to an instance but that which was there when the node was planned, or
 * which the deployment has booted.
 */
export class ForeignUntouched implements Invariant {
  readonly name = 'foreign nodes untouched';
  readonly #world: Watched;
  readonly #knowledge: Knowledge;
  /** When a process was first told that a node is not its own. */
  readonly #toldAt = new Map<string, number>();
  /** By node whose mark has ever changed: whose it bears, and since when. */
  readonly #marks = new Map<string, { readonly deployment: string | null; readonly since: number }>();
  /** By deployment and node: the instance that was there for it. */
  readonly #moved = new Map<string, Map<string, string | null>>();

  constructor(world: Watched) {
    this.#world = world;
    this.#knowledge = Knowledge.of(world);
  }

  delivered(call: Call, body: unknown): void {
    this.#knowledge.delivered(call, body);
    if (call.service !== 'ironic' || call.method !== 'GET' || !call.path.startsWith('/v1/nodes')) return;
    const record = this.#world.record;
    if (record === undefined) return;
    for (const { uuid } of record.nodes) {
      const key = `${call.process} ${uuid}`;
      if (this.#strangeness(call.process, uuid, record) === null) this.#toldAt.delete(key);
      else if (!this.#toldAt.has(key)) this.#toldAt.set(key, this.#world.time.now());
    }
  }

  /** What the application is asked to do with a node touches it as well. */
  member({ before, after, by }: MemberChange): void {
    if (by !== 'ephyra' || !serves(before) || serves(after)) return;
    const mark = this.#marks.get(after.uuid);
    if (mark === undefined || mark.deployment === this.#world.record?.id) return;
    const ms = this.#world.time.now() - mark.since;
    if (ms <= UNSEEN_MS) return;
    this.#world.violate(
      this.name,
      `${after.name} is taken out of service, which has borne no mark of ours for ${ms} ms`,
    );
  }

  /** What a deployment is to move is in its plan. Of what was found by its marks, it is what is at home then, or what they name. */
  stored({ deployments }: DeepReadonly<StoreState>): void {
    for (const { id, source, target, nodes } of deployments) {
      const moved = this.#moved.get(id) ?? new Map<string, string | null>();
      if (moved.size === nodes.length) continue;
      this.#moved.set(id, moved);
      const there = (uuid: string) => {
        const mark = this.#world.mirrors.get(target)?.nodes.get(uuid)?.extra['ephyra'] as Partial<Marker> | undefined;
        const named = mark?.deployment === id ? mark.instance?.id : undefined;
        return this.#world.mirrors.get(source)?.instanceOn(uuid)?.id ?? named ?? null;
      };
      for (const { uuid, instanceId } of nodes) {
        if (!moved.has(uuid)) moved.set(uuid, instanceId ?? there(uuid));
      }
    }
  }

  changed({ kind, uuid }: ChangeEvent): void {
    if (!MARKS.has(kind)) return;
    let deployment: string | null = null;
    for (const mirror of this.#world.mirrors.values()) {
      const mark = markerIn(mirror.nodes.get(uuid)?.extra['ephyra']);
      if (mark !== null && mark !== 'invalid') deployment = mark.deployment;
    }
    const before = this.#marks.get(uuid);
    if (before?.deployment !== deployment) this.#marks.set(uuid, { deployment, since: this.#world.time.now() });
  }

  sent(call: Call): void {
    this.#knowledge.sent(call);
    const why = isWrite(call) ? this.#objection(call) : null;
    if (why !== null) this.#world.violate(this.name, `${describe(call)}: ${why}`);
  }

  /** Why the process must take the node for somebody else's, by what it was told last. */
  #strangeness(process: number, node: string, { id, epoch }: { id: string; epoch: number }): string | null {
    for (const at of this.#world.mirrors.keys()) {
      const said = this.#knowledge.node(process, at, node)?.node ?? null;
      const why = said === null ? null : strange(said, id, epoch);
      if (why !== null) return why;
    }
    return null;
  }

  /** Whether the instance was neither there for the deployment nor booted by it. */
  #isForeign(at: string, id: string, node: string, deployment: string): boolean {
    const instance = this.#world.mirror(at).instances.get(id);
    // Nova forgets whose one was that is deleted; nothing can be done to it any more.
    if (instance === undefined || instance.status === 'DELETED') return false;
    const { ephyra_deployment: bootedBy, ephyra_node: bootedFor } = instance.metadata;
    if (bootedBy === deployment && bootedFor === node) return false;
    return this.#moved.get(deployment)?.get(node) !== id;
  }

  #objection(call: Call): string | null {
    const { write, at, node, instance, process } = call;
    if (write === 'other' || write === 'patch') return 'Ephyra has no use for such a write';
    if (node === null) return write === 'create chassis' ? null : 'no node of ours is named';
    const having = this.#world.disk.deployments.filter(
      (one) => one.nodes.some(({ uuid }) => uuid === node) && one.startedAt !== null,
    );
    // One that was found by its marks stands before those that have ended since.
    const record = having.findLast((one) => !isEnded(one)) ?? having.at(-1);
    if (record === undefined) return 'it is in no plan';
    if (instance !== null && this.#isForeign(at, instance, node, record.id)) return `${instance} is somebody else's`;
    const why = this.#strangeness(process, node, record);
    // What was decided a moment before, on a look that was as fresh as it must be, is on its way by then.
    // Parts follow the node that was made for them, for which a request may have been held up until it would be given up.
    const held = PARTS.has(write ?? 'other') ? 60_000 : 0;
    const grace = (DESTRUCTIVE.has(write ?? 'other') ? 5_000 : 30_000) + held;
    const now = this.#world.time.now();
    const told = this.#toldAt.get(`${process} ${node}`) ?? now;
    if (why !== null) return now - told > grace ? why : null;
    const said = [...this.#world.mirrors.keys()].map((at) => this.#knowledge.node(process, at, node)?.node ?? null);
    const marked = said.some((one) => one !== null && one.marker !== null);
    if (!marked && write !== 'mark' && !(write === 'prove' && isBegun(record, node))) return 'it bears no mark';
    const asked = this.#knowledge.node(process, at, node)?.sentAt;
    if (asked === undefined) return `Ironic of ${at} was not asked`;
    const most = (isLettingGo(call) ? LET_GO_MS : UNSEEN_MS) + held;
    return now - asked > most ? `Ironic of ${at} was last asked ${now - asked} ms ago` : null;
  }
}

/** Whether it bears a mark is asked of a node that is begun with by a write which Ironic refuses where there is none. */
const isBegun = ({ results }: DeepReadonly<StoredDeployment>, node: string): boolean =>
  results.some(({ uuid, place }) => uuid === node && place !== 'waiting' && place !== 'back');

function strange({ marker }: NodeSaid, deployment: string, epoch: number): string | null {
  if (marker === null) return null;
  if (marker === 'invalid') return 'its mark cannot be read';
  if (marker.deployment !== deployment) return `it belongs to ${marker.deployment}`;
  return marker.epoch > epoch ? `it bears the newer epoch ${marker.epoch}` : null;
}
