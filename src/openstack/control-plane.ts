import type { CatalogService } from './catalog.ts';
import type { CloudConfig } from './clouds.ts';
import { createGlance, type Glance } from './glance/index.ts';
import { createHttp, type HttpDeps } from './http.ts';
import { createIronic, type Ironic } from './ironic/index.ts';
import { createNeutron, type Neutron } from './neutron/index.ts';
import { createNova, type Nova } from './nova/index.ts';
import { createPlacement, type Placement } from './placement/index.ts';
import { createServiceClient } from './service.ts';
import { createSession } from './session.ts';

/**
 * One OpenStack installation: its services behind one Keystone session. Nothing is sent before the first call; a token
 * is fetched when it is needed, once for all services.
 */
export interface ControlPlane {
  /** As Ephyra's configuration calls it, e.g. `cp1`. */
  readonly name: string;
  readonly ironic: Ironic;
  readonly nova: Nova;
  readonly placement: Placement;
  readonly neutron: Neutron;
  readonly glance: Glance;
  /** The project that we act for; null with system scope. */
  projectId(): Promise<string | null>;
  /** Fetches a token unless there is a good one. Throws OpenStackError `auth` when the credentials are refused. */
  authenticate(signal?: AbortSignal): Promise<void>;
}

/**
 * @param name what errors and call records call the control plane
 * @param cloud from clouds.yaml, see `resolveCloud`
 * @param deps clock and randomness, and what a test or a simulation replaces
 */
export function createControlPlane(name: string, cloud: CloudConfig, deps: HttpDeps): ControlPlane {
  const http = createHttp(name, cloud.tls, deps, cloud.timeoutMs);
  const session = createSession(name, cloud, http, deps.clock);
  const client = (service: CatalogService) =>
    createServiceClient(name, service, session, http, { pageSize: deps.pageSize, now: () => deps.clock.now() });
  return {
    name,
    ironic: createIronic(client('ironic')),
    nova: createNova(client('nova')),
    placement: createPlacement(client('placement')),
    neutron: createNeutron(client('neutron')),
    glance: createGlance(client('glance')),
    projectId: () => session.projectId(),
    authenticate: (signal) => session.authenticate(signal),
  };
}
