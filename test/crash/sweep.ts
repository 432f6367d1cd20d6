import { rm } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { createRandom } from '../support/world/random.ts';
import { setUp } from './bench.ts';
import type { Counted } from './child.ts';
import { Pool } from './child.ts';
import type { Cut, Played } from './play.ts';
import { Player } from './play.ts';
import type { Point, PointList, Target } from './points.ts';
import { isRead, nameOf, pointsOf } from './points.ts';
import type { Story } from './stories.ts';

/** So many processes carry out a story twice without being killed, to find its points: just started, and after that. */
const WATCHED = 2;
/** A point that a run did not come by is tried again so often. */
const TRIES = 6;

/** Within which a start goes on with what was under way, when nothing else keeps the machine busy. */
export const RESUME_LIMIT_MS = 10_000;

/** The tasks of which a start took longer, each once. */
export const slowOf = (resumes: readonly Resume[]): Task[] => [
  ...new Set(resumes.filter(({ ms }) => ms > RESUME_LIMIT_MS).map(({ task }) => task)),
];

export interface Resume {
  readonly task: Task;
  readonly ms: number;
}

/** One killed deployment; with `second`, the process that goes on is killed as well, at its so-many-th point. */
export interface Task {
  readonly point: Point;
  readonly second: number | null;
  tries: number;
}

export interface Failure {
  readonly task: Task;
  readonly problems: readonly string[];
  readonly log: readonly string[];
}

export interface Enumerated extends PointList {
  readonly story: Story;
  /** Points of one run, repeats and all. */
  readonly total: number;
}

/** Plays many deployments, several at a time, each on a bench that is reused as long as nothing goes wrong on it. */
export class Sweep {
  readonly #pool: Pool;
  readonly #players = new Map<string, Player[]>();
  readonly #stories: ReadonlyMap<string, Story>;
  readonly #folder = join(tmpdir(), `ephyra-crash-${process.pid}`);
  #benches = 0;
  readonly failures: Failure[] = [];
  /** Points that no run came by. */
  readonly missed: Task[] = [];
  readonly resumes: Resume[] = [];
  readonly seconds = { reached: 0, tooLate: 0 };
  /** Of a read: the last repeat was the first this time. */
  merged = 0;
  passed = 0;
  again = 0;

  constructor(stories: readonly Story[], spares: number, program: string) {
    this.#stories = new Map(stories.map((story) => [story.name, story]));
    this.#pool = new Pool(spares, program);
    this.#pool.fill();
  }

  get processes(): number {
    return this.#pool.started;
  }

  get compiled(): number {
    return this.#pool.compiled;
  }

