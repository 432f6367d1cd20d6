import type { ControlPlaneName } from '../../machines/domain.ts';
import { failuresOf } from '../../machines/migration/items.ts';
import type { DeploymentConfig } from '../config/types.ts';
import { isEnded } from '../store/state.ts';
import type { DeepReadonly, StoredDeployment, StoredResult, StoreState } from '../store/types.ts';
import { lockOn, scopeName, scopeWord } from './locks.ts';
import type { RefusedAnswer } from './refusals.ts';
import { Refused, refused } from './refusals.ts';
import {
  type Actor,
  type ApprovalRequest,
  type DeploymentState,
  type DeployRequest,
  FINAL_STATES,
  type PlanView,
  type ShownRequest,
} from './types.ts';

/**
 * Who may start, approve and end what, and when not. Pure: they take the state and throw {@link Refused}, so that they
 * run inside the store update that makes the claim - check and claim are one (invariant 8).
 */
type State = DeepReadonly<StoreState>;
type Pair = { readonly source: ControlPlaneName; readonly target: ControlPlaneName };

/** What is wrong with a request whatever the state of the world. */
export function refuseRequest(request: DeployRequest, names: readonly ControlPlaneName[]): RefusedAnswer | null {
  for (const name of [request.source, request.target]) {
    if (!names.includes(name)) {
      const configured = `Configured are: ${names.join(', ')}.`;
      return refused('unknown_control_plane', `There is no control plane "${name}".`, configured);
    }
  }
  if (request.source === request.target) {
    const other = names.find((name) => name !== request.source) ?? 'cp2';
    return refused(
      'same_control_plane',
      `Source and target are both ${request.source}.`,
      `Name two: /ephyra deploy ${request.source}→${other}`,
    );
  }
  const max = request.options?.maxUnavailable;
  if (max !== undefined && (!Number.isInteger(max) || max < 1)) {
    return refused('bad_option', `maxUnavailable is ${max}.`, 'Give a whole number from 1 on.');
  }
  return null;
}

export function refuseScope(scope: string, names: readonly ControlPlaneName[]): RefusedAnswer | null {
  if (scope === 'all' || names.includes(scope)) return null;
  return refused(
    'unknown_control_plane',
    `There is no control plane "${scope}".`,
    `Configured are: ${names.join(', ')}; leave it out to mean all of them.`,
  );
}

export function refuseLocked(state: State, { source, target }: Pair, now: number): void {
  const lock = lockOn(state.locks, [source, target], now);
  if (lock === undefined) return;
  const until =
    lock.expiresAt === null
      ? ''
      : ` until ${new Date(lock.expiresAt).toISOString().slice(0, 16).replace('T', ' ')} UTC`;
  throw new Refused(
    'locked',
    `${scopeName(lock.scope)} is locked by ${lock.owner.display}${until}: ${lock.reason}`,
    `Wait, or ask ${lock.owner.display} to unlock it: /ephyra unlock${scopeWord(lock.scope)}`,
  );
}

/** Locks, and deployments that share a control plane with this one. */
export function refuseStart(state: State, pair: Pair, now: number): void {
  refuseLocked(state, pair, now);
  refuseBusy(state, pair, () => true);
}

/** What was recorded long ago starts only when nothing else has a claim on its control planes. */
export function refuseBusyBut(state: State, record: DeepReadonly<StoredDeployment>): void {
  // Of several that were found, none moves before it is decided about, so they do not keep each other from it.
  refuseBusy(
    state,
    record,
    (other) => other.id !== record.id && !(record.state === 'found' && other.state === 'found'),
  );
}

function refuseBusy(state: State, pair: Pair, counts: (record: DeepReadonly<StoredDeployment>) => boolean): void {
  const mine = [pair.source, pair.target];
  const busy = state.deployments.find(
    (record) => !isEnded(record) && (mine.includes(record.source) || mine.includes(record.target)) && counts(record),
  );
  if (busy === undefined) return;
  if (busy.state === 'found') {
    throw new Refused(
      'busy',
      `Nodes of ${busy.id} (${busy.source}→${busy.target}) are under way, and nobody has decided about them yet.`,
      waysOut(busy),
    );
  }
  throw new Refused(
    'busy',
    `Deployment ${busy.id} (${busy.source}→${busy.target}) is ${inWords(busy.state)}.`,
    'Wait for it, or end it: /ephyra stop or /ephyra abort',
  );
}

