import type { Action } from '../../machines/decide/decision.ts';
import { DESTRUCTIVE, EFFECTS } from '../../machines/decide/decision.ts';
import type {
  ControlPlaneName,
  ListName,
  Move,
  NodeFacts,
  NodeUuid,
  Observation,
  Seen,
  SideObservation,
  Want,
} from '../../machines/domain.ts';
import { UNLOOKED } from '../../machines/domain.ts';
import { Failure } from '../../machines/errors.ts';
import type { SteadyClock } from '../openstack/clock.ts';
import type { Question, Reading, Survey } from './survey.ts';
import { placementClass } from './survey.ts';

/** Facts about one node that no bulk list gives: asked node by node, and only when a decision needs them. */
export interface NodeQuestions {
  membership(session: NodeSession, move: Move): Promise<'in' | 'out' | { unknown: string }>;
  definitionsEqual(session: NodeSession, move: Move, notBefore: number): Promise<boolean>;
}

/** A list is behind by no more than this (ms): what contradicts our own writes so shortly after them is not believed. */
export const LATELY_MS = 120_000;

/** By both clocks: see {@link SteadyClock}. */
interface Moment {
  readonly now: number;
  readonly elapsed: number;
}

/**
 * What our own last write has shown of a node in one control plane. `there`: it is, whether with our mark or not; `perhaps`:
 * it was created and nobody has said whether it is there now; `perhaps marked`: so was the mark.
 */
export type Shown = 'gone' | 'there' | 'marked' | 'unmarked' | 'perhaps' | 'perhaps marked';

const SEEN: ReadonlySet<Shown> = new Set(['there', 'marked', 'unmarked']);

interface Remembered {
  readonly as: Shown;
  readonly at: Moment;
  /** It was created, and nothing was done with it since: as Ironic has it then, in `enroll`. */
  readonly inert: boolean;
}

/** Actions after which a node that has just been created is in `enroll` all the same. */
const LEAVES_INERT: ReadonlySet<Action['name']> = new Set(['copyDefinition', 'stamp', 'letGo']);

/** Actions after which nothing is left of what was booted there. */
const CLEARS: ReadonlySet<Action['name']> = new Set(['deleteInstance', 'undeploy', 'unenroll']);

/**
 * What a run of a deployment knows of one node: what was seen since its last change, and the action that is under way.
 * Nothing in it is needed after a restart.
 */
export class NodeSession {
  /** By list: answers to questions asked before this point say nothing any more, we have changed the node since. */
  readonly #changed: Map<ControlPlaneName, Partial<Record<ListName, number>>>;
  /** By control plane: what the answer to our own last write said of the node; null = it is gone. */
  readonly #learned = new Map<ControlPlaneName, { seq: number; at: number; node: NodeFacts | null }>();
  /** By control plane: what our last write there has shown of the node, and when. */
  readonly #shown: Map<ControlPlaneName, Remembered>;
  /** By control plane: when the answer to an own write has last shown the node without a mark there. */
  readonly #unmarked: Map<ControlPlaneName, Moment>;
  readonly #own = new Map<'membership' | 'definitions', Reading<unknown>>();
  /** What was asked of this one node before this point says nothing any more, also when the answer comes only now. */
  #ownChanged = 0;
  /** The application has let go of the node in this process, and was not asked since to take it. */
  removed = false;
  /** When, by `elapsed`, an action that destroys or starts something was accepted, by action and instance. */
  readonly #done: Map<string, number>;
  /** By what Nova was told: when, whatever it answered. */
  readonly #told: Map<string, Moment>;
  /** Control planes where the copy is known to be whole. */
  readonly #whole: Set<ControlPlaneName>;
  #acting: Promise<unknown>;
  /** What was asked before this time (ms) is of another life of the node. */
  #oldest = 0;
  /** What was asked before this point has turned out to be doubtful. */
  #doubted = 0;
  readonly #survey: Survey;
  readonly #clock: Pick<SteadyClock, 'now' | 'elapsed'>;

  /**
   * `before`: of an earlier run in this process. Lists may still be behind what it wrote, and what it sent off may still be
   * on its way, e.g. when a deployment that got stuck is aborted at once. What it did is shared, also as it becomes known;
   * nothing that it saw is believed.
   */
  constructor(survey: Survey, clock: Pick<SteadyClock, 'now' | 'elapsed'>, before?: NodeSession) {
    this.#survey = survey;
    this.#clock = clock;
    const none = before === undefined;
    this.#changed = none ? new Map() : before.#changed;
    this.#shown = none ? new Map() : before.#shown;
    this.#unmarked = none ? new Map() : before.#unmarked;
    this.#done = none ? new Map() : before.#done;
    this.#told = none ? new Map() : before.#told;
    this.#whole = none ? new Set() : before.#whole;
    this.#acting = none ? Promise.resolve() : before.#acting;
  }

