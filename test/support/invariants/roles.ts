import type { Change } from '../../../src/deployments/types.ts';
import { isEnded } from '../../../src/store/state.ts';
import type { DeepReadonly, StoreState } from '../../../src/store/types.ts';
import type { MemberChange } from '../world/application.ts';
import { serves } from '../world/application.ts';
import type { Call } from '../world/calls.ts';
import { isLettingGo } from '../world/calls.ts';
import type { Invariant, Watched } from './invariant.ts';

type Stored = DeepReadonly<StoreState>['deployments'][number];

/** When something was so for the last time. */
interface Spell {
  readonly from: number;
  readonly to: number;
  /** Ephyra itself has ended it. */
  readonly own: boolean;
}

const ALWAYS = Number.NEGATIVE_INFINITY;

/**
 * Invariant 6: every role has as many healthy members at the end as at the start, or the deployment did not end
 * `completed`; and whatever it ends as, what the record says of where nodes are is true: there, in the application, not marked
 * any more. What others did excuses what it has done: that a machine does not run who stopped it while it did, and that a member
 * is out who took it out while it was in; not when Ephyra was told of it before it said where the node is.
 */
export class RolesWhole implements Invariant {
  readonly name = 'roles whole at the end';
  readonly #world: Watched;
  readonly #judged = new Set<string>();
  /** By control plane and node: when it ran there for the last time. */
  readonly #ran = new Map<string, Spell>();
  /** By member: when it was in service for the last time. */
  readonly #served = new Map<string, Spell>();
  /** By control plane and node: the call by which Ephyra took its mark off, and whether it has heard that it did. */
  readonly #letGo = new Map<string, { readonly call: Call; readonly at: number; heard: boolean }>();
  /** The process that was answered last. */
  #process = 0;
  /** By control plane: when the newest list of instances that has reached an Ephyra was made. */
  readonly #shown = new Map<string, number>();
  /** By node that is said to have moved: as what it was seen until then. */
  readonly #saidMoved = new Map<string, ReadonlyMap<string, number>>();

