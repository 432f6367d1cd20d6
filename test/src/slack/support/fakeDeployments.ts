import type { Step } from '../../../../machines/domain.ts';
import type { FailureData } from '../../../../machines/errors.ts';
import type {
  Actor,
  Answer,
  ApprovalRequest,
  Change,
  DecisionRequest,
  DeploymentEvent,
  DeploymentState,
  Deployments,
  DeploymentView,
  DeployRequest,
  LockView,
  NodePlace,
  NodeView,
  PlannedNode,
  PlanProblem,
  PlanView,
  Refusal,
  RefusalCode,
  ShownRequest,
  Thread,
} from '../../../../src/deployments/types.ts';
import { FINAL_STATES } from '../../../../src/deployments/types.ts';

const SYSTEM: Actor = { via: 'system', id: 'ephyra', display: 'Ephyra' };

type Mutable<T> = { -readonly [K in keyof T]: T[K] };
type MutableView = Mutable<Omit<DeploymentView, 'nodes'>> & { nodes: Mutable<NodeView>[] };

/**
 * The door as it is agreed in src/deployments/types.ts, in memory: it decides like the real one (one deployment at a
 * time, nobody approves their own, digests, locks), but moves nodes only when a test says so.
 */
export class FakeDeployments implements Deployments {
  readonly asked: string[] = [];
  readonly remembered: { id: string; thread: Thread }[] = [];
  /** Findings that the next plan comes back with. */
  problems: PlanProblem[] = [];
  /** Run before each answer, to make it slow or make it fail. */
  before: () => Promise<void> = async () => {};
  failRemembering = false;
  allowSelf = false;
  readonly #now: () => number;
  readonly #nodes: PlannedNode[];
  readonly #listeners = new Set<(change: Change) => void>();
  readonly #byKey = new Map<string, string>();
  #views: MutableView[] = [];
  #locks: LockView[] = [];
  #serial = 0;

