import type { ControlPlaneName, DeploymentId } from '../../machines/domain.ts';
import type { Config } from '../config/types.ts';
import type { Clock } from '../openstack/clock.ts';
import { isEnded } from '../store/state.ts';
import type { DeepReadonly, Store, StoredDeployment, StoreState } from '../store/types.ts';
import type { Crew } from './crew.ts';
import { anythingOver, endWhatIsOver } from './expiry.ts';
import { gripOn, underLease } from './leases/grip.ts';
import type { Grip, Leases } from './leases/leases.ts';
import { addLock, holding, lockView, refuseReason, removeLock } from './locks.ts';
import type { PlanResult } from './plan.ts';
import type { Recovery } from './recovery.ts';
import type { RefusedAnswer } from './refusals.ts';
import { claimed, granted, planFailed, Refused, refusalOf, refused } from './refusals.ts';
import {
  changed,
  newRecord,
  refuseAbort,
  refuseApproval,
  refuseBusyBut,
  refuseLocked,
  refuseRequest,
  refuseScope,
  refuseStart,
  refuseStop,
  withdraw,
} from './rules.ts';
import type {
  Actor,
  Answer,
  ApprovalRequest,
  Change,
  DecisionRequest,
  DeploymentEvent,
  Deployments,
  DeploymentView,
  DeployRequest,
  LockRequest,
  LockView,
  PlanView,
  ShownRequest,
  Thread,
  UnlockRequest,
} from './types.ts';
import { viewOf } from './view.ts';

export interface ServiceDeps {
  readonly config: Pick<Config, 'controlPlanes' | 'deployment'>;
  readonly store: Store;
  readonly clock: Pick<Clock, 'now'>;
  /** Short random text, e.g. `k3f9`; makes ids unique over lost stores. */
  readonly nonce: () => string;
  readonly plan: (request: DeployRequest) => Promise<PlanResult>;
  /** Carries deployments out. */
  readonly crew: Crew;
  /** What keeps other Ephyras off the same clouds. */
  readonly leases: Pick<Leases, 'take'>;
  /** Looks for marks after a start, before anything goes on. */
  readonly recovery: Recovery;
  /** A listener that throws is our bug, never a reason to stop. */
  readonly onListenerError: (error: unknown) => void;
}

export const SYSTEM: Actor = { via: 'system', id: 'ephyra', display: 'Ephyra' };
/** A plan as old as that is made again before it is approved: the world may have moved on. */
const PLAN_KEEPS_MS = 15 * 60_000;

/** The one door. Rules are here; carrying out is the crew's, presenting the faces'. */
export class DeploymentService implements Deployments {
  readonly #deps: ServiceDeps;
  readonly #listeners = new Set<(change: Change) => void>();
  #closing = false;

