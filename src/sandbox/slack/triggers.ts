import type { Clock, NewId } from './model.ts';

const LIFETIME_MS = 3_000;

/** The trigger_ids that Slack has given out: each opens one view, within three seconds, for the person who acted. */
export class Triggers {
  readonly #given = new Map<string, { user: string; until: number; used: boolean }>();
  readonly #clock: Clock;
  readonly #newId: NewId;

  constructor(clock: Clock, newId: NewId) {
    this.#clock = clock;
    this.#newId = newId;
  }

  give(user: string): string {
    const id = `${this.#newId('')}.${this.#newId('')}.trigger`;
    this.#given.set(id, { user, until: this.#clock.now() + LIFETIME_MS, used: false });
    return id;
  }

  /** The person behind a trigger, or Slack's word for why it is worth nothing. */
  exchange(id: string): { user: string } | { error: string } {
    const given = this.#given.get(id);
    if (given === undefined) return { error: 'invalid_trigger_id' };
    if (given.used) return { error: 'exchanged_trigger_id' };
    if (this.#clock.now() > given.until) return { error: 'expired_trigger_id' };
    given.used = true;
    return { user: given.user };
  }
}
