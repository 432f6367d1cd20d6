import { expect } from 'vitest';
import { PINNED, type Versioned, versionHeader } from './cloud.ts';
import { exchange } from './http.ts';
import type { Case } from './suite.ts';
import type { World } from './world.ts';

interface Range {
  readonly min_version?: string;
  readonly version?: string;
  readonly max_version?: string;
}

interface Root {
  readonly default_version?: Range;
  readonly versions: readonly (Range & { readonly id: string })[];
}

const NAMES: Record<Versioned, string> = { baremetal: 'ironic', compute: 'nova', placement: 'placement' };

/** A path that needs a token and no preparation. */
export const PROBES: Record<Versioned, string> = {
  baremetal: '/v1/nodes',
  compute: '/v2.1/servers',
  placement: '/resource_providers',
};

function minor(version: string | undefined): number {
  return Number(version?.split('.')[1]);
}

/** The current major version's range, as `GET /` tells it. */
async function range(world: World, service: Versioned): Promise<{ min: number; max: number; pinned: number }> {
  const answer = await exchange<Root>('GET', `${world.cloud.root(service)}/`, {});
  expect(answer.status).toBe(200);
  const major = PINNED[service].split('.')[0];
  const newest = answer.body.versions.findLast((version) => version.id.startsWith(`v${major}`));
  return {
    min: minor(newest?.min_version),
    max: minor(newest?.max_version ?? newest?.version),
    pinned: minor(PINNED[service]),
  };
}

export function discoveryCases(): readonly Case[] {
  const services: readonly Versioned[] = ['baremetal', 'compute', 'placement'];
  return [
    ...services.map((service) => ({
      id: `discovery.${NAMES[service]}.range`,
      call: `${NAMES[service]} GET / -> 200`,
      says: 'the range of microversions is told without a token and covers the pinned one',
      run: async (world: World) => {
        const { min, max, pinned } = await range(world, service);
        expect(pinned).toBeGreaterThanOrEqual(min);
        expect(pinned).toBeLessThanOrEqual(max);
      },
    })),
    {
      id: 'discovery.ironic.too-high',
      call: 'ironic GET /v1/nodes -> 406',
      says: 'a microversion above the range is refused, with the range in the headers',
      run: async ({ cloud }) => {
        const answer = await cloud.call<{ error_message: string }>('baremetal', 'GET', PROBES.baremetal, {
          version: '1.999',
        });
        expect(answer.status).toBe(406);
        expect(answer.headers['x-openstack-ironic-api-minimum-version']).toBe('1.1');
        expect(minor(String(answer.headers['x-openstack-ironic-api-maximum-version']))).toBeGreaterThanOrEqual(81);
        expect(JSON.parse(answer.body.error_message)).toMatchObject({ code: 406 });
      },
    },
    {
      id: 'discovery.nova.too-high',
      call: 'nova GET /v2.1/servers -> 406',
      says: 'a microversion above the range is refused, with the range in the message alone',
      run: async ({ cloud }) => {
        const answer = await cloud.call<{ computeFault: { code: number; message: string } }>(
          'compute',
          'GET',
          PROBES.compute,
          { version: '2.999' },
        );
        expect(answer.status).toBe(406);
        expect(answer.body.computeFault.code).toBe(406);
        expect(answer.body.computeFault.message).toMatch(
          /^Version 2\.999 is not supported by the API\. Minimum is 2\.1 and maximum is 2\.\d+\.$/,
        );
      },
    },
    {
      id: 'discovery.placement.too-high',
      call: 'placement GET /resource_providers -> 406',
      says: 'a microversion above the range is refused, with the range in the body',
      run: async ({ cloud }) => {
        const answer = await cloud.call<{ errors: { max_version: string; min_version: string }[] }>(
          'placement',
          'GET',
          PROBES.placement,
          { version: '1.999' },
        );
        expect(answer.status).toBe(406);
        expect(answer.body.errors[0]?.min_version).toBe('1.0');
        expect(minor(answer.body.errors[0]?.max_version)).toBeGreaterThanOrEqual(38);
      },
    },
    {
      id: 'discovery.ironic.header',
      call: 'ironic GET /v1/nodes -> 200',
      says: 'the answer names the microversion that was asked for',
      run: async ({ cloud }) => {
        const answer = await cloud.call('baremetal', 'GET', PROBES.baremetal);
        expect(answer.status).toBe(200);
        expect(answer.headers['x-openstack-ironic-api-version']).toBe(PINNED.baremetal);
      },
    },
    {
      id: 'discovery.ironic.no-header',
      call: 'ironic GET /v1/nodes/{name} -> 404',
      says: 'without a version header the oldest API answers, which finds no node by name',
      run: async ({ cloud }) => {
        const answer = await exchange('GET', `${cloud.root('baremetal')}/v1/nodes/lab-f1`, {
          'x-auth-token': cloud.token,
        });
        expect(answer.status).toBe(404);
        expect(answer.headers['x-openstack-ironic-api-version']).toBe('1.1');
      },
    },
    {
      id: 'discovery.nova.header',
      call: 'nova GET /v2.1/servers -> 200',
      says: 'the answer names the microversion that was asked for',
      run: async ({ cloud }) => {
        const answer = await cloud.call('compute', 'GET', PROBES.compute);
        expect(answer.status).toBe(200);
        expect(answer.headers['openstack-api-version']).toBe(versionHeader('compute')['openstack-api-version']);
      },
    },
    {
      id: 'discovery.absence',
      call: 'ironic, nova, placement, glance GET .../{id} -> 404',
      says: 'a 404 names what is missing; that of a path which does not exist names nothing',
      run: async ({ cloud }) => {
        const id = '00000000-0000-4000-8000-000000000000';
        const absent = [
          cloud.ironic('GET', `/v1/nodes/${id}`),
          cloud.ironic('DELETE', `/v1/nodes/${id}`),
          cloud.ironic('GET', `/v1/chassis/${id}`),
          cloud.nova('GET', `/servers/${id}`),
          cloud.nova('DELETE', `/servers/${id}`),
          cloud.nova('GET', `/os-keypairs/${id}`),
          cloud.placement(`/resource_providers/${id}/inventories`),
          cloud.glance(`/images/${id}`),
        ];
        for (const answer of await Promise.all(absent)) {
          expect(answer.status, answer.url).toBe(404);
          expect(answer.text, answer.url).toContain(id);
        }
        const nowhere = [
          cloud.ironic('GET', `/v1/no-such-path/${id}`),
          cloud.nova('GET', `/no-such-path/${id}`),
          cloud.placement(`/no-such-path/${id}`),
          cloud.glance(`/no-such-path/${id}`),
        ];
        for (const answer of await Promise.all(nowhere)) {
          expect(answer.status, answer.url).toBe(404);
          expect(answer.text, answer.url).not.toContain(id);
        }
      },
    },
    {
      id: 'discovery.keystone',
      call: 'keystone GET /v3 -> 200',
      says: 'the version document is told without a token',
      run: async ({ backend }) => {
        const answer = await exchange<{ version: { id: string } }>('GET', backend.authUrl, {});
        expect(answer.status).toBe(200);
        expect(answer.body.version.id).toMatch(/^v3\.\d+$/);
      },
    },
  ];
}
