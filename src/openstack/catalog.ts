import { z } from 'zod';
import type { CloudConfig } from './clouds.ts';
import { OpenStackError, type ServiceName } from './errors.ts';

/** The catalog as Keystone v3 puts it into a token. */
export const catalogSchema = z.array(
  z.object({
    type: z.string(),
    name: z.string().nullish(),
    endpoints: z.array(
      z.object({
        interface: z.string(),
        url: z.string(),
        region: z.string().nullish(),
        region_id: z.string().nullish(),
      }),
    ),
  }),
);
export type Catalog = z.infer<typeof catalogSchema>;

/** The services that are found through the catalog. */
export type CatalogService = Exclude<ServiceName, 'keystone'>;

interface ServiceFacts {
  /** Catalog types, the official one first. */
  readonly types: readonly string[];
  /** Version segment that our routes start with; empty for Placement, which has none. */
  readonly version: string;
}

export const CATALOG_SERVICES: Readonly<Record<CatalogService, ServiceFacts>> = {
  ironic: { types: ['baremetal', 'bare-metal'], version: '/v1' },
  nova: { types: ['compute'], version: '/v2.1' },
  placement: { types: ['placement'], version: '' },
  neutron: { types: ['network'], version: '/v2.0' },
  glance: { types: ['image'], version: '/v2' },
};

export interface Endpoint {
  /** What routes are put behind, version included, no slash at the end. */
  readonly base: string;
  /** Where the service's version document is, no slash at the end. */
  readonly root: string;
}

/** A version segment, perhaps with the project id behind it as old catalogs have it. */
const VERSION = /\/v\d+(?:\.\d+)?(\/(?:AUTH_)?[0-9a-f]{32})?$/;

/** Splits what a catalog or a person wrote (`…:6385`, `…/v1`, `…/v2.1/`, `…/v2/<project>`) into base and root. */
export function endpointFrom(service: CatalogService, url: string): Endpoint {
  const trimmed = url.replace(/\/+$/, '');
  const found = VERSION.exec(trimmed);
  const root = found ? trimmed.slice(0, found.index) : trimmed;
  return { root, base: `${root}${CATALOG_SERVICES[service].version}${found?.[1] ?? ''}` };
}

/**
 * The endpoint of a service for this cloud's region and interface.
 * @throws OpenStackError `no_endpoint`, naming what the catalog has instead
 */
export function findEndpoint(
  catalog: Catalog,
  cloud: CloudConfig,
  controlPlane: string,
  service: CatalogService,
): Endpoint {
  const override = cloud.endpointOverrides[service];
  if (override !== undefined) return endpointFrom(service, override);

  const { types } = CATALOG_SERVICES[service];
  const fail = (message: string, remedy: string) =>
    new OpenStackError({
      controlPlane,
      service,
      method: 'GET',
      url: cloud.authUrl,
      expected: [],
      status: null,
      kind: 'no_endpoint',
      message,
      remedy,
    });

  const offered = catalog.filter((entry) => types.includes(entry.type)).flatMap((entry) => entry.endpoints);
  if (offered.length === 0) {
    const has = catalog.map((entry) => entry.type).sort();
    throw fail(
      `the catalog has no service of type ${types[0]}; it has ${has.join(', ') || 'nothing at all'}`,
      has.length === 0
        ? 'Give the cloud a project or a system scope: an unscoped token has no catalog.'
        : `Register the ${types[0]} service in Keystone, or set ${types[0]}_endpoint_override in clouds.yaml.`,
    );
  }

  const regionOf = (endpoint: { region?: string | null | undefined; region_id?: string | null | undefined }) =>
    endpoint.region_id ?? endpoint.region ?? '';
  const regions = [...new Set(offered.map(regionOf))].sort();
  // Catalog order is not fixed: without a region a process could talk to another one after each start.
  if (cloud.region === null && regions.length > 1) {
    throw fail(
      `the catalog has ${types[0]} in the regions ${regions.join(', ')}, and the cloud names none`,
      'Set region_name of this cloud in clouds.yaml.',
    );
  }
  const near = offered.filter((endpoint) => cloud.region === null || regionOf(endpoint) === cloud.region);
  for (const wanted of cloud.interfaces) {
    const found = near.find((endpoint) => endpoint.interface.replace(/URL$/, '') === wanted);
    if (found) return endpointFrom(service, found.url);
  }
  const has = offered.map((endpoint) => `${endpoint.interface} in ${regionOf(endpoint) || 'no region'}`).sort();
  throw fail(
    `the catalog has no ${types[0]} endpoint for interface ${cloud.interfaces.join(' or ')}` +
      `${cloud.region === null ? '' : ` in region ${cloud.region}`}; it has ${has.join(', ')}`,
    'Set region_name and interface of this cloud in clouds.yaml to one of these.',
  );
}
