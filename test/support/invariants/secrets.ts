import type { Change } from '../../../src/deployments/types.ts';
import type { DeepReadonly, StoreState } from '../../../src/store/types.ts';
import type { Invariant, Watched } from './invariant.ts';

/** Beginnings of every secret of the world: BMC passwords, Keystone's password, tokens, user data in text and base64. */
const SECRETS = /bmc-secret-|keystone-secret|gAAAAA|userdata-secret|dXNlcmRhdGEtc2VjcmV0/;
/** The whole view of a deployment is large: every so-many-th is searched, and each in which something ended. */
const EVERY = 32;
/** Events that carry no words of anybody: they are searched as often as views. */
const WORDLESS: ReadonlySet<string> = new Set(['step_started', 'step_done', 'node_started']);

/** Invariant 9: no secret is in a log line, in what faces show, in a metric, in an answer, in an error or on disk. */
export class NoSecrets implements Invariant {
  readonly name = 'no secret gets out';
  readonly #world: Watched;
  #told: number;

  constructor(world: Watched) {
    this.#world = world;
    // Each of a run is searched in some world.
    this.#told = (world.options.seed ?? 0) % EVERY;
  }

  stored(state: DeepReadonly<StoreState>): void {
    this.#search('the store', JSON.stringify(state));
  }

  told(change: Change): void {
    this.#told += 1;
    if (change.kind !== 'deployment') {
      this.#search('a change', JSON.stringify(change));
      return;
    }
    const { deployment, event } = change;
    const due = this.#told % EVERY === 0;
    if (due || !WORDLESS.has(event.type)) this.#search('an event', JSON.stringify(event));
    if (due || event.type === 'state' || event.type === 'node_settled')
      this.#search('a view', JSON.stringify(deployment));
  }

  output(where: 'log' | 'metrics' | 'answer' | 'slack', text: string): void {
    this.#search(where, text);
  }

  #search(where: string, text: string): void {
    const found = SECRETS.exec(text);
    if (found === null) return;
    const around = text.slice(Math.max(0, found.index - 80), found.index + 20);
    this.#world.violate(this.name, `${where} has one: ...${around}...`);
  }
}
