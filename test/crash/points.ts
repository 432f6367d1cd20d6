import type { Counted } from './child.ts';

/** One moment of a process: the so-many-th time that something happens to it. */
export interface Target {
  /** `kind | what`, for reads `kind | what < after which write`. */
  readonly key: string;
  /** From 1. */
  readonly count: number;
}

/**
 * Around a request: right before anything of it is written, right after the head of the answer has come, after the first
 * part of the body. Around a file: before it is opened, with half of it written, flushed but not yet renamed, renamed.
 */
export const KINDS = ['before', 'after', 'middle', 'torn', 'between'] as const;

/** A point of a story at which Ephyra is killed. */
export interface Point extends Target {
  readonly story: string;
  /** Only a process that has just started comes by here: tokens, versions, who the bot is. */
  readonly fresh: boolean;
}

export const kindOf = ({ key }: Target): string => key.split(' | ', 1)[0] ?? '';
export const isRead = (key: string): boolean => key.includes(' < ');
/** What is said again by the clock when it had no effect soon enough: a command by Ephyra; by people, what it answers to. */
const isSaidAgain = (key: string): boolean => /\| command | slack POST \/(commands|actions)\//.test(key);

/** For people, and for `--point`. */
export const nameOf = ({ key, count }: Target): string => `${key} #${count}`;

export function targetOf(name: string): Target {
  const match = /^(.+ \| .+) #(\d+)$/.exec(name);
  if (match === null)
    throw new Error(`"${name}" is no point; one is e.g. "before | source nova DELETE /servers/{id} #1"`);
  return { key: match[1] ?? '', count: Number(match[2]) };
}

export interface PointList {
  readonly points: readonly Point[];
  /** Repeats of a read in one phase that are neither the first nor the last. */
  readonly merged: number;
}

/**
 * The points of a story, from what processes that were not killed have counted. Every write is a point each time; a read
 * that is repeated until the next write to a cloud (Ephyra waits for something) is one the first time and the last time.
 */
export function pointsOf(
  story: string,
  runs: readonly { readonly fresh: boolean; readonly counted: Counted }[],
): PointList {
  const points: Point[] = [];
  let merged = 0;
  const keys = new Set(runs.flatMap(({ counted }) => counted.counts.map(([key]) => key)));
  for (const key of keys) {
    const seen = runs.flatMap(({ fresh, counted }) => {
      const count = counted.counts.find(([other]) => other === key)?.[1];
      return count === undefined ? [] : [{ fresh, count }];
    });
    const warm = seen.filter((one) => !one.fresh);
    const fresh = warm.length === 0;
    const counts = (fresh ? seen : warm).map(({ count }) => count);
    const most = Math.max(...counts);
    // How often one waits, and is asked, depends on the machine: the last time is what every run comes by.
    const last = isRead(key) || isSaidAgain(key) ? Math.min(...counts) : most;
    const wanted = isRead(key) ? [...new Set([1, last])] : Array.from({ length: last }, (_unused, at) => at + 1);
    merged += isRead(key) ? most - wanted.length : 0;
    for (const count of wanted) points.push({ story, key, count, fresh });
  }
  return { points, merged };
}

/** The phase before the first write to a cloud. */
const BEGIN = ' < begin';

/**
 * Leaves out of all lists but the first what is the same in all stories, whatever comes later: reads before anything is
 * written to a cloud, and what only a start does.
 */
export function withoutCommon<T extends PointList>(
  lists: readonly T[],
): { readonly lists: readonly T[]; readonly common: number } {
  const [first, ...others] = lists;
  const known = new Set(first?.points.map(nameOf));
  const isCommon = (point: Point) => (point.fresh || point.key.endsWith(BEGIN)) && known.has(nameOf(point));
  const rest = others.map((list) => ({ ...list, points: list.points.filter((point) => !isCommon(point)) }));
  const count = (all: readonly T[]) => all.reduce((sum, { points }) => sum + points.length, 0);
  const left = first === undefined ? rest : [first, ...rest];
  return { lists: left, common: count(lists) - count(left) };
}
