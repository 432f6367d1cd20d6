import type { Change, DeploymentEvent, Deployments, DeploymentView } from '../deployments/types.ts';
import type { Logger } from './log.ts';

type Line = {
  readonly level: 'debug' | 'info' | 'warn' | 'error';
  readonly message: string;
  readonly fields?: Readonly<Record<string, unknown>>;
};

/** Writes one line for everything that happens to deployments and locks. Returns the way to stop. */
export function logChanges(deployments: Pick<Deployments, 'onChange'>, log: Logger): () => void {
  return deployments.onChange((change) => {
    const { level, message, fields } = lineFor(change);
    log[level]({ ...fields }, message);
  });
}

/** The line for a change: a constant message, the data as fields. */
export function lineFor(change: Change): Line {
  if (change.kind === 'lock') {
    const { lock, event, by } = change;
    return {
      level: 'info',
      message: LOCK_MESSAGES[event],
      fields: { lock: lock.id, scope: lock.scope, owner: lock.owner.id, by: by.id, via: by.via, reason: lock.reason },
    };
  }
  if (change.kind === 'notice') {
    return { level: 'warn', message: 'notice', fields: { notice: change.message, remedy: change.remedy } };
  }
  const { deployment, event } = change;
  const line = deploymentLine(deployment, event);
  const { source, target } = deployment;
  return {
    ...line,
    fields: { deployment: deployment.id, source, target, ...nodeFields(deployment, event), ...line.fields },
  };
}

const LOCK_MESSAGES = { locked: 'lock taken', unlocked: 'lock released', expired: 'lock expired' } as const;

function nodeFields(deployment: DeploymentView, event: DeploymentEvent): Record<string, unknown> {
  if (!('uuid' in event)) return {};
  const name = deployment.nodes.find((node) => node.uuid === event.uuid)?.name;
  return { node: event.uuid, ...(name === undefined ? {} : { name }) };
}

function deploymentLine(deployment: DeploymentView, event: DeploymentEvent): Line {
  switch (event.type) {
    case 'requested': {
      const { id, via } = deployment.requestedBy;
      return {
        level: 'info',
        message: 'deployment requested',
        fields: { by: id, via, nodes: deployment.nodes.length, excluded: deployment.excluded.length },
      };
    }
    case 'approved':
      return { level: 'info', message: 'deployment approved', fields: { by: event.by.id, via: event.by.via } };
    case 'expired':
      return { level: 'warn', message: 'deployment expired without approval' };
    case 'state': {
      const level = event.to === 'stuck' ? 'error' : event.to === 'rolling_back' ? 'warn' : 'info';
      return {
        level,
        message: 'deployment changed state',
        fields: { from: event.from, to: event.to, ...(deployment.note === null ? {} : { note: deployment.note }) },
      };
    }
    case 'resumed':
      return {
        level: event.after === 'start' ? 'info' : 'warn',
        message: 'deployment resumed',
        fields: { state: deployment.state, after: event.after },
      };
    case 'found':
      return {
        level: 'warn',
        message: 'deployment found by its marks',
        fields: { nodes: deployment.nodes.length, note: deployment.note },
      };
    case 'stop_requested':
      return { level: 'info', message: 'stop requested', fields: { by: event.by.id, via: event.by.via } };
    case 'abort_requested':
      return {
        level: 'warn',
        message: 'abort requested',
        fields: { by: event.by?.id ?? 'ephyra', via: event.by?.via ?? 'system' },
      };
    case 'gate':
      return event.open
        ? { level: 'info', message: 'gate opened', fields: { reason: event.reason } }
        : { level: 'warn', message: 'gate closed', fields: { reason: event.reason } };
    case 'node_started':
      return { level: 'info', message: 'node started', fields: { direction: event.direction } };
    case 'step_started':
      return { level: 'debug', message: 'step started', fields: { step: event.step, attempt: event.attempt } };
    case 'step_done':
      return { level: 'info', message: 'step done', fields: { step: event.step, durationMs: event.durationMs } };
    case 'step_failed':
      return {
        level: event.willRetry ? 'warn' : 'error',
        message: 'step failed',
        fields: { step: event.step, willRetry: event.willRetry, failure: event.failure },
      };
    case 'waiting':
      return { level: 'debug', message: 'node waits', fields: { reason: event.reason } };
    case 'node_turned':
      return {
        level: 'warn',
        message: 'node turned back',
        fields: event.failure === null ? {} : { failure: event.failure },
      };
    case 'node_settled':
      return {
        level: event.place === 'stuck' ? 'error' : 'info',
        message: 'node settled',
        fields: { place: event.place, durationMs: event.durationMs },
      };
  }
}
