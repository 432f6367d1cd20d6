import type { Clock, RateLimit } from './model.ts';

/**
 * Token buckets, one for each key. `take` answers 0 when the call may go on, else the whole seconds to wait
 * (Slack's Retry-After has no fractions).
 */
export class RateLimits {
  readonly #buckets = new Map<string, { tokens: number; at: number }>();
  readonly #clock: Clock;
  readonly #limit: RateLimit;

  constructor(clock: Clock, limit: RateLimit) {
    this.#clock = clock;
    this.#limit = limit;
  }

  take(key: string): number {
    const now = this.#clock.now();
    const bucket = this.#buckets.get(key) ?? { tokens: this.#limit.burst, at: now };
    const refilled = bucket.tokens + ((now - bucket.at) / 1000) * this.#limit.perSecond;
    bucket.tokens = Math.min(this.#limit.burst, refilled);
    bucket.at = now;
    this.#buckets.set(key, bucket);
    if (bucket.tokens >= 1) {
      bucket.tokens -= 1;
      return 0;
    }
    return Math.max(1, Math.ceil((1 - bucket.tokens) / this.#limit.perSecond));
  }
}
