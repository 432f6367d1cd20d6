import type { Call } from '../world/calls.ts';
import { DESTRUCTIVE, describe } from '../world/calls.ts';
import type { Invariant, Watched } from './invariant.ts';

/** Lists that show what was destroyed: of nodes, and of instances. */
const SHOWS = /^\/v1\/nodes(\?|$)|^\/v2\.1\/servers\/detail(\?|$)/;

/** In which a node is deployed anew, or was undeployed in vain. */
const UNDEPLOYED_AGAIN: ReadonlySet<string> = new Set(['deploying', 'deploy failed', 'error']);

/**
 * Invariant 7: no destructive call is repeated on what it has succeeded on - the same instance, the same life of a node -
 * not by the same process, not by the next one, not when its answer got lost. Who was told of the success may not, whatever
 * it has looked at since. For anybody else a repeat is excused when it could not have seen the success: the list that it decided
 * on had been asked for before. What was destroyed in vain, or is there again, may be destroyed again.
 */
export class NoRepeatedDestruction implements Invariant {
  readonly name = 'no repeated destruction';
  readonly #world: Watched;
  /** When it succeeded, by what was done to what. */
  readonly #done = new Map<string, number>();
  /** When the last whole list that a process has received was asked for, by process, service and control plane. */
  readonly #looked = new Map<string, number>();

  /** Whose last list was one from the past: by process, service and control plane. */
  readonly #behind = new Set<string>();
  /** Which processes were told of a success, by what was done to what. */
  readonly #heard = new Map<string, Set<number>>();
  /** What a call does to what, as it was when it left: a node that it deletes is gone when it is answered. */
  readonly #keys = new WeakMap<Call, string>();
  /** Which life of a node was the last, by control plane and node. */
  readonly #lives = new Map<string, number>();

  constructor(world: Watched) {
    this.#world = world;
  }

  delivered(call: Call): void {
    const done = this.#keys.get(call);
    if (done !== undefined && isAccepted(call)) {
      this.#heard.set(done, (this.#heard.get(done) ?? new Set<number>()).add(call.process));
    }
    if (call.method !== 'GET' || call.status !== 200 || !SHOWS.test(call.path)) return;
    const key = `${call.process} ${call.at} ${call.service}`;
    if (call.stale) {
      this.#behind.add(key);
      return;
    }
    this.#behind.delete(key);
    this.#looked.set(key, Math.max(this.#looked.get(key) ?? 0, call.servedAt ?? 0));
  }

  sent(call: Call): void {
    const key = this.#keyOf(call);
    if (key === null) return;
    this.#keys.set(call, key);
    const success = this.#done.get(key);
    if (success === undefined) return;
    if (this.#heard.get(key)?.has(call.process) !== true) {
      const who = `${call.process} ${call.at} ${call.service}`;
      if (this.#behind.has(who) || (this.#looked.get(who) ?? 0) <= success) return;
    }
    this.#world.violate(this.name, `${describe(call)}: it had succeeded ${this.#world.time.now() - success} ms ago`);
  }

  served(call: Call): void {
    const key = this.#keys.get(call);
    if (key !== undefined && isAccepted(call)) this.#done.set(key, this.#world.time.now());
  }

  changed({ kind, uuid, controlPlane, before, after }: Parameters<NonNullable<Invariant['changed']>>[0]): void {
    switch (kind) {
      case 'node.deleted':
        this.#lives.set(`${controlPlane} ${uuid}`, Number(before?.['serial']));
        return;
      case 'instance.status':
        // Running again, it can be stopped again.
        if (after?.['status'] === 'ACTIVE') this.#forget(`stop ${uuid}`);
        return;
      case 'instance.task_state':
        // Given up, it can be asked for again: of a node that is protected, or locked for too long.
        if (before?.['taskState'] === 'powering-off' && after?.['status'] !== 'SHUTOFF') this.#forget(`stop ${uuid}`);
        if (before?.['taskState'] === 'deleting' && after?.['status'] !== 'DELETED') {
          this.#forget(`delete instance ${uuid}`);
        }
        return;
      case 'node.provision_state':
        if (!UNDEPLOYED_AGAIN.has(String(after?.['provision_state']))) return;
        for (const key of this.#done.keys()) if (key.startsWith(`undeploy ${controlPlane} ${uuid}`)) this.#forget(key);
    }
  }

  #forget(key: string): void {
    this.#done.delete(key);
    this.#heard.delete(key);
  }

  /** A node that was created again is another one. */
  #keyOf({ write, at, node, instance }: Call): string | null {
    if (write === null || !DESTRUCTIVE.has(write)) return null;
    if (instance !== null) return `${write} ${instance}`;
    const life = node === null ? undefined : this.#world.mirror(at).nodes.get(node)?.serial;
    // A node without power state is switched off to learn it: until it is known, that may be asked again.
    if (write === 'power off') return null;
    return `${write} ${at} ${node} ${life ?? this.#lives.get(`${at} ${node}`) ?? 'never'}`;
  }
}

const isAccepted = ({ status }: Call): boolean => status !== null && status >= 200 && status < 300;
