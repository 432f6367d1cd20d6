import { createCatalogue } from './catalogue.ts';
import type { Context, Serve, Settings } from './context.ts';
import { control } from './control.ts';
import { createFaults, type FaultRule, type Faults, type RequestEffect } from './faults.ts';
import { serveGlance } from './glance/service.ts';
import { type Call, finish, isMap, parseCall, reply } from './http.ts';
import { createConductor } from './ironic/conductor.ts';
import { serveIronic } from './ironic/service.ts';
import { createIdentity } from './keystone/identity.ts';
import { serveKeystone } from './keystone/service.ts';
import { serveNeutron } from './neutron/service.ts';
import { createCompute } from './nova/compute.ts';
import { serveNova } from './nova/service.ts';
import { servePlacement } from './placement/service.ts';
import { type Fleet, fleetOf, isManaged, type Snapshot, snapshotOf } from './readout.ts';
import type { NodeRecord } from './records.ts';
import { type Seed, seed } from './seed.ts';
import {
  type ChangeEvent,
  type ControlPlaneOptions,
  type Delays,
  type Quotas,
  type Reply,
  type RequestEvent,
  SANDBOX_DELAYS,
  SERVICES,
  type Service,
  type ServiceRequest,
  type User,
} from './types.ts';
import { createWorld, type Tables } from './world.ts';

/** Left out: as it is. */
export type NodeDisturbance = Partial<
  Pick<NodeRecord, 'provision_state' | 'target_provision_state' | 'reservation' | 'instance_uuid'>
>;

export interface ControlPlane {
  readonly name: string;
  /** Answers one request; at once where the real service does, in its own time (by the clock) where it does not. */
  handle(request: ServiceRequest): Reply | Promise<Reply>;
  /** The service and path that an absolute URL of this control plane's catalog means. */
  resolve(url: string): { readonly service: Service; readonly path: string } | null;
  /** May be changed at any time. */
  readonly delays: Delays;
  readonly quotas: Quotas;
  readonly endpoints: Readonly<Record<Service, string>>;
  /** Addresses for catalog and links from now on. */
  setEndpoints(endpoints: Partial<Record<Service, string>>): void;
  /** Ironic's policy `show_password`, picked up without a restart. */
  setShowPassword(show: boolean): void;
  readonly faults: Faults;
  /** Called in the same turn as each single change of state. The result stops it. */
  onChange(listener: (event: ChangeEvent) => void): () => void;
  /** Called when a request has come to its end. The result stops it. */
  onRequest(listener: (event: RequestEvent) => void): () => void;
  seed(seed: Seed): void;
  fleet(): Fleet;
  snapshot(): Snapshot;
  /** Whether this control plane could switch the node's power now. */
  manages(uuid: string): boolean;
  setMaintenance(node: string, maintenance: boolean, reason?: string): void;
  /**
   * Puts a node into a state that no call asks for: a lock, a transition that nobody works on, what a conductor that died
   * has left. `node` is a uuid or name. @throws Error for an unknown one.
   */
  disturb(node: string, state: NodeDisturbance): void;
  /** Takes something away that an operator has made; names as in the lists. */
  forget(what: {
    readonly flavor?: string;
    readonly image?: string;
    readonly network?: string;
    readonly keypair?: string;
  }): void;
  /** The sandbox's own calls, for a server to mount: see `control.ts`. */
  control(method: string, path: string, body?: unknown): { readonly status: number; readonly body: unknown };
  /** No timer of its own runs on. */
  close(): void;
}

const SERVE: Readonly<Record<Service, Serve>> = {
  keystone: serveKeystone,
  ironic: serveIronic,
  nova: serveNova,
  placement: servePlacement,
  neutron: serveNeutron,
  glance: serveGlance,
};

export const ADMIN: User = {
  name: 'admin',
  password: 'adminpass',
  projects: ['admin'],
  roles: ['admin', 'member', 'reader'],
  system: true,
};

