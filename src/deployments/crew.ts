import type { ControlPlaneName, DeploymentId, NodeUuid } from '../../machines/domain.ts';
import type { Item } from '../../machines/migration/items.ts';
import type { MigrationOutput, MigrationPorts } from '../../machines/migration/setup.ts';
import type { Survey } from '../actors/survey.ts';
import type { Config } from '../config/types.ts';
import type { Clock } from '../openstack/clock.ts';
import { StoreError } from '../store/errors.ts';
import type { DeepReadonly, Store, StoredDeployment } from '../store/types.ts';
import type { LeaseTrouble } from './leases/lease.ts';
import type { Grip, Leases } from './leases/leases.ts';
import { bringUpToDate, CANNOT_TELL, isAtRest, itemsOf, sight } from './resume.ts';
import type { Run, RunListener } from './run.ts';
import { startRun } from './run.ts';
import type { Consequence } from './tracker.ts';
import { Tracker } from './tracker.ts';
import type { DeploymentEvent, DeploymentState } from './types.ts';
import type { Live } from './view.ts';

export interface CrewDeps {
  readonly config: Pick<Config, 'deployment' | 'roles'>;
  readonly store: Store;
  readonly survey: Survey;
  readonly clock: Clock;
  readonly leases: Pick<Leases, 'hold' | 'mayWrite' | 'onLost' | 'rivals'>;
  readonly ports: (record: DeepReadonly<StoredDeployment>, listener: RunListener) => MigrationPorts;
  /** What happened that no caller waits for: a store that cannot be written, a machine that broke. */
  readonly onError: (error: unknown, deployment: DeploymentId) => void;
}

interface Job {
  readonly tracker: Tracker;
  readonly cancel: AbortController;
  /** On both control planes, from the start of the job to its end. */
  readonly grip: Grip;
  /** It has been allowed to write. */
  begun: boolean;
  /** What people wanted and how often other Ephyras had been noticed when it was begun. */
  readonly since: { readonly intent: StoredDeployment['intent']; readonly rivals: number };
  run: Run | null;
}

/**
 * Carries deployments out: looks where the nodes are, runs the migration machine, keeps the record up to date. A start,
 * a restart after a kill and the reopening for an abort are the same thing.
 */
export class Crew {
  readonly #deps: CrewDeps;
  readonly #jobs = new Map<DeploymentId, Job>();
  /** By deployment: what the store has not taken yet. */
  readonly #owed = new Map<DeploymentId, NonNullable<Consequence['record']>[]>();
  #listener: (id: DeploymentId, event: DeploymentEvent) => void = () => undefined;
  #onOvertaken: (id: DeploymentId) => void = () => undefined;
  /** Consequences are applied one after the other, so that what is told is what the record says. */
  #tail: Promise<void> = Promise.resolve();
  #closed = false;

