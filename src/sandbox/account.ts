import type { Channel } from './people.ts';

/** A readable account of what happens, with what the channel says in between, and what was expected of it. */
export class Account {
  readonly #out: (line: string) => void;
  readonly #began = Date.now();
  readonly #figures: Record<string, number> = {};
  #met = 0;
  readonly #unmet: string[] = [];
  #messages = 0;

  constructor(out: (line: string) => void) {
    this.#out = out;
  }

  clock(): number {
    return Date.now();
  }

  chapter(title: string): void {
    this.#out(`\n== ${title}`);
  }

  say(text: string): void {
    this.#line(text);
  }

  measure(figure: string, value: number): void {
    this.#figures[figure] = value;
  }

  expect(what: string, holds: boolean): void {
    if (holds) this.#met += 1;
    else this.#unmet.push(what);
    this.#line(`${holds ? 'ok  ' : 'NOT '} ${what}`);
  }

  failed(why: string): void {
    this.#unmet.push(why);
    this.#line(`NOT  ${why}`);
  }

  get wentWell(): boolean {
    return this.#unmet.length === 0 && this.#met > 0;
  }

  /** Repeats what appears in the threads of the channel; the card itself changes too often. Returns the way to stop. */
  listenTo(channel: Channel): () => void {
    const heard = new Set<string>();
    const timer = setInterval(() => {
      channel
        .see('U0ALICE')
        .then(({ messages }) => {
          for (const { ts, thread_ts: thread, text } of messages) {
            if (heard.has(ts)) continue;
            heard.add(ts);
            this.#messages += 1;
            if (thread === undefined || thread === ts) continue;
            for (const line of text.split('\n')) this.#line(`     slack: ${line}`);
          }
        })
        .catch(() => undefined);
    }, 500);
    return () => clearInterval(timer);
  }

  summary(more: Record<string, unknown>): Record<string, unknown> {
    return {
      ok: this.wentWell,
      expectations: { met: this.#met, unmet: this.#unmet },
      ...more,
      slackMessages: this.#messages,
      durations: { ...this.#figures, totalMs: Date.now() - this.#began },
    };
  }

  #line(text: string): void {
    const seconds = ((Date.now() - this.#began) / 1000).toFixed(1).padStart(5);
    this.#out(`${seconds} s  ${text}`);
  }
}
