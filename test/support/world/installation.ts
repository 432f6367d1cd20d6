import type { DeploymentConfig } from '../../../src/config/types.ts';
import type { DeploymentService } from '../../../src/deployments/service.ts';
import type { DeploymentView } from '../../../src/deployments/types.ts';
import { createLogger, createMetrics } from '../../../src/observability/index.ts';
import type { HttpResponse } from '../../../src/openstack/http.ts';
import { emptyState, isEnded } from '../../../src/store/state.ts';
import { memoryStore } from '../../../src/store/store.ts';
import type { DeepReadonly, Store, StoreState } from '../../../src/store/types.ts';
import type { Core } from '../../../src/wiring.ts';
import { wire } from '../../../src/wiring.ts';
import { cloudConfig } from './config.ts';
import type { StoppableTime } from './stoppable.ts';
import { stoppableTime } from './stoppable.ts';
import type { World } from './world.ts';

export interface InstallationOptions {
  readonly host: string;
  readonly deployment?: Partial<DeploymentConfig>;
  /** What becomes of the process at a point: right before a request leaves, right after an answer has come. */
  readonly at?: (point: {
    readonly kind: 'request' | 'answer';
    readonly what: string;
    readonly index: number;
  }) => 'kill' | null;
  /** The disk holds something new. */
  readonly stored?: (state: DeepReadonly<StoreState>) => void;
}

interface Running {
  readonly id: number;
  readonly time: StoppableTime;
  alive: boolean;
  core: Core | null;
}

/** An Ephyra with a store and a host of its own, on the clouds of a world: several of them can be there at once. */
export class Installation {
  readonly host: string;
  /** What its disk holds. */
  disk: DeepReadonly<StoreState> = emptyState();
  /** Ids of its processes, the newest last. */
  readonly processes: number[] = [];
  /** How much its clock is ahead, in milliseconds; set while it runs, its clock jumps. */
  skewMs = 0;
  readonly log: string[] = [];
  readonly #world: World;
  readonly #options: InstallationOptions;
  #process: Running | null = null;
  #points = 0;

  constructor(world: World, options: InstallationOptions) {
    this.#world = world;
    this.#options = options;
    this.host = options.host;
  }

  get running(): boolean {
    return this.#process !== null;
  }

  /** The door of the running Ephyra. */
  get ephyra(): DeploymentService {
    const core = this.#process?.core;
    if (!core) throw new Error(`Ephyra on ${this.host} is not running`);
    return core.deployments;
  }

  get view(): DeploymentView | undefined {
    return this.#process?.core?.deployments.get();
  }

  /** What is on disk of the current deployment, or of the newest. */
  get record(): DeepReadonly<StoreState>['deployments'][number] | undefined {
    return this.disk.deployments.findLast((record) => !isEnded(record)) ?? this.disk.deployments.at(-1);
  }

  async start(): Promise<void> {
    if (this.#process !== null) throw new Error(`Ephyra on ${this.host} is running already`);
    const world = this.#world;
    world.starts += 1;
    const id = world.starts;
    this.processes.push(id);
    const time = stoppableTime(world.time, () => this.skewMs);
    const process: Running = { id, time, alive: true, core: null };
    this.#process = process;
    world.note(`Ephyra ${id} starts on ${this.host}`);
    const chance = world.random.fork(`process ${id}`);
    const transport = world.network.transport({
      id,
      alive: () => process.alive,
      point: (kind, what) => this.#point(process, kind, what),
    });
    const config = world.config;
    process.core = await wire(
      { ...config, deployment: { ...config.deployment, ...this.#options.deployment } },
      {
        store: this.#store(process),
        log: createLogger({
          level: 'info',
          destination: {
            write: (line) => {
              this.log.push(line);
              world.tellOutput('log', line);
            },
          },
          now: time.now,
        }),
        metrics: createMetrics({ version: 'world', processMetrics: false }),
        means: {
          clock: time,
          random: chance.next,
          nonce: () => chance.between(0, 0xffffff).toString(16).padStart(6, '0'),
          transport: (request) => heard(time, transport(request)),
          host: this.host,
          monotonic: world.time.now,
          plugin: world.application.plugin(process),
          clouds: { resolveCloud: cloudConfig },
        },
      },
    );
    process.core.deployments.onChange((change) => {
      if (process.alive) world.tellChange(change);
    });
    process.core.deployments.resume();
  }

  /** As SIGKILL does: nothing of the process goes on, what it has sent is on its way. */
  kill(why = ''): void {
    const process = this.#process;
    if (process === null) return;
    process.alive = false;
    process.time.kill();
    this.#process = null;
    this.#world.note(`Ephyra ${process.id} on ${this.host} is killed ${why}`);
  }

  /** As SIGSTOP does: it stands still, and does not know it. */
  freeze(): void {
    this.#world.note(`Ephyra on ${this.host} stands still`);
    this.#process?.time.stop();
  }

  /** As SIGCONT does: all that it waited for comes at once. */
  thaw(): void {
    this.#world.note(`Ephyra on ${this.host} goes on`);
    this.#process?.time.goOn();
  }

  /** As SIGTERM does. */
  async close(): Promise<void> {
    const process = this.#process;
    let closed = false;
    void process?.core?.close().then(() => {
      closed = true;
    });
    await this.#world.until(() => closed, 120_000, `the end of Ephyra on ${this.host}`);
    this.kill('after it has closed');
  }

  /** Asks it; null when it is killed before it has answered. */
  async ask<T>(question: (ephyra: DeploymentService) => Promise<T>): Promise<T | null> {
    const asked = this.send(question);
    await this.#world.until(() => asked.answer !== undefined, undefined, 'an answer');
    return asked.answer ?? null;
  }

  /** Asks it without waiting: `answer` is undefined until there is one, null when it is killed before. */
  send<T>(question: (ephyra: DeploymentService) => Promise<T>): { readonly answer: T | null | undefined } {
    const process = this.#process;
    const state: { value: T | undefined; error: unknown } = { value: undefined, error: null };
    question(this.ephyra).then(
      (value) => {
        state.value = value;
        this.#world.tellOutput('answer', JSON.stringify(value) ?? '');
      },
      (error: unknown) => {
        state.error = error;
      },
    );
    return {
      get answer() {
        if (state.error !== null) throw state.error;
        return state.value ?? (process?.alive === true ? undefined : null);
      },
    };
  }

  #point(process: Running, kind: 'request' | 'answer', what: string): void {
    if (!process.alive) return;
    this.#points += 1;
    if (this.#options.at?.({ kind, what, index: this.#points }) === 'kill') this.kill(`at ${kind} ${what}`);
  }

  #store(process: Running): Store {
    const inner = memoryStore(this.disk as StoreState);
    const never = <T>() => new Promise<T>(() => undefined);
    return {
      read: () => inner.read(),
      update: async (change) => {
        if (!process.alive) return never();
        const result = await inner.update(change);
        this.disk = inner.read();
        this.#options.stored?.(this.disk);
        this.#world.tellStored(this.disk);
        return process.alive ? result : never();
      },
      problem: () => inner.problem(),
      close: () => inner.close(),
    };
  }
}

/** An answer that comes while the process stands still is heard when it goes on. */
async function heard(time: StoppableTime, answer: Promise<HttpResponse>): Promise<HttpResponse> {
  try {
    const response = await answer;
    await time.going();
    return response;
  } catch (error) {
    await time.going();
    throw error;
  }
}
