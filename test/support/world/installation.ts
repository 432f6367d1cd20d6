import type { DeploymentConfig } from '../../../src/config/types.ts';
import type { DeploymentService } from '../../../src/deployments/service.ts';
import type { Change, DeploymentView } from '../../../src/deployments/types.ts';
import { createLogger, createMetrics, type Metrics } from '../../../src/observability/index.ts';
import type { HttpResponse, Transport } from '../../../src/openstack/http.ts';
import { StoreError } from '../../../src/store/errors.ts';
import { emptyState, isEnded } from '../../../src/store/state.ts';
import { memoryStore } from '../../../src/store/store.ts';
import type { DeepReadonly, Store, StoreState } from '../../../src/store/types.ts';
import type { Core } from '../../../src/wiring.ts';
import { wire } from '../../../src/wiring.ts';
import { cloudConfig } from './config.ts';
import { attachSlack, type SlackMood } from './slack.ts';
import type { StoppableTime } from './stoppable.ts';
import { stoppableTime } from './stoppable.ts';
import { type ProcessTime, processTime } from './time.ts';
import type { World } from './world.ts';

/** A moment at which a process can be killed. */
export interface Point {
  /** Counts the points of the installation from 1. */
  readonly index: number;
  readonly process: number;
  /** Right before a request leaves; right after an answer has come; right before and after the disk is written. */
  readonly kind: 'request' | 'answer' | 'write' | 'written';
  readonly what: string;
}

export interface InstallationOptions {
  readonly host: string;
  readonly deployment?: Partial<DeploymentConfig>;
  /** True: the process is killed here. */
  readonly kill?: (point: Point) => boolean;
  /** How much the clock of a process is ahead when it starts, in milliseconds. */
  readonly skewMs?: (process: number) => number;
  /** Its processes can be made to stand still, and their clocks set while they run. */
  readonly stoppable?: boolean;
  /** There is a Slack that shows what goes on, and it behaves so. Default: none. */
  readonly slack?: SlackMood;
  /** Told of everything that Ephyra tells its faces; what it throws is its own affair. */
  readonly listener?: (change: Change) => void;
  /** The disk holds something new. */
  readonly stored?: (state: DeepReadonly<StoreState>) => void;
  /** Each process counts for itself, as a real one does; otherwise requests are not counted, which saves time. */
  readonly ownMetrics?: boolean;
  /** What the process's log lets through. Default `info`. */
  readonly logLevel?: string;
}

interface Running {
  readonly id: number;
  readonly time: ProcessTime | StoppableTime;
  readonly metrics: Metrics;
  alive: boolean;
  core: Core | null;
}

const newMetrics = (): Metrics => createMetrics({ version: 'world', processMetrics: false });
/** Counts nothing and remembers nobody: shared by all that do not look at their metrics. */
const NO_METRICS: Metrics = {
  ...newMetrics(),
  text: async () => '',
  beforeReading: () => () => undefined,
  openstackCall: () => undefined,
};

/** An Ephyra with a store and a host of its own, on the clouds of a world: several of them can be there at once. */
export class Installation {
  readonly host: string;
  /** What its disk holds. */
  disk: DeepReadonly<StoreState> = emptyState();
  /** Why the disk is known to be an older copy, for whoever opens it. */
  diskBehind: string | null = null;
  /** Why the disk takes nothing now; null: it does. */
  diskRefuses: string | null = null;
  /** Ids of its processes, the newest last. */
  readonly processes: number[] = [];
  /** How much the clock of the running process is ahead, in milliseconds; of one that is stoppable it can be set. */
  skewMs = 0;
  /** Points of its processes so far. */
  points = 0;
  readonly #world: World;
  readonly #options: InstallationOptions;
  readonly #startedAt = new Map<number, number>();
  #process: Running | null = null;
  #restart: (() => number) | null = null;
  #record: DeepReadonly<StoreState>['deployments'][number] | undefined;
  /** The disk of which that is the record. */
  #recordOf: DeepReadonly<StoreState> | null = null;

  constructor(world: World, options: InstallationOptions) {
    this.#world = world;
    this.#options = options;
    this.host = options.host;
  }

  /** Of the running process; null when none runs. */
  get process(): number | null {
    return this.#process?.id ?? null;
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
    // Asked after nearly everything that happens; what the disk holds is replaced as a whole.
    if (this.#recordOf !== this.disk) {
      this.#recordOf = this.disk;
      this.#record = this.disk.deployments.findLast((record) => !isEnded(record)) ?? this.disk.deployments.at(-1);
    }
    return this.#record;
  }

  /** When a process was started. */
  startedAt(process: number): number {
    return this.#startedAt.get(process) ?? Number.NaN;
  }