  constructor(options: { now: () => number; nodes?: number; names?: (i: number) => string }) {
    this.#now = options.now;
    const name = options.names ?? ((i: number) => `worker-${String(i + 1).padStart(2, '0')}`);
    this.#nodes = Array.from({ length: options.nodes ?? 12 }, (_, i) => ({
      uuid: `00000000-0000-4000-8000-${String(i).padStart(12, '0')}`,
      name: name(i),
      role: 'hadoop-worker',
      failureDomain: null,
      instanceId: null,
    }));
  }

  controlPlanes(): string[] {
    return ['cp1', 'cp2'];
  }

  onChange(listener: (change: Change) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async rememberThread(id: string, thread: Thread): Promise<void> {
    if (this.failRemembering) throw new Error('the store is read-only');
    this.remembered.push({ id, thread });
    this.#view(id).thread = thread;
  }

  list(): DeploymentView[] {
    return [...this.#views].reverse().map((view) => structuredClone(view));
  }

  get(id?: string): DeploymentView | undefined {
    const view = id === undefined ? (this.#current() ?? this.#views.at(-1)) : this.#views.find((one) => one.id === id);
    return view === undefined ? undefined : structuredClone(view);
  }

  async plan(request: DeployRequest): Promise<Answer<PlanView>> {
    this.asked.push(`plan ${request.source} ${request.target}`);
    await this.before();
    const refusal = this.#refused(request);
    if (refusal !== undefined) return { ok: false, refusal };
    return {
      ok: true,
      value: { ...request, nodes: this.#nodes, excluded: [], digest: 'a1b2c3d4e5f60718', maxUnavailable: 2 },
    };
  }

  async deploy(request: DeployRequest): Promise<Answer<DeploymentView>> {
    this.asked.push(`deploy ${request.source} ${request.target} ${JSON.stringify(request.options ?? {})}`);
    await this.before();
    const known = request.idempotencyKey === undefined ? undefined : this.#byKey.get(request.idempotencyKey);
    if (known !== undefined) return { ok: true, value: structuredClone(this.#view(known)) };
    const refusal = this.#refused(request);
    if (refusal !== undefined) return { ok: false, refusal };
    this.#serial += 1;
    const view: MutableView = {
      id: `d-20261122-${this.#serial}`,
      source: request.source,
      target: request.target,
      state: 'awaiting_approval',
      requestedBy: request.by,
      requestedAt: this.#now(),
      digest: `digest-${this.#serial}-0123456789abcdef`,
      maxUnavailable: request.options?.maxUnavailable ?? 2,
      approval: null,
      approvalExpiresAt: this.#now() + 4 * 3_600_000,
      startedAt: null,
      endedAt: null,
      endedBy: null,
      note: null,
      nodes: this.#nodes.map((node) => ({
        ...node,
        place: 'waiting',
        step: null,
        attempt: 1,
        waiting: null,
        startedAt: null,
        endedAt: null,
        failure: null,
        addresses: [],
      })),
      excluded: [],
      etaMs: null,
      thread: null,
    };
    this.#views.push(view);
    if (request.idempotencyKey !== undefined) this.#byKey.set(request.idempotencyKey, view.id);
    this.emit(view.id, { type: 'requested' });
    return { ok: true, value: structuredClone(view) };
  }

  async approve(request: ApprovalRequest): Promise<Answer<DeploymentView>> {
    this.asked.push(`approve ${request.by.id}${seen(request)}`);
    await this.before();
    const view = this.#meant(request);
    if (view === undefined) return refuse('no_deployment', 'There is no deployment.', 'Start one.');
    if (view.state !== 'awaiting_approval') {
      return refuse('wrong_state', `${view.id} is ${view.state}, it does not wait for approval.`, 'Nothing to do.');
    }
    if (request.digest !== undefined && request.digest !== view.digest) {
      return refuse('digest_changed', 'The plan has changed.', 'Look at the new plan.');
    }
    if (request.by.id === view.requestedBy.id && !this.allowSelf) {
      return refuse('self_approval', 'You asked for this deployment yourself.', 'Somebody else has to approve it.');
    }
    view.approval = { by: request.by, at: this.#now() };
    view.startedAt = this.#now();
    this.emit(view.id, { type: 'approved', by: request.by });
    this.turn('canary', view.id);
    return { ok: true, value: structuredClone(view) };
  }

  async stop(request: DecisionRequest): Promise<Answer<DeploymentView>> {
    this.asked.push(`stop ${request.by.id}`);
    await this.before();
    const view = this.#meant(request);
    if (view === undefined || FINAL_STATES.includes(view.state))
      return refuse('no_deployment', 'Nothing is under way.', 'Nothing to stop.');
    this.emit(view.id, { type: 'stop_requested', by: request.by });
    this.turn('stopping', view.id);
    return { ok: true, value: structuredClone(view) };
  }

  async abort(request: ShownRequest): Promise<Answer<DeploymentView>> {
    this.asked.push(`abort ${request.by.id}${seen(request)}`);
    await this.before();
    const view = this.#meant(request);
    if (view === undefined || FINAL_STATES.includes(view.state))
      return refuse('no_deployment', 'Nothing is under way.', 'Nothing to abort.');
    this.emit(view.id, { type: 'abort_requested', by: request.by });
    this.turn(view.startedAt === null ? 'stopped' : 'rolling_back', view.id);
    return { ok: true, value: structuredClone(view) };
  }

  async lock(request: Parameters<Deployments['lock']>[0]): Promise<Answer<LockView>> {
    this.asked.push(`lock ${request.scope} ${request.reason}`);
    if (this.#locks.some((one) => one.scope === request.scope))
      return refuse('already_locked', `${request.scope} is locked already.`, 'Unlock it first.');
    this.#serial += 1;
    const lock: LockView = {
      id: `l-${this.#serial}`,
      scope: request.scope,
      owner: request.by,
      reason: request.reason,
      since: this.#now(),
      expiresAt: request.forMs === undefined ? null : this.#now() + request.forMs,
    };
    this.#locks.push(lock);
    this.#tell({ kind: 'lock', at: this.#now(), lock, event: 'locked', by: request.by });
    return { ok: true, value: lock };
  }

  async unlock(request: Parameters<Deployments['unlock']>[0]): Promise<Answer<LockView>> {
    this.asked.push(`unlock ${request.scope} ${request.steal === true}`);
    const lock = this.#locks.find((one) => one.scope === request.scope);
    if (lock === undefined) return refuse('not_locked', `${request.scope} is not locked.`, 'Nothing to do.');
    if (lock.owner.id !== request.by.id && request.steal !== true) {
      return refuse('lock_held_by_other', `The lock is ${lock.owner.display}'s.`, 'Add --steal to take it.');
    }
    this.#locks = this.#locks.filter((one) => one !== lock);
    this.#tell({ kind: 'lock', at: this.#now(), lock, event: 'unlocked', by: request.by });
    return { ok: true, value: lock };
  }

  locks(): LockView[] {
    return [...this.#locks];
  }

  // --- what a test makes happen ---------------------------------------------------------------------------------

  change(id: string, edit: (view: MutableView) => void): void {
    edit(this.#view(id));
  }

  emit(id: string, event: DeploymentEvent): void {
    this.#tell({ kind: 'deployment', at: this.#now(), deployment: structuredClone(this.#view(id)), event });
  }

  turn(to: DeploymentState, id = this.#newest().id): void {
    const view = this.#view(id);
    const from = view.state;
    view.state = to;
    if (FINAL_STATES.includes(to)) view.endedAt = this.#now();
    this.emit(id, { type: 'state', from, to });
  }

  startNode(index: number, direction: 'forward' | 'back' = 'forward'): void {
    const node = this.#node(index);
    node.place = direction === 'forward' ? 'moving' : 'going_back';
    node.startedAt = this.#now();
    this.emit(this.#newest().id, { type: 'node_started', uuid: node.uuid, direction });
  }

  step(index: number, step: Step, waiting?: string): void {
    const node = this.#node(index);
    const id = this.#newest().id;
    node.step = step;
    node.waiting = waiting === undefined ? null : { reason: waiting, since: this.#now() };
    this.emit(id, { type: 'step_started', uuid: node.uuid, step, attempt: 1 });
    if (waiting !== undefined) this.emit(id, { type: 'waiting', uuid: node.uuid, reason: waiting });
  }

  failStep(index: number, failure: FailureData): void {
    const node = this.#node(index);
    node.failure = failure;
    const step = node.step ?? 'boot';
    this.emit(this.#newest().id, {
      type: 'step_failed',
      uuid: node.uuid,
      step,
      failure,
      willRetry: failure.next === 'retry',
    });
  }

  settle(index: number, place: NodePlace, addresses: string[] = []): void {
    const node = this.#node(index);
    node.place = place;
    node.waiting = null;
    node.endedAt = this.#now();
    node.addresses = addresses;
    const durationMs = node.endedAt - (node.startedAt ?? node.endedAt);
    this.emit(this.#newest().id, { type: 'node_settled', uuid: node.uuid, place, durationMs });
  }

  #tell(change: Change): void {
    for (const listener of this.#listeners) listener(change);
  }

  #refused(request: DeployRequest): Refusal | undefined {
    if (this.problems.length > 0) {
      return {
        code: 'plan_failed',
        message: 'The plan does not pass.',
        remedy: 'Mend this, then ask again.',
        problems: this.problems,
      };
    }
    const lock = this.#locks.find((one) => [request.source, request.target, 'all'].includes(one.scope));
    if (lock !== undefined) return refusal('locked', `${lock.scope} is locked: ${lock.reason}`, 'Wait, or unlock it.');
    const current = this.#current();
    if (current !== undefined) return refusal('busy', `${current.id} is under way.`, 'Wait for its end.');
    return undefined;
  }

  #current(): MutableView | undefined {
    return this.#views.find((view) => !FINAL_STATES.includes(view.state));
  }

  #meant(request: DecisionRequest): MutableView | undefined {
    return request.id === undefined
      ? (this.#current() ?? this.#views.at(-1))
      : this.#views.find((one) => one.id === request.id);
  }

  #newest(): MutableView {
    return this.#view(this.#views.at(-1)?.id ?? '');
  }

  #node(index: number): Mutable<NodeView> {
    const node = this.#newest().nodes[index];
    if (node === undefined) throw new Error(`no node ${index}`);
    return node;
  }

  #view(id: string): MutableView {
    const view = this.#views.find((one) => one.id === id);
    if (view === undefined) throw new Error(`no deployment ${id}`);
    return view;
  }
}

export function person(id: string): Actor {
  return { via: 'slack', id, display: id.toLowerCase() };
}

export { SYSTEM };

const seen = ({ shown }: ShownRequest): string => (shown === undefined ? '' : ` who saw it ${shown}`);

function refusal(code: RefusalCode, message: string, remedy: string): Refusal {
  return { code, message, remedy, problems: [] };
}

function refuse(code: RefusalCode, message: string, remedy: string): { ok: false; refusal: Refusal } {
  return { ok: false, refusal: refusal(code, message, remedy) };
}