  #changedSince(of: ListName, at: ControlPlaneName): number {
    return Math.max(this.#changed.get(at)?.[of] ?? 0, this.#doubted);
  }

  /** What our own last write there has said, unless another session of the node has changed it since. */
  #learnedOf(at: ControlPlaneName) {
    const learned = this.#learned.get(at);
    return learned !== undefined && learned.seq > this.#changedSince('nodes', at) ? learned : undefined;
  }

  /**
   * Runs an action to its end, whatever becomes of the waiting for it, and forgets what was seen before of all that it
   * changes. An action whose answer got lost may have happened all the same, so failures forget too. What the answer
   * itself says of the node counts as seen.
   */
  async change(
    { name, at }: Pick<Action, 'name' | 'at'>,
    perform: () => Promise<NodeFacts | null | undefined>,
  ): Promise<void> {
    const asked = this.#clock.now();
    const shown = this.#shown.get(at);
    if (shown?.inert && !LEAVES_INERT.has(name)) this.#shown.set(at, { ...shown, inert: false });
    if (name === 'copyDefinition' || name === 'unenroll') this.#whole.delete(at);
    const run = (async () => {
      let answer: NodeFacts | null | undefined;
      try {
        answer = await perform();
        if (answer !== undefined) {
          const inert = this.#shown.get(at)?.inert === true;
          const as = answer === null ? 'gone' : answer.marker ? 'marked' : 'unmarked';
          this.#remember(at, as, inert && answer !== null);
        }
      } catch (error) {
        // The delete may have been done all the same: whether the node is still there, nobody has said.
        const kept = this.#shown.get(at);
        if (name === 'unenroll' && kept !== undefined && kept.as !== 'gone') {
          this.#shown.set(at, { ...kept, as: 'perhaps' });
        }
        throw error;
      } finally {
        const seq = this.#survey.mark();
        const changed = this.#changed.get(at) ?? {};
        for (const of of EFFECTS[name].changes) changed[of] = seq;
        this.#changed.set(at, changed);
        this.#learned.delete(at);
        if (answer !== undefined) this.#learned.set(at, { seq: this.#survey.mark(), at: asked, node: answer });
        this.#forgetOwn();
      }
    })();
    this.#acting = run.catch(() => undefined);
    await run;
  }

  /**
   * What an action has learned of the node before its end, which may be a failure. The result takes it back: what was known
   * before is known again.
   *
   * @param inert it has just been created, or is as if it had: in `enroll`
   */
  shows(at: ControlPlaneName, as: Shown, inert: boolean): () => void {
    const before = this.#shown.get(at);
    const known = as === 'there' && before?.as === 'marked' ? before.as : as;
    this.#remember(at, known, inert);
    return () => {
      if (before === undefined) this.#shown.delete(at);
      else this.#shown.set(at, before);
    };
  }

  #remember(at: ControlPlaneName, as: Shown, inert: boolean): void {
    const moment = this.#moment();
    if (as === 'unmarked') this.#unmarked.set(at, moment);
    this.#shown.set(at, { at: moment, as, inert });
  }

  /** Own writes have created all parts of the copy there, or met them. */
  isWhole(at: ControlPlaneName): boolean {
    return this.#whole.has(at);
  }

  completed(at: ControlPlaneName): void {
    this.#whole.add(at);
  }

  /** It was written to outside an action: what was asked before says nothing any more. */
  wroteTo(at: ControlPlaneName): void {
    this.#changed.set(at, { ...this.#changed.get(at), nodes: this.#survey.mark() });
    this.#learned.delete(at);
    this.#forgetOwn();
  }

  /** The answer to a write outside an action, asked at this time (ms), has said that the node is not there. */
  foundGone(at: ControlPlaneName, asked: number): void {
    this.shows(at, 'gone', false);
    this.wroteTo(at);
    this.#learned.set(at, { seq: this.#survey.mark(), at: asked, node: null });
  }

  /** The answer to the last write there has said how the node is, or one within so many milliseconds that it bears no mark. */
  isTold(at: ControlPlaneName, withinMs: number): boolean {
    return this.#learnedOf(at) !== undefined || this.sawUnmarked(at, withinMs);
  }

  /** Within so many milliseconds the answer to an own write has shown the node there without a mark, whatever was sent since. */
  sawUnmarked(at: ControlPlaneName, withinMs: number): boolean {
    const seen = this.#unmarked.get(at);
    return seen !== undefined && this.#isWithin(seen, withinMs);
  }

  #isWithin(moment: Moment, ms: number): boolean {
    const { now, elapsed } = this.#moment();
    return now - moment.now <= ms && elapsed - moment.elapsed <= ms;
  }

  /**
   * The answer to an own write has shown the node there within so many milliseconds, and a copy with all its parts: no replica
   * has answered that.
   */
  sawByWrite(at: ControlPlaneName, withinMs: number): boolean {
    const shown = this.#shown.get(at);
    if (shown === undefined || !SEEN.has(shown.as)) return false;
    if (shown.inert && !this.isWhole(at)) return false;
    return this.#isWithin(shown.at, withinMs);
  }

  /** Forgets what was asked before `oldest` (ms): a new start does not build on what an earlier one has seen. */
  begin(oldest: number): void {
    this.#oldest = oldest;
    for (const [at, { at: asked }] of this.#learned) if (asked < oldest) this.#learned.delete(at);
    for (const [of, { at: asked }] of this.#own) if (asked < oldest) this.#own.delete(of);
  }

  done(action: Pick<Action, 'name' | 'at' | 'instanceId'>): void {
    const { name, instanceId } = action;
    const accepted = (what: Action['name']) =>
      void this.#done.set(doneKey({ ...action, name: what }), this.#clock.elapsed());
    // Of a node that was unenrolled it is known that it is gone.
    if (DESTRUCTIVE.has(name) && (instanceId !== undefined || name === 'undeploy')) accepted(name);
    // What is being deleted, and runs by a list from before, need not be stopped.
    if (name === 'deleteInstance') accepted('stopInstance');
    // An undeploy ends what is left of an instance; after the next boot there may be something left again.
    if (name === 'bootInstance') this.#done.delete(doneKey({ name: 'undeploy', at: action.at }));
    // Where it is cleared away another one is booted.
    if (CLEARS.has(name)) this.#told.delete(keyOf('boot', action));
  }

  /** Nova has accepted to start it again: it runs, unless it is being deleted as well. */
  starts(action: Pick<Action, 'at' | 'instanceId'>): void {
    this.#told.delete(keyOf('stop', action));
    this.#done.set(doneKey({ ...action, name: 'startInstance' }), this.#clock.elapsed());
  }

  /**
   * Nova is told to stop or delete an instance, or to boot one, whatever it answers. The result takes it back: what was known
   * before is known again.
   */
  tells(what: Told, action: Pick<Action, 'at' | 'instanceId'>): () => void {
    const key = keyOf(what, action);
    const before = this.#told.get(key);
    this.#told.set(key, this.#moment());
    return () => {
      if (before === undefined) this.#told.delete(key);
      else this.#told.set(key, before);
    };
  }

  /** Accepted, or a boot sent, so short a time ago that a list which asks for it again is rather behind. */
  didLately(action: Pick<Action, 'name' | 'at' | 'instanceId'>): boolean {
    if (action.name === 'bootInstance') return this.#isLately(this.#told.get(keyOf('boot', action))?.elapsed);
    return this.#isLately(this.#done.get(doneKey(action)));
  }

  #moment(): Moment {
    return { now: this.#clock.now(), elapsed: this.#clock.elapsed() };
  }

  #isLately(elapsed: number | undefined): boolean {
    return elapsed !== undefined && this.#clock.elapsed() - elapsed < LATELY_MS;
  }

  /** Whether a list that was asked for then may be from before `moment`. It counts when it was asked for, not when it is read. */
  #mayPrecede(asked: number, moment: Moment | undefined): boolean {
    return moment !== undefined && (this.#isLately(moment.elapsed) || asked - moment.now < LATELY_MS);
  }

  /** Forgets everything that was asked until now: it has led nowhere, and is asked again. */
  doubt(): void {
    this.#doubted = this.#survey.mark();
    this.#learned.clear();
    this.#forgetOwn();
  }

  #forgetOwn(): void {
    this.#own.clear();
    this.#ownChanged = this.#survey.mark();
  }

  /** An own write there was answered with its being gone, and none was sent since: better than any list that lacks it. */
  tookAway(at: ControlPlaneName): boolean {
    return this.#learnedOf(at)?.node === null;
  }

  /** Resolves once nothing that was started for this node is still on its way. */
  async quiet(): Promise<void> {
    await this.#acting;
  }

  /** Gets answers no older than `notBefore` (ms) to everything in `wants`. */
  async look(wants: readonly Want[], move: Move, notBefore: number, questions: NodeQuestions): Promise<void> {
    await Promise.all(wants.map((want) => this.#lookAt(want, move, notBefore, questions)));
  }

  async #lookAt(want: Want, move: Move, lately: number, questions: NodeQuestions): Promise<void> {
    const notBefore = Math.max(lately, this.#oldest);
    switch (want.of) {
      case 'nodes':
      case 'instances':
      case 'providers': {
        const learned = want.of === 'nodes' ? this.#learnedOf(want.at) : undefined;
        const oldest = Math.max(notBefore, want.since ?? 0);
        if (learned !== undefined && learned.at >= oldest) return;
        await this.#survey.read({ of: want.of, at: want.at }, this.#changedSince(want.of, want.at), oldest);
        return;
      }
      case 'schedulable': {
        const resourceClass = placementClassOf(this.#node(move, want.at));
        if (resourceClass === null) return;
        const question = { of: 'schedulable', at: want.at, resourceClass } as const;
        await this.#survey.read(question, this.#changedSince('schedulable', want.at), notBefore);
        return;
      }
      case 'membership':
        await this.#askOwn('membership', notBefore, async () => {
          const answer = await questions.membership(this, move);
          if (typeof answer === 'object') throw new Error(answer.unknown);
          return answer;
        });
        return;
      case 'definitions':
        await this.#askOwn('definitions', notBefore, () => questions.definitionsEqual(this, move, notBefore));
    }
  }

  async #askOwn(of: 'membership' | 'definitions', notBefore: number, ask: () => Promise<unknown>): Promise<void> {
    const last = this.#own.get(of);
    if (last !== undefined && last.seq > this.#ownChanged && last.at >= notBefore) return;
    const seq = this.#survey.mark();
    const at = this.#clock.now();
    try {
      this.#own.set(of, { seq, at, answer: { ok: true, value: await ask() } });
    } catch (error) {
      // Some answers are a verdict, not a lack of knowledge (e.g. a mask where a secret should be).
      if (error instanceof Failure && error.next !== 'retry') throw error;
      this.#own.set(of, {
        seq,
        at,
        answer: { ok: false, why: error instanceof Error ? error.message : String(error) },
      });
    }
  }

  /** What is known now, from answers to questions asked after our last change. */
  observe(move: Move): Observation {
    return {
      uuid: move.uuid,
      sides: { [move.from]: this.#side(move, move.from), [move.to]: this.#side(move, move.to) },
      membership: this.#ownFact<'in' | 'out'>('membership'),
      definitionsEqual: this.#ownFact<boolean>('definitions'),
    };
  }

  #side(move: Move, at: ControlPlaneName): SideObservation {
    const { uuid } = move;
    const node = this.#node(move, at);
    const resourceClass = placementClassOf(node);
    return {
      node,
      instances: this.#instances(move, at, node.is === 'present' ? node.value.instanceUuid : null),
      provider: this.#listed(uuid, { of: 'providers', at }),
      schedulable:
        resourceClass === null
          ? { is: 'unknown', why: `${move.name} has no resource class`, at: this.#clock.now() }
          : this.#listed(uuid, { of: 'schedulable', at, resourceClass }),
    };
  }

  #instances(move: Move, at: ControlPlaneName, instanceUuid: string | null): SideObservation['instances'] {
    const reading = this.#survey.last({ of: 'instances', at });
    const fact = this.#factOf(reading, this.#changedSince('instances', at), (index) => {
      const there = index.on(move.uuid, instanceUuid);
      return there.length === 0 ? undefined : there;
    });
    const told = (what: Told, instanceId?: string) =>
      fact.is !== 'unlooked' && this.#mayPrecede(fact.at, this.#told.get(keyOf(what, { at, instanceId })));
    // Where it comes from it is told to end again. Where it goes to, what runs is the end of the way, and nobody looks again.
    if (at === move.to && fact.is === 'present') {
      const past = fact.value.find(
        ({ id, status, taskState }) =>
          status === 'ACTIVE' && taskState === null && (told('stop', id) || told('delete', id)),
      );
      if (past === undefined) return fact;
      return {
        is: 'unknown',
        why: `its list shows ${past.name} as running, which was told to end a moment ago`,
        at: fact.at,
      };
    }
    // Where it goes to it is waited for. Where it comes from the node would be taken away under it.
    if (at === move.from && fact.is === 'absent' && told('boot')) {
      return { is: 'unknown', why: 'its list does not show what was booted a moment ago', at: fact.at };
    }
    return fact;
  }

  /** Whether the node is in the answer to one of Placement's questions. */
  #listed(uuid: NodeUuid, question: Question & { readonly of: 'providers' | 'schedulable' }): Seen<true> {
    const reading = this.#survey.last(question);
    return this.#factOf(reading, this.#changedSince(question.of, question.at), (uuids) => uuids.has(uuid) || undefined);
  }

  /** From the bulk list, or from the answer to our own write when that is newer. */
  #node(move: Move, at: ControlPlaneName): Seen<NodeFacts> {
    const { uuid } = move;
    const reading = this.#survey.last({ of: 'nodes', at });
    const learned = this.#learnedOf(at);
    const newer = learned !== undefined && (reading === undefined || learned.seq > reading.seq);
    if (newer && learned.at >= this.#oldest) {
      return learned.node === null
        ? { is: 'absent', at: learned.at }
        : { is: 'present', value: learned.node, at: learned.at };
    }
    const fact = this.#factOf(reading, this.#changedSince('nodes', at), (nodes) => nodes.get(uuid));
    const shown = this.#shown.get(at);
    if (fact.is === 'unlooked' || shown === undefined || !this.#mayPrecede(fact.at, shown.at)) return fact;
    // On its way there it is simply created again, which shows what is there. On its way back nobody would look for it.
    if (shown.as === 'perhaps' && at === move.to) return fact;
    // So is a mark set once more; and on the way back a node without one has come home.
    if (shown.as === 'perhaps marked' && at === move.from && fact.is === 'present') return fact;
    const why = contradiction(shown, fact);
    return why === null ? fact : { is: 'unknown', why, at: fact.at };
  }

  #ownFact<T>(of: 'membership' | 'definitions'): Seen<T> {
    const reading = this.#own.get(of);
    return this.#factOf(reading as Reading<T> | undefined, this.#ownChanged, (answer) => answer);
  }

  #factOf<A, T>(reading: Reading<A> | undefined, after: number, pick: (answer: A) => T | undefined): Seen<T> {
    if (reading === undefined || reading.seq <= after || reading.at < this.#oldest) return UNLOOKED;
    if (!reading.answer.ok) return { is: 'unknown', why: reading.answer.why, at: reading.at };
    const value = pick(reading.answer.value);
    return value === undefined ? { is: 'absent', at: reading.at } : { is: 'present', value, at: reading.at };
  }
}

