import type { NodeUuid, Step } from '../../machines/domain.ts';
import type { Item } from '../../machines/migration/items.ts';
import type { MigrationReport, Phase } from '../../machines/migration/setup.ts';
import type { NodeReport } from '../../machines/node/setup.ts';
import type { Clock } from '../openstack/clock.ts';
import type { StoredDeployment, StoredResult } from '../store/types.ts';
import type { DeploymentEvent, DeploymentState } from './types.ts';
import type { LiveNode } from './view.ts';

/** What follows from a report: something for the record (or nothing), and something to tell. */
export interface Consequence {
  /** Applied to the record in the store. Undefined: nothing that has to survive. */
  readonly record?: (draft: StoredDeployment) => void;
  /** Asked once the record has it. */
  readonly event?: () => DeploymentEvent;
}

const STATE_OF: Readonly<Record<Phase, DeploymentState>> = {
  canary: 'canary',
  soaking: 'soaking',
  rolling: 'rolling',
  stopping: 'stopping',
  rolling_back: 'rolling_back',
};

/** Follows one run: turns the machines' reports into what people see now and what the record must keep. */
export class Tracker {
  readonly live = new Map<NodeUuid, LiveNode>();
  readonly #clock: Pick<Clock, 'now'>;
  #state: DeploymentState;
  /** What the gate last said; asked every few seconds, it is told on only when it changes. */
  #gate = 'open';

  constructor(state: DeploymentState, clock: Pick<Clock, 'now'>) {
    this.#state = state;
    this.#clock = clock;
  }

  /** What the machine said last. */
  get state(): DeploymentState {
    return this.#state;
  }

  migration(report: MigrationReport): Consequence {
    const now = this.#clock.now();
    switch (report.type) {
      case 'phase': {
        const [from, to] = [this.#state, STATE_OF[report.phase]];
        if (from === to) return {};
        this.#state = to;
        const { note } = report;
        return {
          record: (draft) => {
            draft.state = to;
            draft.note = note;
            outliving(draft, to);
          },
          event: () => ({ type: 'state', from, to }),
        };
      }
      case 'gate': {
        const gate = report.open ? 'open' : report.reason;
        if (gate === this.#gate) return {};
        const wasShut = this.#gate !== 'open';
        this.#gate = gate;
        if (report.open && !wasShut) return {};
        return {
          record: (draft) => {
            draft.note = report.open ? null : `Waiting at the gate: ${report.reason}`;
          },
          event: () => ({ type: 'gate', open: report.open, reason: report.reason }),
        };
      }
      case 'node_started': {
        const { item, direction } = report;
        this.#node(item.uuid).place = item.place;
        return {
          record: (draft) => {
            const result = resultOf(draft, item);
            // A start that finds the node under way goes on with it; its time is that of the whole move.
            if (result.startedAt === null || result.endedAt !== null) result.startedAt = now;
            result.endedAt = null;
          },
          event: () => ({ type: 'node_started', uuid: item.uuid, direction }),
        };
      }
      case 'node_settled': {
        const { item } = report;
        this.live.delete(item.uuid);
        let durationMs = 0;
        return {
          record: (draft) => {
            const result = resultOf(draft, item);
            result.endedAt = now;
            durationMs = now - (result.startedAt ?? now);
          },
          event: () => ({ type: 'node_settled', uuid: item.uuid, place: item.place, durationMs }),
        };
      }
    }
  }

  node(report: NodeReport): Consequence {
    const now = this.#clock.now();
    const { uuid } = report.move;
    const live = this.#node(uuid);
    switch (report.type) {
      case 'step_started': {
        if (live.step !== report.step || live.stepStartedAt === null) live.stepStartedAt = now;
        live.step = report.step;
        live.attempt = report.attempt;
        live.waiting = null;
        return { event: () => ({ type: 'step_started', uuid, step: report.step, attempt: report.attempt }) };
      }
      case 'step_done': {
        const durationMs = now - (live.stepStartedAt ?? now);
        live.stepStartedAt = null;
        live.waiting = null;
        live.failure = null;
        return { event: () => ({ type: 'step_done', uuid, step: report.step, durationMs }) };
      }
      case 'step_failed': {
        live.failure = report.failure;
        live.waiting = null;
        const step: Step = report.step ?? 'claim';
        return {
          event: () => ({ type: 'step_failed', uuid, step, failure: report.failure, willRetry: report.willRetry }),
        };
      }
      case 'turned': {
        live.place = 'going_back';
        live.step = null;
        live.stepStartedAt = null;
        live.waiting = null;
        return {
          record: (draft) => {
            const result = draft.results.find((other) => other.uuid === uuid);
            if (result === undefined) return;
            result.place = 'going_back';
            result.failure = report.failure === null ? null : { ...report.failure };
          },
          event: () => ({ type: 'node_turned', uuid, failure: report.failure }),
        };
      }
    }
  }

  /** What a node waits for now. Told on only when the sentence is a new one. */
  waiting(uuid: NodeUuid, reason: string | null): Consequence {
    const live = this.#node(uuid);
    if (reason === null) {
      live.waiting = null;
      return {};
    }
    if (live.waiting?.reason === reason) return {};
    live.waiting = { reason, since: this.#clock.now() };
    return { event: () => ({ type: 'waiting', uuid, reason }) };
  }

  #node(uuid: NodeUuid): LiveNode {
    const known = this.live.get(uuid);
    if (known !== undefined) return known;
    const fresh: LiveNode = {
      step: null,
      attempt: 1,
      stepStartedAt: null,
      waiting: null,
      failure: null,
    };
    this.live.set(uuid, fresh);
    return fresh;
  }
}

/** What Ephyra decides by itself must outlive the process as what people want does. */
function outliving(draft: StoredDeployment, state: DeploymentState): void {
  const turned = state === 'rolling_back' && draft.intent !== 'abort';
  const stopped = state === 'stopping' && draft.intent === 'forward';
  if (!turned && !stopped) return;
  draft.intent = turned ? 'abort' : 'stop';
  draft.intentBy = null;
}

function resultOf(draft: StoredDeployment, item: Item): StoredResult {
  let result = draft.results.find((other) => other.uuid === item.uuid);
  if (result === undefined) {
    result = { uuid: item.uuid, place: item.place, failure: null, startedAt: null, endedAt: null, attempts: 0 };
    draft.results.push(result);
  }
  result.place = item.place;
  result.failure = item.failure === null ? null : { ...item.failure };
  result.attempts = item.tries;
  return result;
}