/** One OpenStack control plane, in memory: no sockets, no time and no chance but what it is given. */
export function createControlPlane(options: ControlPlaneOptions): ControlPlane {
  const { name, clock, ids } = options;
  const settings = readSettings(options);
  const world = createWorld(name, clock, createCatalogue(options));
  const identity = createIdentity(clock, ids, options.users ?? [ADMIN], options.tokenLifetime ?? 3_600_000);
  const requestListeners = new Set<(event: RequestEvent) => void>();
  const faults = createFaults({ onAdd: (rule) => begin(rule), onEnd: () => follow() });
  const conductor = createConductor(`${name}-conductor`, () => context);
  const compute = createCompute(`${name}-compute`, () => context);
  const context: Context = {
    name,
    region: options.region ?? 'RegionOne',
    startedAt: clock.now(),
    clock,
    ids,
    settings,
    world,
    faults,
    identity,
    conductor,
    compute,
  };
  let requests = 0;
  compute.watch();

  function begin({ effect, match }: FaultRule): void {
    if (effect.kind === 'tokens-revoked') identity.revokeAll();
    if (effect.kind === 'node-locked') {
      const node = match?.node === undefined ? undefined : nodeCalled(match.node);
      if (node === undefined) throw new Error(`match.node "${match?.node}" is no node of ${name}; a lock needs one`);
      conductor.hold(node, effect.ms);
    }
    follow();
  }

  /** Brings what rules keep up in line with the rules that are there. */
  function follow(): void {
    world.keepHistory(faults.list().some((fault) => fault.effect.kind === 'stale'));
    const limit = faults.standing('tokens-expire');
    if ((limit?.ms ?? null) !== tokenLimit) {
      tokenLimit = limit?.ms ?? null;
      identity.limitLifetime(tokenLimit);
    }
  }
  let tokenLimit: number | null = null;

  function nodeCalled(ident: string): string | undefined {
    if (world.tables.nodes.has(ident)) return ident;
    return [...world.tables.nodes.values()].find((node) => node.name === ident)?.uuid;
  }

  /** Whether a request is about this node: in its path, in its body, or through the instance or port that it names. */
  function speaksOf(wanted: string, call: Call): boolean {
    const uuid = nodeCalled(wanted) ?? wanted;
    const nodeName = world.tables.nodes.get(uuid)?.name ?? wanted;
    const means = (word: unknown) =>
      word === uuid ||
      word === nodeName ||
      world.tables.instances.get(String(word))?.node === uuid ||
      world.tables.ports.get(String(word))?.node_uuid === uuid;
    if (call.segments.some(means)) return true;
    for (const value of call.query.values()) if (means(value)) return true;
    const body = isMap(call.body) ? (isMap(call.body['server']) ? call.body['server'] : call.body) : {};
    return [body['uuid'], body['name'], body['node_uuid'], body['hypervisor_hostname']].some(means);
  }

  function serve(call: Call, tables: Tables): Reply | Promise<Reply> {
    return SERVE[call.service](call, context, tables);
  }

  function ended(call: Call, answer: Reply): Reply {
    if (requestListeners.size > 0) {
      const { service, method, target: path } = call;
      const dropped = answer.dropped === undefined ? {} : { dropped: answer.dropped };
      const event: RequestEvent = {
        at: clock.now(),
        controlPlane: name,
        service,
        method,
        path,
        status: answer.status,
        ...dropped,
      };
      for (const listener of requestListeners) listener(event);
    }
    return answer;
  }

  function withEffect(call: Call, effect: RequestEffect): Reply | Promise<Reply> {
    switch (effect.kind) {
      case 'answer':
        return ended(call, reply(effect.status, effect.body, effect.headers));
      case 'drop':
        return ended(call, DROPPED);
      case 'lose-answer':
        return finish(serve(call, world.tables), (answer) => ended(call, { ...answer, dropped: 'reset' }));
      case 'hang':
        return new Promise(() => undefined);
      case 'delay':
        return new Promise((resolve, reject) => {
          clock.after(effect.ms, () => {
            Promise.resolve(serve(call, world.tables)).then((answer) => resolve(ended(call, answer)), reject);
          });
        });
      case 'stale':
        return finish(serve(call, world.past(clock.now() - effect.ms)), (answer) => ended(call, answer));
    }
  }

  const controlPlane: ControlPlane = {
    name,
    delays: settings.delays,
    quotas: settings.quotas,
    endpoints: settings.endpoints,
    faults,
    handle(request) {
      requests += 1;
      const call = parseCall(request, `req-00000000-0000-4000-8000-${String(requests).padStart(12, '0')}`);
      const down = faults.standing('service-down', call.service);
      if (down !== null)
        return ended(call, down.answer === 503 ? UNAVAILABLE : { ...DROPPED, dropped: down.answer ?? 'refused' });
      const effect = faults.forRequest(call, speaksOf);
      if (effect !== null) return withEffect(call, effect);
      return finish(serve(call, world.tables), (answer) => ended(call, answer));
    },
    resolve(url) {
      for (const service of SERVICES) {
        const base = settings.endpoints[service];
        if (!url.startsWith(base)) continue;
        const next = url.charAt(base.length);
        if (next === '' || next === '/' || next === '?') return { service, path: url.slice(base.length) || '/' };
      }
      return null;
    },
    setEndpoints(endpoints) {
      Object.assign(settings.endpoints, endpoints);
    },
    setShowPassword(show) {
      settings.showPassword = show;
    },
    onChange: (listener) => world.onChange(listener),
    onRequest(listener) {
      requestListeners.add(listener);
      return () => requestListeners.delete(listener);
    },
    seed: (what) => seed(what, context),
    fleet: () => fleetOf(context),
    snapshot: () => snapshotOf(context),
    manages(uuid) {
      const node = world.tables.nodes.get(uuid);
      return node !== undefined && isManaged(node);
    },
    setMaintenance(ident, maintenance, reason) {
      const node = nodeCalled(ident);
      if (node === undefined) throw new Error(`"${ident}" is no node of ${name}`);
      world.change('nodes', node, {
        maintenance,
        maintenance_reason: maintenance ? (reason ?? null) : null,
        updated_at: clock.now(),
      });
    },
    disturb(ident, state) {
      const node = nodeCalled(ident);
      if (node === undefined) throw new Error(`"${ident}" is no node of ${name}`);
      conductor.put(node, state);
    },
    forget({ flavor, image, network, keypair }) {
      const { flavors, images, networks, keypairs } = world.catalogue;
      const drop = (map: Map<string, { readonly name: string }>, wanted: string | undefined) => {
        for (const [key, item] of map) if (item.name === wanted) map.delete(key);
      };
      drop(flavors, flavor);
      drop(images, image);
      drop(networks, network);
      drop(keypairs, keypair);
    },
    control: (method, path, body) => control(controlPlane, method, path, body),
    close: () => compute.close(),
  };
  return controlPlane;
}

