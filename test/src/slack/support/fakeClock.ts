import type { Clock, Log } from '../../../../src/slack/types.ts';

/** Time that passes only when a test says so; what is due runs in order, with promises settled in between. */
export class FakeClock implements Clock {
  #now: number;
  #serial = 0;
  #timers: { at: number; serial: number; run: () => void }[] = [];

  constructor(start = Date.UTC(2026, 10, 22, 3, 0, 0)) {
    this.#now = start;
  }

  now = (): number => this.#now;

  after = (ms: number, run: () => void): (() => void) => {
    this.#serial += 1;
    const timer = { at: this.#now + Math.max(0, ms), serial: this.#serial, run };
    this.#timers.push(timer);
    return () => {
      this.#timers = this.#timers.filter((one) => one !== timer);
    };
  };

  get pending(): number {
    return this.#timers.length;
  }

  async pass(ms: number): Promise<void> {
    const end = this.#now + ms;
    await settle();
    for (;;) {
      const [next] = this.#timers.filter((one) => one.at <= end).sort((a, b) => a.at - b.at || a.serial - b.serial);
      if (next === undefined) break;
      this.#timers = this.#timers.filter((one) => one !== next);
      this.#now = Math.max(this.#now, next.at);
      next.run();
      await settle();
    }
    this.#now = end;
  }
}

/** Lets every promise that can settle without time passing settle. */
export async function settle(): Promise<void> {
  for (let i = 0; i < 3; i += 1) await new Promise<void>((resolve) => setImmediate(resolve));
}

export interface Logged {
  level: string;
  fields: Record<string, unknown>;
  message: string;
}

export function memoryLog(): Log & { lines: Logged[] } {
  const lines: Logged[] = [];
  const at = (level: string) => (fields: Record<string, unknown>, message: string) => {
    lines.push({ level, fields, message });
  };
  return { lines, debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') };
}
