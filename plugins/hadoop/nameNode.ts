import { z } from 'zod';
import { type GetJson, NoAnswer } from './http.ts';
import { parse } from './resourceManager.ts';
import type { Endpoint } from './schema.ts';
import { type ServiceView, theActive } from './services.ts';

/** A DataNode as the active NameNode lists it. */
export interface HdfsNode {
  /** Lower case, without the port. */
  readonly host: string;
  /** IP address that it transfers blocks on. */
  readonly address: string;
  readonly alive: boolean;
  /** AdminStates verbatim: "In Service", "Decommission In Progress", "Decommissioned", ... */
  readonly adminState: string;
  /** Seconds since its last heartbeat. */
  readonly lastContact: number;
  /** While it leaves: blocks that have too few replicas elsewhere. Null when it is in no list of leaving nodes. */
  readonly blocksLeft: number | null;
}

/** What HDFS says, as one look. */
export interface HdfsView {
  readonly services: readonly ServiceView[];
  /** Why nothing is known of the nodes; null when it is. */
  readonly problem: string | null;
  readonly nodes: ReadonlyMap<string, readonly HdfsNode[]>;
  /** The lists have as many nodes as the NameNode counts. */
  readonly complete: boolean;
  /** Empty when off. */
  readonly safeMode: string;
  readonly missingBlocks: number;
  readonly corruptBlocks: number;
  /** Blocks with too few replicas, those of leaving nodes not counted. */
  readonly underReplicatedBlocks: number;
}

const beans = z.object({ beans: z.array(z.looseObject({ name: z.string() })) });

const statusBean = z.object({ State: z.string() });
const stateBean = z.object({
  FSState: z.string(),
  UnderReplicatedBlocks: z.number(),
  NumLiveDataNodes: z.number(),
  NumDeadDataNodes: z.number(),
});
const systemBean = z.object({ MissingBlocks: z.number(), CorruptBlocks: z.number() });

/** Tables inside JMX are JSON in a string. */
const table = <T extends z.ZodType>(row: T) =>
  z.string().transform((text, context) => {
    try {
      return z.record(z.string(), row).parse(JSON.parse(text));
    } catch (error) {
      context.addIssue({
        code: 'custom',
        message: error instanceof Error ? error.message.slice(0, 200) : 'not a table',
      });
      return z.NEVER;
    }
  });
const liveRow = z.object({ xferaddr: z.string().default(''), adminState: z.string(), lastContact: z.number() });
const deadRow = z.object({
  xferaddr: z.string().default(''),
  lastContact: z.number().default(Number.MAX_SAFE_INTEGER),
  decommissioned: z.boolean().default(false),
  // Missing before Hadoop 3.0.
  adminState: z.string().optional(),
});
const leavingRow = z.object({ underReplicatedBlocks: z.number() });
const infoBean = z.object({
  Safemode: z.string(),
  LiveNodes: table(liveRow),
  DeadNodes: table(deadRow),
  DecomNodes: table(leavingRow),
  // Missing before Hadoop 2.9.
  EnteringMaintenanceNodes: table(leavingRow).optional(),
});

const NAME = 'Hadoop:service=NameNode,name=';