const DROPPED: Reply = { status: 0, headers: {}, body: undefined, dropped: 'reset' };
const UNAVAILABLE: Reply = reply(
  503,
  '<html><body><h1>503 Service Unavailable</h1>\nNo server is available to handle this request.\n</body></html>\n',
  {
    'Content-Type': 'text/html',
  },
);

function readSettings(options: ControlPlaneOptions): Settings {
  const minor = (service: 'ironic' | 'nova' | 'placement', standard: number) => {
    const version = options.maxVersions?.[service];
    return version === undefined ? standard : Number(version.split('.')[1]);
  };
  const endpoints = Object.fromEntries(
    SERVICES.map((service) => [service, `http://${service}.${options.name}.test`]),
  ) as Record<Service, string>;
  return {
    showPassword: options.showPassword ?? false,
    bmcReportsPower: options.bmcReportsPower ?? true,
    bmcAccepts: options.bmcAccepts ?? (() => true),
    automatedClean: options.automatedClean ?? true,
    quotas: { instances: -1, cores: -1, ram: -1, ...options.quotas },
    delays: { ...SANDBOX_DELAYS, ...options.delays },
    endpoints: { ...endpoints, ...options.endpoints },
    maxVersions: { ironic: minor('ironic', 82), nova: minor('nova', 93), placement: minor('placement', 39) },
  };
}
