import type { FailureDomain, Move, NodeUuid, RoleName } from '../domain.ts';
import type { FailureData } from '../errors.ts';

/** Where one node stands within a deployment. */
export type Place = 'waiting' | 'moving' | 'moved' | 'going_back' | 'back' | 'stuck';

/** One node of a deployment. */
export interface Item {
  readonly uuid: NodeUuid;
  readonly name: string;
  readonly role: RoleName;
  /** What its machine shares with others that may fail with it, such as a rack; null when that is not known. */
  readonly failureDomain: FailureDomain | null;
  /** What ran on it in the source when it was planned; null when that is not known. */
  readonly instanceId: string | null;
  readonly place: Place;
  /** Forward tries so far, the one under way included. */
  readonly tries: number;
  readonly failure: FailureData | null;
}

export interface MigrationOptions {
  /** Nodes on the move at once. */
  readonly window: number;
  readonly windowOf: Readonly<Record<RoleName, number>>;
  /** Nodes of one failure domain on the move at once; null when there is no such limit. */
  readonly windowPerFailureDomain: number | null;
  /** Nodes moved alone, first; then the soak. */
  readonly canary: number;
  /** Nodes that may come back with a failure before everything goes back. */
  readonly failureBudget: number;
  /** Forward tries of one node in all. */
  readonly nodeAttempts: number;
}

/** What the queue logic needs of a migration; order = the deterministic order of the plan. */
export interface Fleet {
  readonly items: Readonly<Record<NodeUuid, Item>>;
  readonly queue: readonly NodeUuid[];
  /** In the order in which they arrived: an abort takes the newest back first. */
  readonly arrived: readonly NodeUuid[];
  readonly options: MigrationOptions;
}

export const itemsAt = (fleet: Fleet, ...places: Place[]): Item[] =>
  Object.values(fleet.items).filter((item) => places.includes(item.place));

export const running = (fleet: Fleet): Item[] => itemsAt(fleet, 'moving', 'going_back');

/**
 * Of whom one may go next, best first; nobody when the window or the role's window is full. With a limit for failure
 * domains all up to the next role who are in one that has room, so that one that is full does not hold up the others; else
 * the head alone.
 */
export function inLine(fleet: Fleet, window: number): readonly Item[] {
  const head = fleet.items[fleet.queue[0] ?? ''];
  if (head === undefined) return [];
  const now = running(fleet);
  const ofRole = now.filter((other) => other.role === head.role).length;
  const roleWindow = fleet.options.windowOf[head.role] ?? window;
  if (now.length >= window || ofRole >= roleWindow) return [];
  const most = fleet.options.windowPerFailureDomain;
  if (most === null) return [head];
  const hasRoom = ({ failureDomain }: Item) =>
    now.filter((other) => mayBeOf(other.failureDomain, failureDomain)).length < most;
  const queued = fleet.queue.flatMap((uuid) => fleet.items[uuid] ?? []);
  const end = queued.findIndex(({ role }) => role !== head.role);
  return queued.slice(0, end < 0 ? undefined : end).filter(hasRoom);
}

/** Whether one may be of the same role or failure domain as another: of whom it is not known, it may be so. */
export const mayBeOf = (one: string | null, other: string | null): boolean =>
  one === null || other === null || one === other;

/** Canaries go alone. */
export const forwardWindow = (fleet: Fleet): number =>
  fleet.arrived.length < fleet.options.canary ? 1 : fleet.options.window;

export const canariesDone = (fleet: Fleet): boolean =>
  fleet.options.canary > 0 && fleet.arrived.length >= fleet.options.canary;

export function place(fleet: Fleet, uuid: NodeUuid, change: Partial<Item>): Record<NodeUuid, Item> {
  const item = fleet.items[uuid];
  return item === undefined ? { ...fleet.items } : { ...fleet.items, [uuid]: { ...item, ...change } };
}

/** Puts a node that came back in line again, behind the last of its role so that the order of roles holds. */
export function requeue(fleet: Fleet, uuid: NodeUuid): NodeUuid[] {
  const role = fleet.items[uuid]?.role;
  const queue = [...fleet.queue];
  const last = queue.findLastIndex((other) => fleet.items[other]?.role === role);
  queue.splice(last + 1, 0, uuid);
  return queue;
}

/** How the settling of one node changes the fleet. */
export function settle(
  fleet: Fleet,
  uuid: NodeUuid,
  output: { place: 'target' | 'source' | 'stuck'; failure: FailureData | null },
  mayTryAgain: boolean,
): { items: Record<NodeUuid, Item>; queue: NodeUuid[]; arrived: NodeUuid[]; failed: boolean } {
  // A node that was already on its way back when Ephyra started has its failure from before.
  const failure = output.failure ?? (output.place === 'target' ? null : (fleet.items[uuid]?.failure ?? null));
  const arrived = fleet.arrived.filter((other) => other !== uuid);
  const queue = [...fleet.queue];
  if (output.place === 'target') {
    return {
      items: place(fleet, uuid, { place: 'moved', failure: null }),
      queue,
      arrived: [...arrived, uuid],
      failed: false,
    };
  }
  if (output.place === 'stuck') {
    return { items: place(fleet, uuid, { place: 'stuck', failure }), queue, arrived, failed: true };
  }
  const again = mayTryAgain && failure !== null && (fleet.items[uuid]?.tries ?? 0) < fleet.options.nodeAttempts;
  return {
    items: place(fleet, uuid, { place: again ? 'waiting' : 'back', failure }),
    queue: again ? requeue(fleet, uuid) : queue,
    arrived,
    failed: failure !== null,
  };
}

/** Forward tries of a node that have ended in failure, the one under way not counted. */
export function failuresOf({ place, tries, failure }: Pick<Item, 'place' | 'tries' | 'failure'>): number {
  if (place === 'waiting') return tries;
  const ended = (place === 'back' || place === 'stuck') && failure !== null;
  return Math.max(0, ended ? tries : tries - 1);
}

/** What an abort has to take back, newest first. */
export const backlog = (fleet: Pick<Fleet, 'items' | 'arrived'>): NodeUuid[] =>
  fleet.arrived.filter((uuid) => fleet.items[uuid]?.place === 'moved').reverse();

/** What all moves of a deployment have in common. */
export type Course = Pick<Move, 'deployment' | 'epoch' | 'source' | 'target'>;

export function moveOf(course: Course, item: Item, direction: 'forward' | 'back'): Move {
  const [from, to] = direction === 'forward' ? [course.source, course.target] : [course.target, course.source];
  return { ...course, uuid: item.uuid, name: item.name, role: item.role, instanceId: item.instanceId, from, to };
}
