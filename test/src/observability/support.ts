import type {
  Change,
  DeploymentEvent,
  DeploymentView,
  LockView,
  NodePlace,
  NodeView,
} from '../../../src/deployments/types.ts';
import type { Observed } from '../../../src/observability/index.ts';

export const JANE = { via: 'slack', id: 'U0000000001', display: 'Jane' } as const;

export function node(uuid: string, place: NodePlace): NodeView {
  return {
    uuid,
    name: `name-${uuid}`,
    role: 'worker',
    place,
    step: null,
    attempt: 1,
    waiting: null,
    startedAt: null,
    endedAt: null,
    failure: null,
    addresses: [],
  };
}

export function view(change: Partial<DeploymentView> = {}): DeploymentView {
  return {
    id: 'd-1',
    source: 'cp1',
    target: 'cp2',
    state: 'rolling',
    requestedBy: JANE,
    requestedAt: 1,
    digest: 'abc',
    maxUnavailable: 1,
    approval: null,
    approvalExpiresAt: null,
    startedAt: null,
    endedAt: null,
    endedBy: null,
    note: null,
    nodes: [node('u-1', 'moving'), node('u-2', 'waiting')],
    excluded: [],
    etaMs: null,
    thread: null,
    ...change,
  };
}

export const LOCK: LockView = { id: 'l-1', scope: 'cp1', owner: JANE, reason: 'firmware', since: 1, expiresAt: null };

/** The one door, as far as it is looked through: what it shows can be set, and changes can be told. */
export class Door implements Observed {
  shown: DeploymentView[] = [];
  lockViews: LockView[] = [];
  readonly #listeners = new Set<(change: Change) => void>();

  onChange(listener: (change: Change) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  list(): DeploymentView[] {
    return this.shown;
  }

  locks(): LockView[] {
    return this.lockViews;
  }

  tell(event: DeploymentEvent, deployment: DeploymentView = view()): void {
    this.say({ kind: 'deployment', at: 1, deployment, event });
  }

  say(change: Change): void {
    for (const listener of this.#listeners) listener(change);
  }
}
