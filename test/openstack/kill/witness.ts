import { isDeepStrictEqual } from 'node:util';
import type { Hadoop } from '../../../src/sandbox/hadoop/hadoop.ts';
import type { RealFleet } from '../support/fleet.ts';

type Json = Record<string, unknown>;
type ByUuid = ReadonlyMap<string, Json>;
type Sample = readonly [ByUuid, ByUuid];

/** In these an Ironic does nothing to a machine by itself. */
const INERT = ['enroll'];
const PERIOD_MS = 1_000;

export interface WitnessOptions {
  /** By uuid: what `driver_info` of each node has to hold, secrets included, in at least one Ironic at any instant. */
  readonly driverInfo: ReadonlyMap<string, Json>;
  /** Uuids of nodes that are none of Ephyra's business; nothing of them may change. */
  readonly foreign: readonly string[];
  readonly hadoop: Hadoop;
  /** So many Hadoop nodes may be out at once. */
  readonly maxUnavailable: number;
}

/**
 * Watches both real Ironics by raw HTTP once a second, whatever Ephyra does or says: DESIGN section 5, as far as it can
 * be seen from outside. Two clouds cannot be read in one instant: what looks wrong is read again in both before it
 * counts, and no node can move twice within that time.
 */
export class Witness {
  readonly violations: string[] = [];
  /** Ids of all deployments whose mark was ever seen on a node. */
  readonly deployments = new Set<string>();
  samples = 0;
  /** Looks that failed since a service was down. */
  blind = 0;
  /** The most Hadoop nodes that were out at once. */
  mostOut = 0;
  readonly #fleets: readonly [RealFleet, RealFleet];
  readonly #options: WitnessOptions;
  readonly #foreign = new Map<string, Json>();
  #stopped = false;
  #ended: Promise<void> = Promise.resolve();

  constructor(fleets: readonly [RealFleet, RealFleet], options: WitnessOptions) {
    this.#fleets = fleets;
    this.#options = options;
  }

  /** Reads what the foreign nodes are, then watches until `stop`. */
  async start(): Promise<void> {
    const sample = await this.#look();
    for (const uuid of this.#options.foreign) {
      const node = asKept(sample[0].get(uuid) ?? sample[1].get(uuid));
      if (node === undefined) throw new Error(`the foreign node ${uuid} is in neither Ironic`);
      this.#foreign.set(uuid, node);
    }
    this.#ended = this.#watch();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#ended;
  }

  async #watch(): Promise<void> {
    while (!this.#stopped) {
      this.#countHadoop();
      try {
        await this.#judge(await this.#look());
        this.samples += 1;
      } catch {
        this.blind += 1;
      }
      await new Promise((resolve) => setTimeout(resolve, PERIOD_MS));
    }
  }

  async #look(): Promise<Sample> {
    const [one, other] = await Promise.all(this.#fleets.map((fleet) => fleet.nodes()));
    return [byUuid(one ?? []), byUuid(other ?? [])];
  }

  async #judge(first: Sample): Promise<void> {
    for (const node of [...first[0].values(), ...first[1].values()]) this.#learn(node);
    this.#judgeForeign(first);
    const suspects = this.#suspicions(first);
    if (suspects.size === 0) return;
    const again = this.#suspicions(await this.#look());
    const still = again.size === 0 ? again : this.#suspicions(await this.#look());
    for (const what of still) if (suspects.has(what) && again.has(what)) this.#violated(what);
  }

  #suspicions([one, other]: Sample): Set<string> {
    const found = new Set<string>();
    for (const [uuid, wanted] of this.#options.driverInfo) {
      const copies = [one.get(uuid), other.get(uuid)].filter((node) => node !== undefined);
      if (copies.length === 0) found.add(`${uuid} is in neither Ironic`);
      else if (!copies.some((copy) => holds(copy['driver_info'] as Json, wanted))) {
        found.add(`the driver_info of ${uuid} is whole in neither Ironic`);
      }
      const managing = copies.filter((copy) => !INERT.includes(String(copy['provision_state'])));
      if (managing.length > 1) found.add(`both Ironics manage ${uuid}`);
    }
    return found;
  }

  #judgeForeign([one, other]: Sample): void {
    for (const [uuid, before] of this.#foreign) {
      const now = asKept(one.get(uuid) ?? other.get(uuid));
      if (!isDeepStrictEqual(now, before)) this.#violated(`the foreign node ${uuid} was changed`);
    }
  }

  #learn(node: Json): void {
    const mark = (node['extra'] as Json | undefined)?.['ephyra'] as Json | undefined;
    if (typeof mark?.['deployment'] === 'string') this.deployments.add(mark['deployment']);
  }

  #countHadoop(): void {
    const { nodes } = this.#options.hadoop.fleet();
    const serving = ['in service', 'active', 'standby', 'up'];
    const out = nodes.filter(({ state }) => !serving.includes(state));
    this.mostOut = Math.max(this.mostOut, out.length);
    if (out.length > this.#options.maxUnavailable) {
      this.#violated(
        `${out.length} Hadoop nodes are out: ${out.map(({ name, state }) => `${name} ${state}`).join(', ')}`,
      );
    }
  }

  #violated(what: string): void {
    if (!this.violations.includes(what)) this.violations.push(what);
  }
}

/** Everything that is wanted; more does no harm. */
const holds = (has: Json, wanted: Json): boolean =>
  Object.entries(wanted).every(([key, value]) => isDeepStrictEqual(has[key], value));

/** Without what an Ironic works out anew at every look. */
function asKept(node: Json | undefined): Json | undefined {
  if (node === undefined) return undefined;
  const { conductor: _, links: __, ...kept } = node;
  return kept;
}

const byUuid = (nodes: readonly Json[]): ByUuid => new Map(nodes.map((node) => [String(node['uuid']), node]));
