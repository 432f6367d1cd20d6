import type { ControlPlaneName, DeploymentId } from '../../machines/domain.ts';
import type { Survey } from '../actors/survey.ts';
import type { Config } from '../config/types.ts';
import type { Clock } from '../openstack/clock.ts';
import { isEnded } from '../store/state.ts';
import type { DeepReadonly, Store, StoredDeployment, StoreState } from '../store/types.ts';
import type { Findings } from './findings.ts';
import { findingsOf } from './findings.ts';
import type { OddMark, PairSight, PlaneSight } from './marks.ts';
import { CANNOT_TELL } from './resume.ts';
import type { Actor } from './types.ts';

export interface RecoveryDeps {
  readonly config: Pick<Config, 'controlPlanes' | 'deployment' | 'roles'>;
  readonly store: Store;
  readonly survey: Survey;
  readonly clock: Clock;
  /** In whose name a record is rebuilt. */
  readonly by: Actor;
  /** A store that cannot be written; it is tried again. */
  readonly onError: (error: unknown) => void;
}

/** What comes of the looks; each is called at most once for the same thing. */
export interface RecoveryEvents {
  /** A deployment that runs by the store and by what is seen. */
  readonly goOn: (id: DeploymentId) => void;
  /** A deployment that waits for a person from now on. */
  readonly found: (id: DeploymentId) => void;
  readonly odd: (mark: OddMark) => void;
  /** A control plane does not answer, so nothing is concluded yet. Again only when the reason is another. */
  readonly unanswered: (pair: readonly [ControlPlaneName, ControlPlaneName], why: string) => void;
}

interface Pair {
  readonly names: readonly [ControlPlaneName, ControlPlaneName];
  /** Null once both have answered and what follows is in the store. */
  why: string | null;
  done: boolean;
  /** The look under way, or the last one. */
  round: Promise<void>;
}

/**
 * After each start: looks at both control planes of every pair for marks, before anything goes on there. What runs by the
 * store and by the marks goes on; what only the marks know, or what they contradict, waits for a person. A control
 * plane that does not answer is asked again, and nothing is concluded from it.
 */
export class Recovery {
  readonly #deps: RecoveryDeps;
  readonly #pairs = new Map<string, Pair>();
  readonly #told = new Set<string>();
  /** Deployments that are to be asked about, and have not been yet. */
  readonly #overtaken = new Set<DeploymentId>();
  #events: RecoveryEvents | null = null;
  readonly #cancel = new AbortController();

  constructor(deps: RecoveryDeps) {
    this.#deps = deps;
  }

  /** Begins to look, in the background. To be called once. */
  begin(events: RecoveryEvents): void {
    this.#events = events;
    for (const names of this.#allPairs()) {
      const pair: Pair = { names, why: null, done: false, round: Promise.resolve() };
      this.#pairs.set(keyOf(...names), pair);
      this.#follow(pair, events);
    }
  }

  /** Looks once more, and asks about a deployment of which another Ephyra may know other things. */
  ask(id: DeploymentId): void {
    const record = this.#deps.store.read().deployments.find((other) => other.id === id);
    const pair = record === undefined ? undefined : this.#pairs.get(keyOf(record.source, record.target));
    if (pair === undefined || this.#events === null) return;
    this.#overtaken.add(id);
    pair.done = false;
    this.#follow(pair, this.#events);
  }

  /**
   * Resolves to null when the pair has been looked at, so that what is known of it is all there is to know; else to the
   * reason why it could not be. Waits for the look that is under way, never for the next one.
   */
  async looked(source: ControlPlaneName, target: ControlPlaneName): Promise<string | null> {
    const pair = this.#pairs.get(keyOf(source, target));
    if (pair === undefined || pair.done) return null;
    await pair.round;
    return pair.done ? null : (pair.why ?? 'it has not answered yet');
  }

  /** Whether people will be asked about it at the next look, whatever they say until then. */
  isInQuestion(id: DeploymentId): boolean {
    return this.#deps.store.behind !== null || this.#overtaken.has(id);
  }

  close(): void {
    this.#cancel.abort();
  }

  /** Every two configured control planes; and those of running deployments, so that their notes say what is missing. */
  #allPairs(): (readonly [ControlPlaneName, ControlPlaneName])[] {
    const names = this.#deps.config.controlPlanes.map(({ name }) => name);
    const pairs = new Map<string, readonly [ControlPlaneName, ControlPlaneName]>();
    names.forEach((one, index) => {
      for (const other of names.slice(index + 1)) pairs.set(keyOf(one, other), [one, other]);
    });
    for (const { source, target } of this.#deps.store.read().deployments.filter(runs)) {
      if (!pairs.has(keyOf(source, target))) pairs.set(keyOf(source, target), [source, target]);
    }
    return [...pairs.values()];
  }

