import type { DeploymentId } from '../../machines/domain.ts';
import {
  type Change,
  DEPLOYMENT_STATES,
  type Deployments,
  type DeploymentView,
  FINAL_STATES,
  type NodePlace,
} from '../deployments/types.ts';
import type { Metrics } from './metrics.ts';

const PLACES: readonly NodePlace[] = ['waiting', 'moving', 'moved', 'going_back', 'back', 'stuck'];

/** The part of the one door that is looked through here. */
export type Observed = Pick<Deployments, 'onChange' | 'list' | 'locks'>;

/**
 * Keeps the metrics in step with the deployments: what happens is counted as it happens; what is the case is asked for
 * when somebody reads the metrics, so it is right after a restart, too. Returns the way to stop.
 */
export function observeChanges(deployments: Observed, metrics: Metrics): () => void {
  const counter = new ChangeCounter(metrics, deployments.list());
  const stopReading = metrics.beforeReading(() => showPresent(deployments, metrics));
  const stopListening = deployments.onChange((change) => counter.count(change));
  return () => {
    stopReading();
    stopListening();
  };
}

class ChangeCounter {
  readonly #metrics: Metrics;
  /** Deployments whose end has been counted: an end is told once, by whatever event comes first. */
  readonly #ended: Set<DeploymentId>;
  /** By deployment and node. */
  readonly #directions = new Map<string, 'forward' | 'back'>();

  constructor(metrics: Metrics, known: readonly DeploymentView[]) {
    this.#metrics = metrics;
    this.#ended = new Set(known.filter(hasEnded).map((deployment) => deployment.id));
  }

  count(change: Change): void {
    if (change.kind !== 'deployment') return;
    const { deployment, event } = change;
    const metrics = this.#metrics;
    const sides = { source: deployment.source, target: deployment.target };
    switch (event.type) {
      case 'gate':
        metrics.gateOpen.set(sides, event.open ? 1 : 0);
        break;
      case 'node_started':
        this.#directions.set(key(deployment, event.uuid), event.direction);
        break;
      case 'step_done': {
        const direction = this.#directionOf(deployment, event.uuid);
        metrics.stepDuration.observe({ step: event.step, direction }, Math.max(0, event.durationMs) / 1_000);
        break;
      }
      case 'step_failed':
        metrics.stepFailures.inc({ step: event.step, reason: event.failure.reason });
        break;
      case 'node_settled':
        metrics.nodeMigrations.inc({ outcome: event.place });
        this.#directions.delete(key(deployment, event.uuid));
        break;
    }
    this.#countEnd(deployment, sides);
  }

  #countEnd(deployment: DeploymentView, sides: { source: string; target: string }): void {
    if (!hasEnded(deployment)) {
      // A stopped deployment may be taken up again; its next end counts anew.
      this.#ended.delete(deployment.id);
      return;
    }
    if (this.#ended.has(deployment.id)) return;
    this.#ended.add(deployment.id);
    this.#metrics.deploymentsEnded.inc({ outcome: deployment.state });
    this.#metrics.gateOpen.remove(sides);
    for (const node of deployment.nodes) this.#directions.delete(key(deployment, node.uuid));
  }

  /** Where the node is says it best; a stuck one is where it was last going. */
  #directionOf(deployment: DeploymentView, uuid: string): 'forward' | 'back' {
    const place = deployment.nodes.find((node) => node.uuid === uuid)?.place;
    if (place === 'going_back' || place === 'back') return 'back';
    if (place === 'moving' || place === 'moved') return 'forward';
    return this.#directions.get(key(deployment, uuid)) ?? 'forward';
  }
}

function showPresent(deployments: Observed, metrics: Metrics): void {
  const all = deployments.list();
  // Every state gets a sample, zero included: a graph with holes looks like a process that is down.
  for (const state of DEPLOYMENT_STATES) {
    metrics.deployments.set({ state }, all.filter((deployment) => deployment.state === state).length);
  }
  const running = all.filter((deployment) => !hasEnded(deployment));
  const shown = running.length > 0 ? running : all.slice(0, 1);
  for (const state of PLACES) {
    const here = shown.reduce((sum, each) => sum + each.nodes.filter((node) => node.place === state).length, 0);
    metrics.nodes.set({ state }, here);
  }
  metrics.locks.set(deployments.locks().length);
}

function hasEnded(deployment: DeploymentView): boolean {
  return FINAL_STATES.includes(deployment.state);
}

function key(deployment: DeploymentView, uuid: string): string {
  return `${deployment.id} ${uuid}`;
}