  constructor(deps: ServiceDeps) {
    this.#deps = deps;
    deps.crew.onEvent((id, event) => this.#tell(id, event));
    deps.crew.onOvertaken((id) => deps.recovery.ask(id));
  }

  controlPlanes(): ControlPlaneName[] {
    return this.#deps.config.controlPlanes.map(({ name }) => name);
  }

  // --- asking -----------------------------------------------------------------------------------------------------------

  async plan(request: DeployRequest): Promise<Answer<PlanView>> {
    const refusal = this.#refuseRequest(request);
    if (refusal !== null) return refusal;
    const { plan, problems } = await this.#deps.plan(request);
    if (plan === null || problems.length > 0) return planFailed(request, problems);
    return granted(plan);
  }

  list(): DeploymentView[] {
    return [...this.#state().deployments].reverse().map((record) => this.#view(record));
  }

  get(id?: DeploymentId): DeploymentView | undefined {
    const record = this.#find(id);
    return record === undefined ? undefined : this.#view(record);
  }

  locks(): LockView[] {
    return holding(this.#state().locks, this.#now()).map(lockView);
  }

  // --- starting ---------------------------------------------------------------------------------------------------------

  async deploy(request: DeployRequest): Promise<Answer<DeploymentView>> {
    const refusal = this.#refuseRequest(request);
    if (refusal !== null) return refusal;
    const earlier = this.#byKey(request.idempotencyKey);
    if (earlier !== undefined) return granted(this.#view(earlier));
    // Cheap refusals first: nobody waits for a preflight to hear that there is a lock.
    const early = refusalOf(() => refuseStart(this.#state(), request, this.#now()));
    if (early !== null) return early;
    const { plan, problems } = await this.#deps.plan(request);
    if (plan === null || problems.length > 0) return planFailed(request, problems);
    const unseen = await this.#unseen(request);
    if (unseen !== null) return unseen;

    const needsApproval = this.#deps.config.deployment.approval.required;
    const held = needsApproval ? null : await gripOn(this.#deps.leases, request);
    if (held?.ok === false) return held;
    const recorded = await underLease(held?.value, () =>
      this.#deps.store.update((draft) => {
        const twin = this.#byKey(request.idempotencyKey, draft);
        if (twin !== undefined) return { id: twin.id, fresh: false };
        refuseStart(draft, request, this.#now());
        const record = this.#newRecord(request, plan, draft);
        draft.epoch = record.epoch;
        draft.deployments.push(record);
        return { id: record.id, fresh: true };
      }),
    );
    if (!recorded.ok) return recorded;
    const { id, fresh } = recorded.value;
    if (fresh) this.#tell(id, { type: 'requested' });
    if (fresh && held !== null) this.#deps.crew.start(id, 'new', held.value);
    else await held?.value.release();
    return this.#answer(id);
  }

  async approve(request: ApprovalRequest): Promise<Answer<DeploymentView>> {
    const record = this.#find(request.id);
    if (record === undefined) return this.#noDeployment();
    const unseen = await this.#unseen(record);
    if (unseen !== null) return unseen;
    const stale = this.#now() - record.requestedAt > PLAN_KEEPS_MS;
    if (record.state === 'awaiting_approval' && stale) {
      const changed = await this.#replan(record);
      if (changed !== null) return changed;
    }
    const check = (state: DeepReadonly<StoreState>) => {
      const found = state.deployments.find(({ id }) => id === record.id);
      if (found === undefined) throw this.#gone(record.id);
      if (found.state !== record.state) throw changed(found);
      refuseApproval(found, request, this.#deps.config.deployment, this.#now());
      refuseLocked(state, found, this.#now());
      refuseBusyBut(state, found);
    };
    const early = refusalOf(() => check(this.#state()));
    if (early !== null) return early;
    const held = await gripOn(this.#deps.leases, record);
    if (!held.ok) return held;
    const approved = await underLease(held.value, () =>
      this.#deps.store.update((draft) => {
        check(draft);
        const found = this.#must(draft, record.id);
        found.approval = { by: request.by, at: this.#now() };
        found.startedAt ??= this.#now();
        if (found.state === 'awaiting_approval') {
          found.state = this.#deps.config.deployment.canary > 0 ? 'canary' : 'rolling';
          return 'new';
        }
        found.state = 'rolling';
        found.note = null;
        return 'reopened';
      }),
    );
    if (!approved.ok) return approved;
    this.#tell(record.id, { type: 'approved', by: request.by });
    this.#deps.crew.start(record.id, approved.value, held.value);
    return this.#answer(record.id);
  }

  // --- ending -----------------------------------------------------------------------------------------------------------

  async stop(request: DecisionRequest): Promise<Answer<DeploymentView>> {
    const record = this.#find(request.id);
    if (record === undefined) return this.#noDeployment();
    const unseen = this.#deps.recovery.isInQuestion(record.id) ? await this.#unseen(record) : null;
    if (unseen !== null) return unseen;
    const stopped = await claimed(
      this.#deps.store.update((draft) => {
        const found = this.#must(draft, record.id);
        refuseStop(found);
        found.intent = 'stop';
        found.intentBy = request.by;
        return withdraw(found, request.by, this.#now());
      }),
    );
    if (!stopped.ok) return stopped;
    this.#tell(record.id, { type: 'stop_requested', by: request.by });
    if (stopped.value === 'running') this.#deps.crew.stop(record.id);
    return this.#answer(record.id);
  }

  async abort(request: ShownRequest): Promise<Answer<DeploymentView>> {
    const record = this.#find(request.id);
    if (record === undefined) return this.#noDeployment();
    const isOpen = isEnded(record) || this.#deps.recovery.isInQuestion(record.id);
    const unseen = isOpen ? await this.#unseen(record) : null;
    if (unseen !== null) return unseen;
    /** Whether it begins anew: nobody is at work on it. */
    const check = (state: DeepReadonly<StoreState>): boolean => {
      const found = this.#must(state, record.id);
      // What was asked to be withdrawn is not what is half-way now.
      if (found.state === 'found' && record.state !== 'found') throw changed(found);
      return refuseAbort(state, found, request, this.#now());
    };
    let held: Answer<Grip> | null = null;
    if (isEnded(record) || record.state === 'found') {
      const early = refusalOf(() => check(this.#state()));
      if (early !== null) return early;
      held = await gripOn(this.#deps.leases, record);
      if (!held.ok) return held;
    }
    const aborted = await underLease(held?.value, () =>
      this.#deps.store.update((draft) => {
        const anew = check(draft);
        const found = this.#must(draft, record.id);
        found.intent = 'abort';
        found.intentBy = request.by;
        if (!anew) return withdraw(found, request.by, this.#now());
        found.startedAt ??= this.#now();
        found.state = 'rolling_back';
        found.endedAt = null;
        found.endedBy = null;
        found.note = null;
        return 'reopened';
      }),
    );
    if (!aborted.ok) return aborted;
    this.#tell(record.id, { type: 'abort_requested', by: request.by });
    if (aborted.value === 'running') this.#deps.crew.abort(record.id);
    if (aborted.value === 'reopened') this.#deps.crew.start(record.id, 'reopened', held?.value);
    else await held?.value.release();
    return this.#answer(record.id);
  }

  // --- locks --------------------------------------------------------------------------------------------------------------

  async lock(request: LockRequest): Promise<Answer<LockView>> {
    const bad = refuseScope(request.scope, this.controlPlanes()) ?? refuseReason(request);
    if (bad !== null) return bad;
    const now = this.#now();
    const id = `lock-${this.#deps.nonce()}`;
    const locked = await claimed(this.#deps.store.update((draft) => addLock(draft, request, id, now)));
    if (locked.ok) this.#emit({ kind: 'lock', at: now, lock: locked.value, event: 'locked', by: request.by });
    return locked;
  }

  async unlock(request: UnlockRequest): Promise<Answer<LockView>> {
    const bad = refuseScope(request.scope, this.controlPlanes());
    if (bad !== null) return bad;
    const now = this.#now();
    const unlocked = await claimed(this.#deps.store.update((draft) => removeLock(draft, request, now)));
    if (unlocked.ok) this.#emit({ kind: 'lock', at: now, lock: unlocked.value, event: 'unlocked', by: request.by });
    return unlocked;
  }

  // --- living -------------------------------------------------------------------------------------------------------------

  onChange(listener: (change: Change) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async rememberThread(id: DeploymentId, thread: Thread): Promise<void> {
    await this.#deps.store.update((draft) => {
      const record = draft.deployments.find((other) => other.id === id);
      if (record !== undefined) record.thread = { ...thread };
    });
  }

  /**
   * Goes on with what was under way when the process ended, once the marks have been looked at; asks about what the store
   * does not know.
   */
  resume(): void {
    const notice = (message: string, remedy: string) =>
      this.#emit({ kind: 'notice', at: this.#now(), message, remedy });
    this.#deps.recovery.begin({
      goOn: (id) => this.#deps.crew.start(id, 'resumed'),
      found: (id) => this.#tell(id, { type: 'found' }),
      odd: ({ at, name, why, remedy }) => notice(`The mark on ${name} in ${at} is not understood: ${why}.`, remedy),
      unanswered: ([one, other], why) =>
        notice(
          `After its start Ephyra cannot see what is under way between ${one} and ${other}: ${why}`,
          'It asks again until both have answered; nothing between them goes on before.',
        ),
    });
  }

  /** Ends approvals and locks whose time has come; to be called every few seconds. */
  async sweep(): Promise<void> {
    const now = this.#now();
    if (!anythingOver(this.#state(), now)) return;
    // Only what this very update ends is told: an approval or an unlock may have come before it.
    const { expired, overdue } = await this.#deps.store.update((draft) => endWhatIsOver(draft, now));
    for (const lock of expired) this.#emit({ kind: 'lock', at: now, lock, event: 'expired', by: SYSTEM });
    for (const id of overdue) this.#tell(id, { type: 'expired' });
  }

  /** Takes no more requests and lets go of what is under way; the next start finds it again. */
  async close(): Promise<void> {
    this.#closing = true;
    this.#deps.recovery.close();
    await this.#deps.crew.close();
  }

  // --- inside ---------------------------------------------------------------------------------------------------------------

  #now(): number {
    return this.#deps.clock.now();
  }
  #state(): DeepReadonly<StoreState> {
    return this.#deps.store.read();
  }
  #view(record: DeepReadonly<StoredDeployment>): DeploymentView {
    const { crew } = this.#deps;
    return viewOf(record, crew.live(record.id), crew.addressesOf(record));
  }

  #find(id: DeploymentId | undefined): DeepReadonly<StoredDeployment> | undefined {
    const { deployments } = this.#state();
    if (id !== undefined) return deployments.find((record) => record.id === id);
    return deployments.findLast((record) => !isEnded(record)) ?? deployments.at(-1);
  }

  #byKey(key: string | undefined, state: DeepReadonly<StoreState> = this.#state()) {
    if (key === undefined) return undefined;
    return state.deployments.find((record) => record.idempotencyKeys.includes(key));
  }

  #must<S extends DeepReadonly<StoreState>>(state: S, id: DeploymentId): S['deployments'][number] {
    const found = state.deployments.find((record) => record.id === id);
    if (found === undefined) throw this.#gone(id);
    return found;
  }

  #gone(id: DeploymentId): Refused {
    return new Refused('no_deployment', `There is no deployment ${id} any more.`, 'See them: /ephyra list');
  }

  /** Null when the marks have been looked at since the start; else the refusal: something may be under way unknown. */
  async #unseen({ source, target }: { source: ControlPlaneName; target: ControlPlaneName }) {
    const why = await this.#deps.recovery.looked(source, target);
    if (why === null) return null;
    return refused(
      'busy',
      `Since its start Ephyra has not seen whether nodes are under way between ${source} and ${target}: ${why}`,
      'It asks every few seconds. Repair what does not answer, then try again.',
    );
  }

  #answer(id: DeploymentId): Answer<DeploymentView> {
    const view = this.get(id);
    return view === undefined ? this.#noDeployment() : granted(view);
  }

  #noDeployment(): RefusedAnswer {
    const [source, target] = this.controlPlanes();
    return refused(
      'no_deployment',
      'There is no such deployment.',
      `See them: /ephyra list, or start one: /ephyra deploy ${source}→${target}`,
    );
  }

  #refuseRequest(request: DeployRequest): RefusedAnswer | null {
    if (this.#closing) {
      return refused('shutting_down', 'Ephyra is shutting down.', 'Try again when it is up: /ephyra status');
    }
    return refuseRequest(request, this.controlPlanes());
  }

  #newRecord(request: DeployRequest, plan: PlanView, state: StoreState): StoredDeployment {
    return newRecord(request, plan, {
      config: this.#deps.config.deployment,
      now: this.#now(),
      nonce: this.#deps.nonce(),
      lastEpoch: state.epoch,
    });
  }

  /** Makes an old plan again; null when it still holds, else the refusal. */
  async #replan(record: DeepReadonly<StoredDeployment>): Promise<Answer<DeploymentView> | null> {
    const request: DeployRequest = {
      source: record.source,
      target: record.target,
      by: record.requestedBy,
      options: {
        maxUnavailable: record.options.maxUnavailable,
        ...(record.options.nodes === null ? {} : { nodes: [...record.options.nodes] }),
      },
    };
    const { plan, problems } = await this.#deps.plan(request);
    if (problems.length > 0) return planFailed(request, problems);
    if (plan !== null && plan.digest === record.digest) return null;
    return refused(
      'digest_changed',
      `The world has changed since ${record.id} was planned: a plan made now is another one.`,
      `End it with /ephyra stop and make a new plan: /ephyra deploy ${record.source}→${record.target}`,
    );
  }

  #tell(id: DeploymentId, event: DeploymentEvent): void {
    const deployment = this.get(id);
    if (deployment !== undefined) this.#emit({ kind: 'deployment', at: this.#now(), deployment, event });
  }

  #emit(change: Change): void {
    for (const listener of this.#listeners) {
      try {
        listener(change);
      } catch (error) {
        this.#deps.onListenerError(error);
      }
    }
  }
}