/** Asks every NameNode for its state (two calls), and the active one for all DataNodes (two more). */
export async function readHdfs(get: GetJson, endpoints: readonly Endpoint[]): Promise<HdfsView> {
  const services = await Promise.all(endpoints.map((endpoint) => haState(get, endpoint)));
  const nothing = {
    services,
    nodes: new Map<string, HdfsNode[]>(),
    complete: false,
    safeMode: '',
    missingBlocks: 0,
    corruptBlocks: 0,
    underReplicatedBlocks: 0,
  };
  const active = theActive('NameNode', services);
  if ('problem' in active) return { ...nothing, problem: active.problem };
  try {
    const { url } = active.endpoint;
    const [info, found] = await Promise.all([jmx(get, url, 'NameNodeInfo'), jmx(get, url, 'FSNamesystem*')]);
    const node = bean(info, 'NameNodeInfo', infoBean, url);
    const state = bean(found, 'FSNamesystemState', stateBean, url);
    const system = bean(found, 'FSNamesystem', systemBean, url);
    const leaving = { ...node.EnteringMaintenanceNodes, ...node.DecomNodes };
    const leavingLow = Object.values(leaving).reduce((sum, row) => sum + row.underReplicatedBlocks, 0);
    return {
      services,
      problem: null,
      nodes: nodesOf(node, leaving),
      complete:
        Object.keys(node.LiveNodes).length === state.NumLiveDataNodes &&
        Object.keys(node.DeadNodes).length === state.NumDeadDataNodes,
      safeMode: node.Safemode,
      missingBlocks: system.MissingBlocks,
      corruptBlocks: system.CorruptBlocks,
      // A block on two leaving nodes is in the sum twice; the next look after they have left counts it rightly.
      underReplicatedBlocks: Math.max(0, state.UnderReplicatedBlocks - leavingLow),
    };
  } catch (error) {
    if (error instanceof NoAnswer) return { ...nothing, problem: `the NameNode ${error.message}` };
    throw error;
  }
}

function nodesOf(
  info: z.output<typeof infoBean>,
  leaving: Readonly<Record<string, { underReplicatedBlocks: number }>>,
): Map<string, HdfsNode[]> {
  const nodes = new Map<string, HdfsNode[]>();
  const add = (key: string, node: Omit<HdfsNode, 'host' | 'blocksLeft'>) => {
    const host = withoutPort(key).toLowerCase();
    const entry = { host, blocksLeft: leaving[key]?.underReplicatedBlocks ?? null, ...node };
    nodes.set(host, [...(nodes.get(host) ?? []), entry]);
  };
  for (const [key, row] of Object.entries(info.LiveNodes)) {
    const { adminState, lastContact } = row;
    add(key, { address: withoutPort(row.xferaddr), alive: true, adminState, lastContact });
  }
  for (const [key, row] of Object.entries(info.DeadNodes)) {
    const adminState = row.adminState ?? (row.decommissioned ? 'Decommissioned' : 'In Service');
    add(key, { address: withoutPort(row.xferaddr), alive: false, adminState, lastContact: row.lastContact });
  }
  return nodes;
}

async function haState(get: GetJson, endpoint: Endpoint): Promise<ServiceView> {
  try {
    const [status, system] = await Promise.all([
      jmx(get, endpoint.url, 'NameNodeStatus'),
      jmx(get, endpoint.url, 'FSNamesystemState'),
    ]);
    const state = bean(status, 'NameNodeStatus', statusBean, endpoint.url).State;
    const { FSState } = bean(system, 'FSNamesystemState', z.object({ FSState: z.string() }), endpoint.url);
    return {
      endpoint,
      state: state === 'active' || state === 'standby' ? state : 'other',
      why: state,
      safeMode: FSState !== 'Operational',
    };
  } catch (error) {
    if (error instanceof NoAnswer) return { endpoint, state: 'silent', why: error.message };
    throw error;
  }
}

async function jmx(get: GetJson, url: string, name: string): Promise<z.output<typeof beans>> {
  return parse(beans, await get(`${url}/jmx?qry=${NAME}${name}`), url, 'JMX beans');
}

function bean<T extends z.ZodType>(from: z.output<typeof beans>, name: string, schema: T, url: string): z.output<T> {
  const found = from.beans.find((one) => one.name === `${NAME}${name}`);
  if (!found) throw new NoAnswer(`${new URL(url).host}: there is no JMX bean ${name}`);
  return parse(schema, found, url, name);
}

/** `host:9866` → `host`; IPv6 addresses arrive in brackets or bare. */
export function withoutPort(text: string): string {
  const match = /^\[(.+)\](?::\d+)?$|^([^:]+)(?::\d+)?$|^(.*):\d+$/.exec(text);
  return match?.[1] ?? match?.[2] ?? match?.[3] ?? text;
}