  constructor(world: Watched) {
    this.#world = world;
    for (const { name, nodes } of world.mirrors.values()) {
      for (const uuid of nodes.keys()) if (this.#runs(name, uuid)) this.#begins(this.#ran, `${name} ${uuid}`, ALWAYS);
    }
  }

  changed({ kind, uuid, controlPlane, before, after }: Parameters<NonNullable<Invariant['changed']>>[0]): void {
    if (!kind.startsWith('node.') && !kind.startsWith('instance.')) return;
    const node = kind.startsWith('node.') ? uuid : String(after?.['node'] ?? before?.['node'] ?? '');
    const key = `${controlPlane} ${node}`;
    const ran = this.#ran.get(key)?.to === Number.POSITIVE_INFINITY;
    const runs = this.#runs(controlPlane, node);
    if (runs && !ran) this.#begins(this.#ran, key, this.#world.time.now());
    if (!runs && ran) this.#ends(this.#ran, key, false);
  }

  member({ before, after, by }: MemberChange): void {
    if (serves(after) && !serves(before)) this.#begins(this.#served, after.uuid, this.#world.time.now());
    if (!serves(after) && serves(before)) this.#ends(this.#served, after.uuid, by === 'ephyra');
  }

  served(call: Call): void {
    const { node, at, status } = call;
    if (!isLettingGo(call) || node === null || status === null || status >= 300) return;
    this.#letGo.set(`${at} ${node}`, { call, at: this.#world.time.now(), heard: false });
  }

  delivered(call: Call): void {
    const { at, method, path, status, stale, servedAt, process, node } = call;
    this.#process = process;
    const letGo = this.#letGo.get(`${at} ${node}`);
    if (letGo?.call === call) letGo.heard = true;
    if (method !== 'GET' || status !== 200 || stale || !path.startsWith('/v2.1/servers/detail')) return;
    this.#shown.set(at, Math.max(this.#shown.get(at) ?? ALWAYS, servedAt ?? ALWAYS));
  }

  told(change: Change): void {
    if (change.kind !== 'deployment' || change.event.type !== 'node_settled') return;
    const { uuid, place } = change.event;
    if (place === 'moved') this.#says(uuid);
    else this.#saidMoved.delete(uuid);
  }

  stored({ deployments }: DeepReadonly<StoreState>): void {
    for (const record of deployments) {
      if (!isEnded(record)) {
        this.#judged.delete(record.id);
        this.#follow(record);
        continue;
      }
      if (this.#judged.has(record.id)) continue;
      this.#follow(record);
      this.#judged.add(record.id);
      this.#judge(record);
    }
  }

  /** Who is found to have moved after a restart was not told of as such. */
  #follow({ results }: Stored): void {
    for (const { uuid, place } of results) {
      if (place !== 'moved') this.#saidMoved.delete(uuid);
      else if (!this.#saidMoved.has(uuid)) this.#says(uuid);
    }
  }

  #says(uuid: string): void {
    this.#saidMoved.set(uuid, new Map(this.#shown));
  }

  #judge(record: Stored): void {
    if (record.startedAt === null) return;
    const { id, state, source, target, nodes } = record;
    const placeOf = new Map(record.results.map(({ uuid, place }) => [uuid, place]));
    for (const { uuid, name } of nodes) {
      const place = state === 'completed' ? 'moved' : state === 'rolled_back' ? 'back' : placeOf.get(uuid);
      const isAtHome = place === 'back' || (place === 'waiting' && state !== 'stuck');
      if ((place !== 'moved' && !isAtHome) || this.#world.isOthers?.(uuid) === true) continue;
      const [at, gone] = place === 'moved' ? [target, source] : [source, target];
      // Whoever takes the mark off says that the node has been let go of, as Ephyra does at the end. At home it does not look
      // closer; in the target it looks whether what it booted runs.
      const isLetGo = this.#world.blamed.has(uuid, ['mark']);
      if (isLetGo && isAtHome) continue;
      const why = isLetGo ? this.#runningObjection(uuid, name, at) : this.#objection(uuid, name, at, gone);
      if (why !== null) this.#world.violate(this.name, `${id} ended ${state}, and ${name} ${place}, but ${why}`);
    }
  }

  #objection(uuid: string, name: string, at: string, gone: string): string | null {
    const { blamed, application } = this.#world;
    if (blamed.has(uuid, ['late'])) return null;
    if (this.#world.mirror(gone).nodes.has(uuid)) return `${name} is still in ${gone}`;
    const why = this.#runningObjection(uuid, name, at);
    if (why !== null) return why;
    const member = application.get(uuid);
    if (member !== undefined && !serves(member) && !this.#isTakenOut(uuid)) {
      return `${member.name} is ${member.state}${member.up ? '' : ' and down'}`;
    }
    const extra = this.#world.mirror(at).nodes.get(uuid)?.extra;
    return extra?.['ephyra'] === undefined ? null : `${name} still bears its mark`;
  }

  #runningObjection(uuid: string, name: string, at: string): string | null {
    if (this.#world.blamed.has(uuid, ['late'])) return null;
    // Nova says that it runs and so does the application, which lies: nobody is left to ask.
    const isSaid =
      this.#world.mirror(at).instanceOn(uuid)?.status === 'ACTIVE' && this.#world.blamed.has(uuid, ['lie']);
    return isSaid || this.#runs(at, uuid) || this.#isStopped(at, uuid) ? null : `${name} does not run in ${at}`;
  }

  /** Others have stopped it while it ran, and Ephyra did not know. */
  #isStopped(at: string, uuid: string): boolean {
    const spell = this.#ran.get(`${at} ${uuid}`);
    if (spell === undefined || !this.#world.blamed.has(uuid, ['machine'], spell.from, spell.to)) return false;
    // What it knows that it let go of is its business no more, and of what was let go before it was started it knows nothing.
    const letGo = this.#letGo.get(`${at} ${uuid}`);
    if (letGo !== undefined && letGo.at >= spell.from && (letGo.heard || letGo.call.process !== this.#process))
      return true;
    return (this.#saidMoved.get(uuid)?.get(at) ?? ALWAYS) <= spell.to;
  }

  /** Others have taken it out while it was in, or it was said to be in. */
  #isTakenOut(uuid: string): boolean {
    const { blamed } = this.#world;
    const spell = this.#served.get(uuid) ?? { from: ALWAYS, to: this.#world.time.now(), own: false };
    if (blamed.has(uuid, ['member', 'lie'], spell.to)) return true;
    return !spell.own && blamed.has(uuid, ['machine', 'member', 'lie'], spell.from, spell.to);
  }

  #runs(at: string, uuid: string): boolean {
    return this.#world.mirror(at).running(uuid) !== null;
  }

  #begins(spells: Map<string, Spell>, key: string, from: number): void {
    spells.set(key, { from, to: Number.POSITIVE_INFINITY, own: false });
  }

  #ends(spells: Map<string, Spell>, key: string, own: boolean): void {
    spells.set(key, { from: spells.get(key)?.from ?? ALWAYS, to: this.#world.time.now(), own });
  }
}