  #follow(pair: Pair, events: RecoveryEvents): void {
    this.#rounds(pair, events).catch((error) => {
      if (!this.#cancel.signal.aborted) this.#deps.onError(error);
    });
  }

  async #rounds(pair: Pair, events: RecoveryEvents): Promise<void> {
    const { clock, config } = this.#deps;
    while (!this.#cancel.signal.aborted) {
      const round = this.#round(pair, events);
      pair.round = round.catch(() => undefined);
      try {
        await round;
      } catch (error) {
        if (this.#cancel.signal.aborted) return;
        pair.why = error instanceof Error ? error.message : String(error);
        this.#deps.onError(error);
      }
      if (pair.done) return;
      await clock.sleep(config.deployment.pollMs, this.#cancel.signal).catch(() => undefined);
    }
  }

  async #round(pair: Pair, events: RecoveryEvents): Promise<void> {
    const asked = [...this.#overtaken];
    const seen = await this.#look(pair.names);
    this.#cancel.signal.throwIfAborted();
    if (!seen.ok) {
      if (pair.why !== seen.why) events.unanswered(pair.names, seen.why);
      pair.why = seen.why;
      await this.#note(pair, seen.why);
      return;
    }
    const findings = await this.#record(pair, seen.pair);
    for (const id of asked) this.#overtaken.delete(id);
    pair.why = null;
    pair.done = true;
    if ([...this.#pairs.values()].every(({ done }) => done)) this.#deps.store.caughtUp();
    for (const { id } of findings.found) events.found(id);
    for (const mark of findings.odd) {
      if (this.#told.has(`${mark.at} ${mark.uuid}`)) continue;
      this.#told.add(`${mark.at} ${mark.uuid}`);
      events.odd(mark);
    }
    for (const id of findings.goOn) events.goOn(id);
  }

  /** The nodes of both; what runs on them only when there is something to hold it against. */
  async #look(
    names: Pair['names'],
  ): Promise<{ readonly ok: true; readonly pair: PairSight } | { readonly ok: false; readonly why: string }> {
    const { survey } = this.#deps;
    const after = survey.mark();
    const known = this.#deps.store
      .read()
      .deployments.some((record) => onPair(record, names) && (runs(record) || record.startedAt === null));
    const nodes = names.map((at) => survey.read({ of: 'nodes', at }, after));
    const listInstances = () => names.map((at) => survey.read({ of: 'instances', at }, after));
    const early = known ? listInstances() : null;
    const answers = await Promise.all(nodes);
    const marked = answers.some(
      ({ answer }) => answer.ok && [...answer.value.values()].some(({ marker }) => marker !== null),
    );
    const instances = await Promise.all(early ?? (marked ? listInstances() : []));
    const pair = new Map<ControlPlaneName, PlaneSight>();
    for (const [index, at] of names.entries()) {
      const here = answers[index]?.answer;
      if (here === undefined || !here.ok) return { ok: false, why: here?.why ?? `${at} was not asked` };
      const index2 = instances[index]?.answer;
      if (index2 !== undefined && !index2.ok) return { ok: false, why: index2.why };
      pair.set(at, { nodes: here.value, instances: index2?.value ?? NOTHING });
    }
    return { ok: true, pair };
  }

  /** Judges and records in one update, when there is anything to record. */
  async #record(pair: Pair, sight: PairSight): Promise<Findings> {
    const { store } = this.#deps;
    const first = this.#judge(store.read(), sight);
    const outdated = store.read().deployments.some((record) => isNoted(record, pair));
    if (first.found.length === 0 && !outdated) return first;
    return store.update((draft) => {
      const findings = this.#judge(draft, sight);
      for (const record of draft.deployments) if (isNoted(record, pair)) record.note = null;
      for (const record of findings.found) put(draft, structuredClone(record));
      if (findings.epoch <= MOST_EPOCH) draft.epoch = Math.max(draft.epoch, findings.epoch);
      return findings;
    });
  }

  #judge(state: DeepReadonly<StoreState>, sight: PairSight): Findings {
    const { config, clock, by, store } = this.#deps;
    return findingsOf(state, sight, {
      configured: config.controlPlanes.map(({ name }) => name),
      roles: config.roles,
      deployment: config.deployment,
      by,
      now: clock.now(),
      behind: store.behind,
      overtaken: this.#overtaken,
    });
  }

  /** What keeps a deployment from going on is written where people look for it. */
  async #note(pair: Pair, why: string): Promise<void> {
    const note = `${CANNOT_TELL}${why}`;
    const waiting = (record: DeepReadonly<StoredDeployment>) =>
      runs(record) && onPair(record, pair.names) && record.note !== note;
    if (!this.#deps.store.read().deployments.some(waiting)) return;
    await this.#deps.store.update((draft) => {
      for (const record of draft.deployments.filter(waiting)) record.note = note;
    });
  }
}

/** Epochs are seconds since 1970; a mark with one beyond all time is believed for its own deployment only. */
const MOST_EPOCH = 100_000_000_000;

const NOTHING: PlaneSight['instances'] = { on: () => [] };

const keyOf = (one: ControlPlaneName, other: ControlPlaneName): string => [one, other].sort().join(' ');

const onPair = (record: Pick<StoredDeployment, 'source' | 'target'>, names: Pair['names']): boolean =>
  keyOf(record.source, record.target) === keyOf(...names);

const runs = (record: Pick<StoredDeployment, 'state'>): boolean =>
  !isEnded(record) && record.state !== 'awaiting_approval' && record.state !== 'found';

const isNoted = (record: DeepReadonly<StoredDeployment>, { names }: Pair): boolean =>
  runs(record) && onPair(record, names) && record.note?.startsWith(CANNOT_TELL) === true;

/** In place of what is known of it; a new one where its epoch puts it, since order tells what came after what. */
function put(draft: StoreState, record: StoredDeployment): void {
  const index = draft.deployments.findIndex(({ id }) => id === record.id);
  if (index >= 0) {
    draft.deployments[index] = record;
    return;
  }
  const later = draft.deployments.findIndex(({ epoch }) => epoch > record.epoch);
  draft.deployments.splice(later < 0 ? draft.deployments.length : later, 0, record);
}
