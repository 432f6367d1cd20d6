import type { Faults } from './faults.ts';
import type { Call } from './http.ts';
import type { Conductor } from './ironic/conductor.ts';
import type { Identity, Token } from './keystone/identity.ts';
import type { Compute } from './nova/compute.ts';
import type { Answer } from './router.ts';
import type { Clock, Delays, JsonObject, Quotas, Service } from './types.ts';
import type { Tables, World } from './world.ts';

/** What may be changed while a control plane runs. */
export interface Settings {
  showPassword: boolean;
  bmcReportsPower: boolean;
  readonly bmcAccepts: (uuid: string, driverInfo: JsonObject) => boolean;
  automatedClean: boolean;
  quotas: Quotas;
  readonly delays: Delays;
  /** Without trailing slash. */
  readonly endpoints: Record<Service, string>;
  readonly maxVersions: { readonly ironic: number; readonly nova: number; readonly placement: number };
}

/** One control plane, as its services see it. */
export interface Context {
  readonly name: string;
  readonly region: string;
  /** Where times of things that never change come from. */
  readonly startedAt: number;
  readonly clock: Clock;
  readonly ids: () => string;
  readonly settings: Settings;
  readonly world: World;
  readonly faults: Faults;
  readonly identity: Identity;
  readonly conductor: Conductor;
  readonly compute: Compute;
}

/** A context for one request: who asks, and which world is answered from (a past one under the fault `stale`). */
export interface Visit extends Context {
  readonly tables: Tables;
  readonly token: Token;
  /** Minor part of the microversion asked for, where the service has one. */
  readonly version: number;
}

/** Named one by one: a spread is one of the dearest things that a request does. */
export const visitOf = (context: Context, tables: Tables, token: Token, version: number): Visit => ({
  name: context.name,
  region: context.region,
  startedAt: context.startedAt,
  clock: context.clock,
  ids: context.ids,
  settings: context.settings,
  world: context.world,
  faults: context.faults,
  identity: context.identity,
  conductor: context.conductor,
  compute: context.compute,
  tables,
  token,
  version,
});

export type Serve = (call: Call, context: Context, tables: Tables) => Answer;
