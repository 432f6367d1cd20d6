import { z } from 'zod';
import { type GetJson, NoAnswer } from './http.ts';
import type { Endpoint } from './schema.ts';
import { type ServiceView, theActive } from './services.ts';

/** A NodeManager as the active ResourceManager lists it. */
export interface YarnNode {
  /** Lower case. */
  readonly host: string;
  /** NodeState verbatim. */
  readonly state: string;
  readonly containers: number;
  readonly healthReport: string;
}

/** What YARN says, as one look. */
export interface YarnView {
  readonly services: readonly ServiceView[];
  /** Why nothing is known of the nodes; null when it is. */
  readonly problem: string | null;
  /**
   * By host. A host can have several entries (an old registration beside the new one, where NodeManager ports are
   * not fixed).
   */
  readonly nodes: ReadonlyMap<string, readonly YarnNode[]>;
  /** The list has as many nodes as the ResourceManager counts: who is not in it is not there. */
  readonly complete: boolean;
  /** Which process leads: another value after a failover or a restart. Null when that is not known. */
  readonly leader: string | null;
  /**
   * The leader has led for a while. A new one starts with an empty list that fills as the nodes report: until then
   * nobody is absent.
   */
  readonly settled: boolean;
}

const infoAnswer = z.object({ clusterInfo: z.object({ haState: z.string(), startedOn: z.number().default(0) }) });

/** A list of one can arrive as the one; no nodes as null or nothing. */
const nodeEntry = z.object({
  nodeHostName: z.string(),
  state: z.string(),
  numContainers: z.number().default(0),
  healthReport: z.string().nullish(),
});
const nodesAnswer = z.object({
  nodes: z
    .union([z.null(), z.literal(''), z.object({ node: z.union([z.array(nodeEntry), nodeEntry, z.null()]).optional() })])
    .optional(),
});

const metricsAnswer = z.object({ clusterMetrics: z.object({ totalNodes: z.number() }) });

/**
 * Asks every ResourceManager which one is active, and that one for all nodes: two calls more than there are of them.
 * `settled` tells whether the process that leads has done so for a while.
 */
export async function readYarn(
  get: GetJson,
  endpoints: readonly Endpoint[],
  settled: (leader: string) => boolean,
): Promise<YarnView> {
  const services = await Promise.all(endpoints.map((endpoint) => haState(get, endpoint)));
  const nothing = { services, nodes: new Map<string, YarnNode[]>(), complete: false, leader: null, settled: false };
  const active = theActive('ResourceManager', services);
  if ('problem' in active) return { ...nothing, problem: active.problem };
  try {
    const url = active.endpoint.url;
    const [nodes, metrics] = await Promise.all([
      get(`${url}/ws/v1/cluster/nodes`).then((answer) => parse(nodesAnswer, answer, url, 'nodes')),
      get(`${url}/ws/v1/cluster/metrics`).then((answer) => parse(metricsAnswer, answer, url, 'metrics')),
    ]);
    const inner =
      nodes.nodes === null || nodes.nodes === undefined || nodes.nodes === '' ? undefined : nodes.nodes.node;
    const list = inner === undefined || inner === null ? [] : Array.isArray(inner) ? inner : [inner];
    const byHost = new Map<string, YarnNode[]>();
    for (const entry of list) {
      const host = entry.nodeHostName.toLowerCase();
      const node = {
        host,
        state: entry.state,
        containers: entry.numContainers,
        healthReport: entry.healthReport ?? '',
      };
      byHost.set(host, [...(byHost.get(host) ?? []), node]);
    }
    const startedOn = services.find((service) => service.endpoint === active.endpoint)?.startedOn ?? 0;
    const leader = `${active.endpoint.id} ${startedOn}`;
    return {
      services,
      problem: null,
      nodes: byHost,
      complete: list.length === metrics.clusterMetrics.totalNodes,
      leader,
      settled: settled(leader),
    };
  } catch (error) {
    if (error instanceof NoAnswer) return { ...nothing, problem: `the ResourceManager ${error.message}` };
    throw error;
  }
}

async function haState(get: GetJson, endpoint: Endpoint): Promise<ServiceView> {
  try {
    const { clusterInfo } = parse(infoAnswer, await get(`${endpoint.url}/ws/v1/cluster/info`), endpoint.url, 'info');
    const state = clusterInfo.haState.toLowerCase();
    return {
      endpoint,
      state: state === 'active' || state === 'standby' ? state : 'other',
      why: clusterInfo.haState,
      startedOn: clusterInfo.startedOn,
    };
  } catch (error) {
    if (error instanceof NoAnswer) return { endpoint, state: 'silent', why: error.message };
    throw error;
  }
}

export function parse<T extends z.ZodType>(schema: T, answer: unknown, url: string, what: string): z.output<T> {
  const parsed = schema.safeParse(answer);
  if (parsed.success) return parsed.data;
  const first = parsed.error.issues[0];
  throw new NoAnswer(
    `${new URL(url).host}: its ${what} are not as documented (${first?.path.join('.')}: ${first?.message})`,
  );
}