const placementClassOf = (node: Seen<NodeFacts>): string | null =>
  node.is === 'present' && node.value.resourceClass !== null ? placementClass(node.value.resourceClass) : null;

/** What Nova is told: to end an instance, or to boot one for the node. */
export type Told = 'stop' | 'delete' | 'boot';

const keyOf = (what: Told, { at, instanceId }: { at: ControlPlaneName; instanceId?: string | undefined }): string =>
  what === 'boot' ? `boot ${at}` : `${what} ${instanceId}`;

const doneKey = ({ name, at, instanceId }: Pick<Action, 'name' | 'at' | 'instanceId'>): string =>
  `${name} ${instanceId ?? at}`;

/** In what a list is behind an answer of a moment ago; null: in nothing. */
function contradiction({ as, inert }: Remembered, listed: Seen<NodeFacts>): string | null {
  if (as === 'gone') return listed.is === 'present' ? 'its list still shows what was gone there a moment ago' : null;
  if (listed.is === 'absent') return 'its list does not show what it has shown a moment ago';
  if (listed.is !== 'present') return null;
  const { marker, provisionState } = listed.value;
  if (as === 'marked' && marker === null) return 'its list does not show the mark that it has shown a moment ago';
  if (as === 'unmarked' && marker !== null) return 'its list still shows a mark that was gone a moment ago';
  if (as === 'perhaps marked' && marker === null)
    return 'nobody has said whether a mark that was sent a moment ago is on it';
  // What ran there before has had the same uuid, and perhaps the same mark.
  if (inert && provisionState !== 'enroll')
    return 'its list shows the node as it was before it was created anew a moment ago';
  return null;
}