/** An ended deployment can be taken back only while nothing has been built upon it. */
export function refuseReopening(state: State, record: DeepReadonly<StoredDeployment>, now: number): void {
  refuseStart(state, record, now);
  const later = state.deployments.slice(state.deployments.findIndex(({ id }) => id === record.id) + 1);
  const newer = later.find((other) => other.startedAt !== null);
  if (newer === undefined) return;
  throw new Refused(
    'wrong_state',
    `${record.id} is not the last deployment; ${newer.id} came after it.`,
    `To bring the nodes back: /ephyra deploy ${record.target}→${record.source}`,
  );
}

export function refuseApproval(
  record: DeepReadonly<StoredDeployment>,
  request: ApprovalRequest,
  {
    approval: { allowSelf },
    failureBudget,
  }: Pick<DeploymentConfig, 'failureBudget'> & {
    readonly approval: Pick<DeploymentConfig['approval'], 'allowSelf'>;
  },
  now: number,
): void {
  if (record.state !== 'awaiting_approval' && record.state !== 'found') {
    throw new Refused(
      'wrong_state',
      `${record.id} is ${inWords(record.state)}${byWhom(record)}.`,
      'See it: /ephyra status',
    );
  }
  refuseOutdated(record, request);
  if (record.approvalExpiresAt !== null && record.approvalExpiresAt <= now) {
    throw new Refused(
      'approval_expired',
      `The plan of ${record.id} is too old to approve.`,
      `Make a new one: /ephyra deploy ${record.source}→${record.target}`,
    );
  }
  if (request.digest !== undefined && request.digest !== record.digest) {
    throw new Refused(
      'digest_changed',
      `What was approved is another plan than ${record.digest}.`,
      'Use the newest card, or /ephyra approve',
    );
  }
  if (!allowSelf && record.requestedBy.id === request.by.id) {
    throw new Refused(
      'self_approval',
      'Whoever asks for a deployment cannot approve it.',
      'Ask another approver to press Approve.',
    );
  }
  refuseOverBudget(record, failureBudget);
}

/** What is approved goes on: not what the first look would turn round. */
function refuseOverBudget(record: DeepReadonly<StoredDeployment>, failureBudget: number): void {
  // One that is stuck is tried again; the try of one that goes home for a failure has failed.
  const restsAt = ({ place, failure }: DeepReadonly<StoredResult>) =>
    place === 'stuck' ? 'moving' : place === 'going_back' && failure !== null ? 'back' : place;
  const triesOf = (result: DeepReadonly<StoredResult>) =>
    failuresOf({ place: restsAt(result), tries: result.attempts, failure: result.failure });
  const failures = record.results.reduce((sum, result) => sum + triesOf(result), 0);
  if (failures <= failureBudget) return;
  throw new Refused(
    'over_budget',
    `Moves of ${record.id} have failed ${failures} times, with a failure budget of ${failureBudget}: going on would bring everything back.`,
    `Bring it back: /ephyra abort ${record.id}; or raise deployment.failureBudget, restart Ephyra and approve again.`,
  );
}

function ended(record: DeepReadonly<StoredDeployment>, more: string): Refused {
  return new Refused('wrong_state', `${record.id} is ${inWords(record.state)}. ${more}`, 'See it: /ephyra status');
}

export function refuseStop(found: DeepReadonly<StoredDeployment>): void {
  if (isEnded(found)) throw ended(found, 'There is nothing to stop.');
  if (found.state === 'found') {
    throw new Refused('wrong_state', `${found.id} stands still already, with nodes half-way.`, waysOut(found));
  }
  if (found.intent === 'abort') {
    throw new Refused(
      'wrong_state',
      `${found.id} is being aborted; its nodes are on their way back.`,
      'Let it end: /ephyra status',
    );
  }
}