  /** Starts Ephyra on what the disk holds. */
  async start(): Promise<void> {
    if (this.#process !== null) throw new Error(`Ephyra on ${this.host} is running already`);
    const world = this.#world;
    const options = this.#options;
    world.starts += 1;
    const id = world.starts;
    this.processes.push(id);
    this.#startedAt.set(id, world.time.now());
    if (options.skewMs !== undefined) this.skewMs = options.skewMs(id);
    const time =
      options.stoppable === true ? stoppableTime(world.time, () => this.skewMs) : processTime(world.time, this.skewMs);
    const metrics = options.ownMetrics === true ? newMetrics() : NO_METRICS;
    const process: Running = { id, time, metrics, alive: true, core: null };
    this.#process = process;
    world.note(`Ephyra ${id} starts on ${this.host}`);
    const chance = world.random.fork(`process ${id}`);
    const { config } = world;
    const core = await wire(
      { ...config, deployment: { ...config.deployment, ...options.deployment } },
      {
        store: this.#store(process),
        log: createLogger({
          level: options.logLevel ?? 'info',
          destination: { write: (line) => world.tellOutput('log', line) },
          now: time.now,
        }),
        metrics,
        means: {
          clock: time,
          random: chance.next,
          nonce: () => chance.between(0, 0xffffff).toString(16).padStart(6, '0'),
          transport: this.#transport(process),
          host: this.host,
          monotonic: world.time.now,
          plugin: world.application.plugin(process),
          clouds: { resolveCloud: cloudConfig },
        },
      },
    );
    process.core = core;
    core.deployments.onChange((change) => {
      if (process.alive) world.tellChange(change);
    });
    if (options.listener !== undefined) core.deployments.onChange(options.listener);
    core.deployments.resume();
    if (options.slack === undefined) return;
    attachSlack({
      deployments: core.deployments,
      mood: options.slack,
      now: time.now,
      after: (ms, fn) => world.time.aside(ms, () => void (process.alive && fn())),
      sent: (text) => world.tellOutput('slack', text),
    });
  }

  /** As SIGKILL does: nothing of the process goes on, what it has sent is on its way. */
  kill(why = ''): void {
    const process = this.#process;
    if (process === null) return;
    process.alive = false;
    process.time.kill();
    this.#process = null;
    this.#world.note(`Ephyra ${process.id} on ${this.host} is killed${why === '' ? '' : ` ${why}`}`);
    if (this.#restart === null) return;
    this.#world.time.after(this.#restart(), () => {
      if (this.#process === null) void this.start();
    });
  }

  /** From now on, whenever it is killed, somebody starts it again after so many milliseconds. */
  keepRunning(downMs: () => number): void {
    this.#restart = downMs;
  }

  /** As SIGSTOP does: it stands still, and does not know it. */
  freeze(): void {
    this.#world.note(`Ephyra on ${this.host} stands still`);
    this.#stoppable()?.stop();
  }

  /** As SIGCONT does: all that it waited for comes at once. */
  thaw(): void {
    this.#world.note(`Ephyra on ${this.host} goes on`);
    this.#stoppable()?.goOn();
  }

  /** As SIGTERM does. */
  async close(): Promise<void> {
    const core = this.#process?.core;
    if (!core) return;
    let closed = false;
    void core.close().then(() => {
      closed = true;
    });
    await this.#world.until(() => closed, 120_000, `the end of Ephyra on ${this.host}`);
    this.kill('after it has closed');
  }

  /** The text that a scrape of the metrics gives. */
  async metricsText(): Promise<string> {
    const text = (await this.#process?.metrics.text()) ?? '';
    this.#world.tellOutput('metrics', text);
    return text;
  }

  /** Asks it; null when it is killed before it has answered, or does not run. */
  async ask<T>(question: (ephyra: DeploymentService) => Promise<T>): Promise<T | null> {
    if (this.#process === null) return null;
    const asked = this.send(question);
    await this.#world.until(() => asked.answer() !== undefined, undefined, 'an answer');
    return asked.answer() ?? null;
  }

  /** Asks it without waiting: `answer` is undefined until there is one, null when it says nothing or is killed before. */
  send<T>(question: (ephyra: DeploymentService) => Promise<T>): { readonly answer: () => T | null | undefined } {
    const process = this.#process;
    let answer: { readonly value: T | null } | null = null;
    let failure: { readonly error: unknown } | null = null;
    question(this.ephyra).then(
      (value) => {
        answer = { value: value ?? null };
        this.#world.tellOutput('answer', JSON.stringify(value) ?? '');
      },
      (error: unknown) => {
        failure = { error };
      },
    );
    return {
      answer: () => {
        if (failure !== null) throw failure.error;
        if (answer !== null) return answer.value;
        return process?.alive === true ? undefined : null;
      },
    };
  }

  #stoppable(): StoppableTime | null {
    const time = this.#process?.time;
    if (time === undefined) return null;
    if (!('stop' in time)) throw new Error(`Ephyra on ${this.host} was not installed to be stopped`);
    return time;
  }

  #point(process: Running, kind: Point['kind'], what: string): void {
    if (!process.alive) return;
    this.points += 1;
    const point = { index: this.points, process: process.id, kind, what };
    if (this.#options.kill?.(point) === true) this.kill(`at point ${point.index}: ${kind} ${what}`);
  }

  #transport(process: Running): Transport {
    const { id, time } = process;
    const transport = this.#world.network.transport({
      id,
      alive: () => process.alive,
      point: (kind, what) => this.#point(process, kind, what),
    });
    return 'going' in time ? (request) => heard(time, transport(request)) : transport;
  }

  /** The disk as one process has it: killed, it writes no more, and what it has written stays. */
  #store(process: Running): Store {
    const inner = memoryStore(this.disk as StoreState);
    let behind = this.diskBehind;
    const never = <T>() => new Promise<T>(() => undefined);
    return {
      read: () => inner.read(),
      get behind() {
        return behind;
      },
      caughtUp: () => {
        behind = null;
      },
      update: async (change) => {
        if (!process.alive) return never();
        this.#point(process, 'write', 'store');
        if (!process.alive) return never();
        if (this.diskRefuses !== null) throw refusedBy(this.diskRefuses);
        const result = await inner.update(change);
        this.disk = inner.read();
        this.diskBehind = behind;
        this.#options.stored?.(this.disk);
        this.#world.tellStored(this.disk);
        this.#point(process, 'written', 'store');
        return process.alive ? result : never();
      },
      problem: () => inner.problem(),
      close: () => inner.close(),
    };
  }
}

const refusedBy = (why: string): StoreError =>
  new StoreError(
    'unwritable',
    '(disk)',
    `the file cannot be written (${why}); the change was not made.`,
    'Free some space.',
  );

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
