import { z } from 'zod';
import { listAll } from '../paging.ts';
import { type CallOptions, DEFAULT_PAGE_SIZE, type Query, type ServiceClient } from '../service.ts';
import {
  type CreateServer,
  type Flavor,
  flavorSchema,
  type Keypair,
  keypairSchema,
  type Quota,
  quotaSchema,
  type Server,
  serverSchema,
} from './schema.ts';

/** Compute API v2.1. The word is `server` here because it is the API's; everywhere else it is an instance. */
export interface Nova {
  /** Servers of all projects, with everything. Deleted ones are not in it. */
  listServers(o?: CallOptions): Promise<Server[]>;
  getServer(id: string, o?: CallOptions): Promise<Server | null>;
  /**
   * Accepted is not booted: watch the status. Not repeated on a lost answer (see `maybeDone` of the error), for names
   * need not be unique: look for the metadata. 400 `host_unknown`: Nova has not yet noticed the node.
   */
  createServer(body: CreateServer, o?: CallOptions): Promise<{ id: string }>;
  deleteServer(id: string, o?: CallOptions): Promise<'accepted' | 'absent'>;
  /** 409 `wrong_state` when it is stopped, `in_transition` when it is about to. */
  stopServer(id: string, o?: CallOptions): Promise<void>;
  startServer(id: string, o?: CallOptions): Promise<void>;
  /** Public and private ones, with extra specs. */
  listFlavors(o?: CallOptions): Promise<Flavor[]>;
  /** Key pairs belong to a user: only those of ours. */
  listKeypairs(o?: CallOptions): Promise<Keypair[]>;
  getKeypair(name: string, o?: CallOptions): Promise<Keypair | null>;
  quota(projectId: string, o?: CallOptions): Promise<Quota>;
}

/**
 * Nova keeps our token and uses it towards Neutron and Glance while it builds or deletes: one that ends meanwhile leaves
 * the work half done.
 */
const NOVA_WORKS_MS = 15 * 60_000;

/**
 * Asked with any word about pages, Nova leaves out the servers of a cell that it cannot reach, and answers 200 (API guide,
 * "Handling Down Cells"). Asked without, it lists them with little more than an id, and such a list is no answer. Its own
 * page is as long as ours; where that one is full, the servers of the cell are left out even so.
 */
const serversPerPage = ({ pageSize }: ServiceClient): number | undefined =>
  pageSize === DEFAULT_PAGE_SIZE ? undefined : pageSize;

const oneServer = z.object({ server: serverSchema });
const createdServer = z.object({ server: z.object({ id: z.string() }) });
const oneKeypair = z.object({ keypair: keypairSchema });
const oneQuota = z.object({ quota_set: quotaSchema });

export function createNova(client: ServiceClient): Nova {
  const list = <S extends z.ZodType>(
    key: string,
    item: S,
    id: (it: z.output<S>) => string,
    route: string,
    query: Query,
    o?: CallOptions,
  ) =>
    listAll(
      client,
      { key, item, style: 'links', id },
      { method: 'GET', route, query: { limit: client.pageSize, ...query }, expect: [200], signal: o?.signal },
    );
  const action = async (id: string, name: 'os-stop' | 'os-start', o?: CallOptions): Promise<void> => {
    await client.send({
      method: 'POST',
      route: '/servers/{id}/action',
      params: { id },
      body: { [name]: null },
      expect: [202],
      signal: o?.signal,
      due: o?.due,
    });
  };

  return {
    listServers: (o) => {
      const query = { all_tenants: '1', limit: serversPerPage(client) };
      return list('servers', serverSchema, (server) => server.id, '/servers/detail', query, o);
    },
    async getServer(id, o) {
      const answer = await client.jsonOrNull(oneServer, {
        method: 'GET',
        route: '/servers/{id}',
        params: { id },
        expect: [200],
        signal: o?.signal,
      });
      return answer?.server ?? null;
    },
    async createServer(server, o) {
      // The answer also has adminPass: only the id is read.
      const answer = await client.json(createdServer, {
        method: 'POST',
        route: '/servers',
        body: { server },
        expect: [202],
        tokenLastsMs: NOVA_WORKS_MS,
        signal: o?.signal,
        due: o?.due,
      });
      return answer.server;
    },
    async deleteServer(id, o) {
      const answer = await client.send({
        method: 'DELETE',
        route: '/servers/{id}',
        params: { id },
        expect: [204, 404],
        tokenLastsMs: NOVA_WORKS_MS,
        signal: o?.signal,
        due: o?.due,
      });
      return answer.status === 404 ? 'absent' : 'accepted';
    },
    stopServer: (id, o) => action(id, 'os-stop', o),
    startServer: (id, o) => action(id, 'os-start', o),
    listFlavors: (o) => list('flavors', flavorSchema, (it) => it.id, '/flavors/detail', { is_public: 'None' }, o),
    async listKeypairs(o) {
      const wrapped = await list('keypairs', oneKeypair, (it) => it.keypair.name, '/os-keypairs', {}, o);
      return wrapped.map((it) => it.keypair);
    },
    async getKeypair(name, o) {
      const answer = await client.jsonOrNull(oneKeypair, {
        method: 'GET',
        route: '/os-keypairs/{name}',
        params: { name },
        expect: [200],
        signal: o?.signal,
      });
      return answer?.keypair ?? null;
    },
    async quota(projectId, o) {
      const answer = await client.json(oneQuota, {
        method: 'GET',
        route: '/os-quota-sets/{project}/detail',
        params: { project: projectId },
        expect: [200],
        signal: o?.signal,
      });
      return answer.quota_set;
    },
  };
}