/** Returns whether the abort begins anew: nobody is at work on the deployment. */
export function refuseAbort(
  state: State,
  found: DeepReadonly<StoredDeployment>,
  request: ShownRequest,
  now: number,
): boolean {
  if (found.state === 'rolled_back' || found.state === 'expired' || (isEnded(found) && found.startedAt === null)) {
    throw ended(found, 'No node is anywhere but in its source.');
  }
  refuseOutdated(found, request);
  if (isEnded(found)) {
    refuseReopening(state, found, now);
    return true;
  }
  if (found.state !== 'found') return false;
  refuseLocked(state, found, now);
  refuseBusyBut(state, found);
  return true;
}

/** A card promised what would be done, and a press on it means that and nothing else, however late it comes. */
function refuseOutdated(found: DeepReadonly<StoredDeployment>, { shown }: ShownRequest): void {
  if (shown === undefined || standing(shown) === standing(found.state)) return;
  throw new Refused(
    'wrong_state',
    `The card is out of date: ${found.id} is ${inWords(found.state)} now${byWhom(found)}.`,
    found.state === 'found'
      ? waysOut(found)
      : `See it: /ephyra status; to take back all that it moves: /ephyra abort ${found.id}`,
  );
}

/** From one running state to the next, nothing changes in what a decision means. */
function standing(state: DeploymentState): string {
  if (state === 'awaiting_approval' || state === 'found') return state;
  return FINAL_STATES.includes(state) ? 'ended' : 'running';
}

/** Somebody decides on what is not there any more. */
export function changed(found: DeepReadonly<StoredDeployment>): Refused {
  return new Refused(
    'wrong_state',
    `${found.id} is not what it was a moment ago: ${found.note ?? inWords(found.state)}`,
    'Look at its card, then decide: /ephyra status',
  );
}

/** Ends a deployment that nobody has approved yet; a running one is left to the crew. */
export function withdraw(record: StoredDeployment, by: Actor, now: number): 'withdrawn' | 'running' {
  if (record.state !== 'awaiting_approval') return 'running';
  record.state = 'stopped';
  record.endedAt = now;
  record.endedBy = by;
  record.note = 'Withdrawn before it started.';
  return 'withdrawn';
}

/** The record of a new deployment, from the plan that it is for. */
export function newRecord(
  request: DeployRequest,
  plan: PlanView,
  by: { config: DeploymentConfig; now: number; nonce: string; lastEpoch: number },
): StoredDeployment {
  const { approval, canary } = by.config;
  const day = new Date(by.now).toISOString().slice(0, 10).replaceAll('-', '');
  return {
    id: `d-${day}-${by.nonce}`,
    // Grows even over a lost store: epochs fence off whoever still acts for an older one.
    epoch: Math.max(by.lastEpoch + 1, Math.floor(by.now / 1000)),
    source: plan.source,
    target: plan.target,
    requestedBy: { ...request.by },
    requestedAt: by.now,
    options: {
      maxUnavailable: plan.maxUnavailable,
      failureDomain: by.config.failureDomain.extra,
      nodes: request.options?.nodes === undefined ? null : [...request.options.nodes],
    },
    nodes: plan.nodes.map((node) => ({ ...node })),
    excluded: plan.excluded.map((node) => ({ ...node })),
    digest: plan.digest,
    approval: null,
    approvalExpiresAt: approval.required ? by.now + approval.expiresMs : null,
    intent: 'forward',
    intentBy: null,
    state: approval.required ? 'awaiting_approval' : canary > 0 ? 'canary' : 'rolling',
    startedAt: approval.required ? null : by.now,
    endedAt: null,
    endedBy: null,
    note: null,
    thread: null,
    idempotencyKeys: request.idempotencyKey === undefined ? [] : [request.idempotencyKey],
    results: [],
  };
}

const waysOut = ({ id }: DeepReadonly<StoredDeployment>): string =>
  `Finish moving them: /ephyra approve ${id}; or bring them back: /ephyra abort ${id}`;

const byWhom = ({ approval }: DeepReadonly<StoredDeployment>): string =>
  approval === null ? '' : `, approved by ${approval.by.display}`;

const inWords = (state: string): string => state.replaceAll('_', ' ');