  async close(): Promise<void> {
    await Promise.all([...this.#players.values()].flat().map((player) => player.close()));
    await this.#pool.close();
    await rm(this.#folder, { recursive: true, force: true });
  }

  /** Throws when a story does not even work without a kill. */
  async enumerate(story: Story): Promise<Enumerated> {
    const watch = async () => {
      const player = await this.#borrow(story.name);
      const runs: { fresh: boolean; counted: Counted }[] = [];
      for (const fresh of [true, false]) {
        const { counted, problems } = await player.play([], fresh);
        if (problems.length > 0 || counted === null) {
          throw new Error(
            `the story "${story.name}" does not work, though nobody kills anything: ${problems.join('\n')}`,
          );
        }
        runs.push({ fresh, counted });
      }
      player.remember();
      this.#giveBack(player);
      return runs;
    };
    const runs = (await Promise.all(Array.from({ length: WATCHED }, watch))).flat();
    const total = Math.max(...runs.filter(({ fresh }) => !fresh).map(({ counted }) => counted.total));
    return { ...pointsOf(story.name, runs), story, total };
  }

  /** Pairs of kills by chance: a point, and where in what follows the next process is killed. */
  static pairs(lists: readonly Enumerated[], count: number, seed: number): Task[] {
    const random = createRandom(seed);
    return Array.from({ length: count }, () => {
      const { points, total } = random.pick([...lists]);
      const at = random.between(0, points.length - 1);
      const point = points[at] as Point;
      const left = Math.round(total * (1 - at / points.length));
      return { point, second: random.between(1, Math.max(20, left)), tries: 0 };
    });
  }

  /** Kills at each of the tasks, so many at a time. `progress` is told after each. */
  async run(tasks: readonly Task[], jobs: number, progress: (left: number) => void): Promise<void> {
    // Those of one story one after the other: their bench is there already.
    const queue = [...tasks];
    let busy = 0;
    const work = async (preferred: string): Promise<void> => {
      for (;;) {
        const at = Math.max(
          0,
          queue.findIndex(({ point }) => point.story === preferred),
        );
        const [task] = queue.splice(at, 1);
        if (task === undefined) {
          if (busy === 0) return;
          // What another one is at may come back.
          await new Promise((resolve) => setTimeout(resolve, 100));
          continue;
        }
        busy += 1;
        const more = await this.#carryOut(task);
        busy -= 1;
        if (more !== null) queue.push(more);
        progress(queue.length + busy);
      }
    };
    const names = [...this.#stories.keys()];
    await Promise.all(Array.from({ length: jobs }, (_unused, at) => work(names[at % names.length] ?? '')));
  }

  /**
   * Kills at those of which a start took too long once more, one after the other and nothing beside them: deployments that
   * are carried out at the same time slow each other down, whatever Ephyra does. Resolves to those that are late again.
   */
  async late(): Promise<Resume[]> {
    const late: Resume[] = [];
    for (const task of slowOf(this.resumes)) {
      const before = this.resumes.length;
      // It has passed already, and is counted once.
      if (!this.failures.some((failure) => failure.task === task)) this.passed -= 1;
      await this.run([{ ...task, tries: 0 }], 1, () => undefined);
      const again = this.resumes.slice(before);
      // Whatever could not be measured again stays as it was.
      const judged = again.length > 0 ? again : this.resumes.filter((one) => one.task === task);
      late.push(...judged.filter(({ ms }) => ms > RESUME_LIMIT_MS));
    }
    return late;
  }

  /** The task to be tried again, if it is to be. */
  async #carryOut(task: Task): Promise<Task | null> {
    const { point, second } = task;
    const player = await this.#borrow(point.story);
    const cuts: Cut[] = [{ target: point, ordinal: null }];
    if (second !== null) cuts.push({ target: null, ordinal: second });
    let played: Played;
    try {
      played = await player.play(cuts, point.fresh);
    } catch (error) {
      played = { deaths: [], resumes: [], counted: null, problems: [String(error)] };
    }
    this.resumes.push(...played.resumes.map((ms) => ({ task, ms })));
    if (played.problems.length > 0) {
      this.failures.push({ task, problems: played.problems, log: player.log });
      // What it left behind is not a world to start from.
      await player.close();
      return null;
    }
    this.#giveBack(player);
    if (played.deaths.length === 0) return this.#missed(task, played);
    if (second !== null) this.seconds[played.deaths.length > 1 ? 'reached' : 'tooLate'] += 1;
    this.passed += 1;
    return null;
  }

  #missed(task: Task, { counted }: Played): Task | null {
    const { point } = task;
    this.again += 1;
    const tries = task.tries + 1;
    if (isRead(point.key) && point.count > 1) {
      // It waited less long this time: the last time was an earlier one.
      const now = counted?.counts.find(([key]) => key === point.key)?.[1] ?? 1;
      if (now > 1) return { ...task, tries, point: { ...point, count: Math.min(now, point.count) } };
      if (tries >= TRIES) {
        this.merged += 1;
        return null;
      }
    }
    if (tries < TRIES) return { ...task, tries };
    this.missed.push(task);
    return null;
  }

  async #borrow(story: string): Promise<Player> {
    const free = this.#players.get(story)?.pop();
    if (free !== undefined) return free;
    const described = this.#stories.get(story);
    if (described === undefined) throw new Error(`there is no story "${story}"`);
    this.#benches += 1;
    const player = new Player(await setUp(described, join(this.#folder, String(this.#benches))), this.#pool);
    // A process that has carried out a deployment already: what comes only with a start is in points of its own.
    return player;
  }

  #giveBack(player: Player): void {
    const free = this.#players.get(player.story) ?? [];
    free.push(player);
    this.#players.set(player.story, free);
  }
}

/** How many deployments at a time: they mostly wait. */
export const JOBS = 16 * availableParallelism();

export const repeatOf = ({ point, second }: Task): string =>
  `npm run test:crash -- --story ${point.story} --point '${nameOf(point as Target)}'${point.fresh ? ' --fresh' : ''}${second === null ? '' : ` --second ${second}`}`;
