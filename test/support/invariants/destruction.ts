import type { Call } from '../world/calls.ts';
import { DESTRUCTIVE, describe } from '../world/calls.ts';
import type { Invariant, Watched } from './invariant.ts';

/** Lists that show what was destroyed: of nodes, and of instances. */
const SHOWS = /^\/v1\/nodes(\?|$)|^\/v2\.1\/servers\/detail(\?|$)/;

/**
 * Invariant 7: no destructive call is repeated on what it has succeeded on - the same instance, the same life of a node -
 * not by the same process, not by the next one, not when its answer got lost. A repeat is excused when the process could not
 * have seen the success: the list that it decided on had been asked for before.
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
  /** Who was told of a success: by process and what was done to what. */
  readonly #heard = new Set<string>();

  constructor(world: Watched) {
    this.#world = world;
  }

  delivered(call: Call): void {
    const done = this.#keyOf(call);
    if (done !== null && isAccepted(call)) this.#heard.add(`${call.process} ${done}`);
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
    const success = key === null ? undefined : this.#done.get(key);
    if (success === undefined) return;
    const who = `${call.process} ${call.at} ${call.service}`;
    // Who was never told of the success, and whose newest list is from before it, cannot know.
    if (this.#behind.has(who) && !this.#heard.has(`${call.process} ${key}`)) return;
    const looked = this.#looked.get(who) ?? 0;
    if (looked > success) {
      this.#world.violate(this.name, `${describe(call)}: it had succeeded ${this.#world.time.now() - success} ms ago`);
    }
  }

  served(call: Call): void {
    const key = this.#keyOf(call);
    if (key !== null && isAccepted(call)) this.#done.set(key, this.#world.time.now());
  }

  changed({ kind, uuid, after }: Parameters<NonNullable<Invariant['changed']>>[0]): void {
    // Running again, it can be stopped again.
    if (kind === 'instance.status' && after?.['status'] === 'ACTIVE') this.#done.delete(`stop ${uuid}`);
    if (kind === 'node.provision_state' && after?.['provision_state'] === 'deploying') {
      for (const key of this.#done.keys()) if (key.startsWith('undeploy') && key.includes(uuid)) this.#done.delete(key);
    }
  }

  /** A node that was created again is another one. */
  #keyOf({ write, at, node, instance }: Call): string | null {
    if (write === null || !DESTRUCTIVE.has(write)) return null;
    if (instance !== null) return `${write} ${instance}`;
    const serial = node === null ? undefined : this.#world.mirror(at).nodes.get(node)?.serial;
    // A node without power state is switched off to learn it: until it is known, that may be asked again.
    return write === 'power off' ? null : `${write} ${at} ${node} ${serial ?? 'gone'}`;
  }
}

const isAccepted = ({ status }: Call): boolean => status !== null && status >= 200 && status < 300;