  constructor(deps: CrewDeps) {
    this.#deps = deps;
    deps.leases.onLost((at) => this.#startAnew(at));
  }

  onEvent(listener: (id: DeploymentId, event: DeploymentEvent) => void): void {
    this.#listener = listener;
  }

  /**
   * Told of a deployment that is let go of, since another Ephyra has gone on with it, or may have been told other things about it
   * meanwhile.
   */
  onOvertaken(listener: (id: DeploymentId) => void): void {
    this.#onOvertaken = listener;
  }

  live(id: DeploymentId): Live | undefined {
    return this.#jobs.get(id)?.tracker.live;
  }

  /** Tells the addresses of a node's instance as last seen, in the target first. */
  addressesOf({ source, target }: DeepReadonly<StoredDeployment>): (uuid: NodeUuid) => readonly string[] {
    const lists = [target, source].flatMap((at) => {
      const answer = this.#deps.survey.last({ of: 'instances', at })?.answer;
      return answer?.ok ? [answer.value] : [];
    });
    return (uuid) => {
      for (const list of lists) {
        const there = list.on(uuid, null);
        const instance = there.find(({ status }) => status === 'ACTIVE') ?? there[0];
        if (instance !== undefined) return instance.addresses;
      }
      return [];
    };
  }

  /** @param grip what is held already; without one it is tried for until it is had */
  start(id: DeploymentId, why: 'new' | 'resumed' | 'reopened', grip?: Grip): void {
    this.#start(id, why, grip);
  }

  #start(id: DeploymentId, why: 'new' | 'resumed' | 'reopened', grip?: Grip, since?: Job['since']): void {
    const { leases } = this.#deps;
    const record = this.#record(id);
    if (this.#closed || this.#jobs.has(id) || record === undefined) {
      if (grip !== undefined) this.#release(id, grip);
      return;
    }
    const job: Job = {
      tracker: new Tracker(record.state, this.#deps.clock),
      cancel: new AbortController(),
      grip: grip ?? leases.hold([record.source, record.target]),
      begun: why === 'new',
      since: since ?? { intent: record.intent, rivals: leases.rivals([record.source, record.target]) },
      run: null,
    };
    this.#jobs.set(id, job);
    if (why === 'resumed') {
      const after = since === undefined ? 'start' : 'lost lease';
      this.#then(id, { event: () => ({ type: 'resumed', after }) });
    }
    // A new deployment has touched nothing yet: nobody has to be looked for, and each node looks for itself.
    if (why === 'new') {
      this.#run(
        id,
        job,
        record.nodes.map((node) => ({ ...node, place: 'waiting', tries: 0, failure: null })),
      );
      return;
    }
    this.#launch(id, job, why === 'reopened').catch((error) => {
      if (!job.cancel.signal.aborted) this.#deps.onError(error, id);
    });
  }

  stop(id: DeploymentId): void {
    this.#jobs.get(id)?.run?.stop();
  }

  abort(id: DeploymentId): void {
    this.#jobs.get(id)?.run?.abort();
  }

  /** Waits until everything told so far is in the record. */
  async settled(): Promise<void> {
    await this.#tail;
  }

  async close(): Promise<void> {
    this.#closed = true;
    for (const job of this.#jobs.values()) {
      job.cancel.abort();
      job.run?.drop();
    }
    this.#jobs.clear();
    await this.#tail;
  }

  /** Another Ephyra may be at work there: as long as that is so, or not known, nothing is begun. */
  async #untilHeld(id: DeploymentId, job: Job): Promise<void> {
    const record = this.#record(id);
    if (record === undefined) return;
    let noted: string | null = null;
    let told: string | null = null;
    const say = ({ message, remedy }: LeaseTrouble) => {
      const reason = `${message}. ${remedy}`.trim();
      const note = `Waiting: ${reason}`;
      if (note === noted) return;
      noted = note;
      // A lease that is just being taken is no news, nor are the seconds that one is still waited out.
      const isNews = remedy !== '' && remedy !== told;
      if (isNews) told = remedy;
      this.#then(id, {
        record: (draft) => {
          draft.note = note;
        },
        ...(isNews ? { event: () => ({ type: 'gate', open: false, reason }) } : {}),
      });
    };
    await this.#deps.leases.mayWrite(record, job.cancel.signal, say);
    const isNews = told !== null;
    this.#then(id, {
      record: (draft) => {
        if (draft.note !== null && draft.note === noted) draft.note = null;
      },
      ...(isNews ? { event: () => ({ type: 'gate', open: true, reason: 'both control planes are held.' }) } : {}),
    });
  }

  /**
   * Another Ephyra may have been at work: what this one remembers of its nodes is worth nothing. As after a restart it goes
   * on from what is seen, once it holds both control planes again.
   */
  #startAnew(at: ControlPlaneName): void {
    for (const [id, job] of [...this.#jobs]) {
      if (!job.grip.controlPlanes.includes(at) || !job.begun) continue;
      job.cancel.abort();
      job.run?.drop();
      this.#jobs.delete(id);
      this.#release(id, job.grip);
      this.#start(id, 'resumed', undefined, job.since);
    }
  }

  #release(id: DeploymentId, grip: Grip): void {
    grip.release().catch((error) => this.#deps.onError(error, id));
  }

  async #launch(id: DeploymentId, job: Job, reopened: boolean): Promise<void> {
    const { survey, clock, config } = this.#deps;
    await this.#untilHeld(id, job);
    job.begun = true;
    for (;;) {
      const record = this.#record(id);
      if (record === undefined) return;
      const sighted = await sight(record, survey);
      if (sighted.ok) {
        job.cancel.signal.throwIfAborted();
        const items = itemsOf(this.#record(id) ?? record, sighted.seen, reopened);
        if (sighted.newcomers.length > 0 || this.#isOvertaken(id, job, items)) return this.#letGo(id, job);
        const now = clock.now();
        this.#then(id, {
          record: (draft) => {
            bringUpToDate(draft, items, now);
            if (draft.note?.startsWith(CANNOT_TELL) === true) draft.note = null;
          },
        });
        this.#run(id, job, items);
        return;
      }
      // Nothing is concluded from a cloud that does not answer.
      this.#then(id, {
        record: (draft) => {
          draft.note = `${CANNOT_TELL}${sighted.why}`;
        },
      });
      await clock.sleep(config.deployment.pollMs, job.cancel.signal);
    }
  }

  /**
   * Another Ephyra that was at work there may have been told to stop or to take everything back, and of that nothing can be
   * seen. What was told to this one since, or has nothing left to do, is no question.
   */
  #isOvertaken(id: DeploymentId, { since, grip }: Job, items: readonly Item[]): boolean {
    const record = this.#record(id);
    if (record === undefined || record.intent !== since.intent) return false;
    return (
      this.#deps.leases.rivals(grip.controlPlanes) > since.rivals &&
      !items.every((item) => isAtRest(item, record.intent))
    );
  }

  #letGo(id: DeploymentId, job: Job): void {
    this.#jobs.delete(id);
    this.#release(id, job.grip);
    this.#onOvertaken(id);
  }

  #run(id: DeploymentId, job: Job, items: ReturnType<typeof itemsOf>): void {
    const { config } = this.#deps;
    const record = this.#record(id);
    if (record === undefined) return;
    const { tracker } = job;
    const listener: RunListener = {
      migration: (report) => this.#then(id, tracker.migration(report)),
      node: (report) => this.#then(id, tracker.node(report)),
      waiting: (uuid, reason) => this.#then(id, tracker.waiting(uuid, reason)),
      awaited: (uuid) => tracker.live.get(uuid)?.waiting?.reason ?? null,
      ended: (output) => this.#end(id, output),
      broken: (error) => {
        this.#deps.onError(error, id);
        this.#end(id, { state: 'stuck', note: 'Ephyra itself failed; see its log. The nodes are where they were.' });
      },
    };
    const windowOf: Record<string, number> = {};
    for (const role of config.roles) if (role.maxUnavailable !== null) windowOf[role.name] = role.maxUnavailable;
    const { canary, failureBudget, nodeAttempts, failureDomain } = config.deployment;
    const windowPerFailureDomain = failureDomain.maxUnavailable;
    job.run = startRun({
      record,
      items,
      options: { canary, failureBudget, nodeAttempts, windowOf, windowPerFailureDomain },
      ports: (told) => this.#deps.ports(record, told),
      listener,
      clock: this.#deps.clock,
    });
  }

  #end(id: DeploymentId, output: MigrationOutput): void {
    const goingBack = this.#jobs.get(id)?.tracker.state === 'rolling_back';
    const { state, note } = output;
    let from = this.#record(id)?.state ?? state;
    let to: DeploymentState = state;
    const over: Consequence = {
      record: (draft) => {
        from = draft.state;
        // An abort of the last instant, when there was no machine left to hear it.
        const unheard = draft.intent === 'abort' && !goingBack;
        to = unheard ? 'rolling_back' : state;
        draft.state = to;
        draft.note = unheard ? null : note;
        if (unheard) return;
        draft.endedAt = this.#deps.clock.now();
        draft.endedBy = draft.intentBy;
      },
      event: () => ({ type: 'state', from, to }),
    };
    this.#then(id, over, 'at any rate');
    this.#tail = this.#tail.then(() => {
      const grip = this.#jobs.get(id)?.grip;
      this.#jobs.delete(id);
      if (to === 'rolling_back') this.start(id, 'reopened', grip);
      else if (grip !== undefined) this.#release(id, grip);
    });
  }

  /**
   * Puts a consequence into the record, then tells it. A store that cannot be written stops no migration: what it did not
   * take it is offered again with the next consequence, and the end of a deployment until it takes it.
   */
  #then(id: DeploymentId, consequence: Consequence, how: 'once' | 'at any rate' = 'once'): void {
    const { record } = consequence;
    if (record === undefined) {
      if (consequence.event !== undefined) this.#tail = this.#tail.then(() => this.#tell(id, consequence));
      return;
    }
    this.#tail = this.#tail.then(async () => {
      this.#owed.set(id, [...(this.#owed.get(id) ?? []), record]);
      while (!(await this.#write(id)) && how === 'at any rate' && !this.#closed) await this.#pause(id);
      this.#tell(id, consequence);
    });
  }

  /** Writes what the record has yet to hear; false when it is still owed. */
  async #write(id: DeploymentId): Promise<boolean> {
    const owed = this.#owed.get(id) ?? [];
    try {
      await this.#deps.store.update((draft) => {
        const found = draft.deployments.find((other) => other.id === id);
        if (found !== undefined) for (const record of owed) record(found);
      });
      this.#owed.delete(id);
      return true;
    } catch (error) {
      if (!this.#closed) this.#deps.onError(error, id);
      // What cannot be right is not offered again; all that is right is when the disk takes it.
      if (!(error instanceof StoreError && error.code === 'invalid')) return false;
      this.#owed.set(id, owed.slice(0, -1));
      return true;
    }
  }

  async #pause(id: DeploymentId): Promise<void> {
    const { clock, config } = this.#deps;
    await clock.sleep(config.deployment.pollMs, this.#jobs.get(id)?.cancel.signal).catch(() => undefined);
  }

  #tell(id: DeploymentId, consequence: Consequence): void {
    const { event } = consequence;
    if (event !== undefined) this.#listener(id, event());
  }

  #record(id: DeploymentId): DeepReadonly<StoredDeployment> | undefined {
    return this.#deps.store.read().deployments.find((record) => record.id === id);
  }
}
