import type { Faults } from './faults.ts';
import { type Clock, type HadoopTimings, type Harm, type Machine, SERVICES, type ServiceId } from './model.ts';

export type HaState = 'active' | 'standby' | 'starting' | 'down';

export interface Service {
  readonly id: ServiceId;
  readonly pair: 'rm' | 'nn';
  /** The machine it runs on; null for one outside the fleet. */
  readonly host: string | null;
  state: HaState;
  /** When the process started. */
  startedAt: number;
}

interface Means {
  readonly clock: Clock;
  readonly timings: HadoopTimings;
  readonly machines: ReadonlyMap<string, Machine>;
  readonly faults: Faults;
  readonly harm: (harm: Harm) => void;
  /** Called after another service of the pair has become active. */
  readonly onFailover: (pair: 'rm' | 'nn') => void;
}

/** The two ResourceManagers and the two NameNodes, of each pair at most one active. */
export class Services {
  readonly #means: Means;
  readonly #services: readonly Service[];

  constructor(means: Means, placement: Readonly<Record<ServiceId, string | null>>) {
    this.#means = means;
    this.#services = SERVICES.map((id): Service => {
      const host = placement[id];
      const up = host === null || (means.machines.get(host)?.daemons ?? false);
      return {
        id,
        pair: id.startsWith('rm') ? 'rm' : 'nn',
        host,
        state: up ? 'standby' : 'down',
        startedAt: means.clock.now(),
      };
    });
    for (const pair of ['rm', 'nn'] as const) {
      const first = this.of(pair).find((service) => service.state === 'standby');
      if (first) first.state = 'active';
    }
  }

  all(): readonly Service[] {
    return this.#services;
  }

  of(pair: 'rm' | 'nn'): readonly Service[] {
    return this.#services.filter((service) => service.pair === pair);
  }

  get(id: ServiceId): Service {
    const service = this.#services.find((candidate) => candidate.id === id);
    if (!service) throw new Error(`No such service: ${id}`);
    return service;
  }

  active(pair: 'rm' | 'nn'): Service | undefined {
    return this.of(pair).find((service) => service.state === 'active');
  }

  /** The state that the service would tell, which is not the truth when it lies. */
  told(id: ServiceId): HaState {
    const { state } = this.get(id);
    return state === 'standby' && this.#means.faults.lies('two-actives') ? 'active' : state;
  }

  /** The daemons of a machine have started. */
  started(host: string): void {
    for (const service of this.#services) {
      if (service.host !== host || service.state !== 'down') continue;
      service.state = 'standby';
      service.startedAt = this.#means.clock.now();
    }
    for (const pair of ['rm', 'nn'] as const) if (!this.active(pair)) this.#elect(pair);
  }

  /** The daemons of a machine have stopped. */
  stopped(host: string): void {
    const { clock, timings, harm } = this.#means;
    for (const service of this.#services) {
      if (service.host !== host) continue;
      const wasActive = service.state === 'active';
      service.state = 'down';
      if (!wasActive) continue;
      harm({ at: clock.now(), host, what: 'active service stopped', detail: service.id });
      clock.after(timings.failoverMs, () => {
        if (!this.active(service.pair)) this.#elect(service.pair);
      });
    }
  }

  #elect(pair: 'rm' | 'nn'): void {
    const heir = this.of(pair).find((service) => service.state === 'standby');
    if (!heir) return;
    heir.state = 'active';
    this.#means.onFailover(pair);
  }

  /** A failover by hand. Answers what is wrong, or null. */
  transfer(from: ServiceId, to: ServiceId): string | null {
    const [old, heir] = [this.get(from), this.get(to)];
    if (old.pair !== heir.pair || from === to) return `${from} and ${to} are not a pair`;
    if (heir.state === 'active') return null;
    if (heir.state !== 'standby') return `${to} is not ready to become active`;
    if (old.state === 'active') old.state = 'standby';
    heir.state = 'active';
    this.#means.onFailover(old.pair);
    return null;
  }

  /** One of the pair steps down; nobody is active until one is told to be. */
  standDown(id: ServiceId): string | null {
    const service = this.get(id);
    if (service.state === 'down') return `${id} does not answer`;
    service.state = 'standby';
    return null;
  }

  stepUp(id: ServiceId): string | null {
    const service = this.get(id);
    if (service.state === 'active') return null;
    if (service.state !== 'standby') return `${id} is not ready to become active`;
    const other = this.active(service.pair);
    if (other) return `${other.id} is already active`;
    service.state = 'active';
    this.#means.onFailover(service.pair);
    return null;
  }
}
