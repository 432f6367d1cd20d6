import { expect } from 'vitest';
import type { Case } from './suite.ts';
import { ok, type World } from './world.ts';

interface Networks {
  readonly networks: readonly { readonly id: string; readonly name: string; readonly status: string }[];
}

interface Availability {
  readonly network_id: string;
  readonly network_name: string;
  readonly total_ips: number;
  readonly used_ips: number;
}

export async function networkId({ backend, cloud }: World): Promise<string> {
  const answer = ok(await cloud.neutron<Networks>(`/networks?name=${backend.contents.network}`), 200);
  return answer.body.networks[0]?.id ?? '';
}

export function neutronCases(): readonly Case[] {
  return [
    {
      id: 'neutron.networks.by-name',
      call: 'neutron GET /v2.0/networks?name= -> 200',
      says: 'a network is found by its exact name',
      run: async ({ backend, cloud }) => {
        const { network } = backend.contents;
        const answer = await cloud.neutron<Networks>(`/networks?name=${network}`);
        expect(answer.status).toBe(200);
        expect(answer.body.networks).toEqual([
          expect.objectContaining({ name: network, status: 'ACTIVE', id: expect.stringMatching(/^[0-9a-f-]{36}$/) }),
        ]);
      },
    },
    {
      id: 'neutron.networks.unknown-name',
      call: 'neutron GET /v2.0/networks?name= -> 200',
      says: 'an unknown name, and a part of a known one, give an empty list',
      run: async ({ backend, cloud }) => {
        for (const name of ['no-such-net', backend.contents.network.slice(0, -1)]) {
          const answer = await cloud.neutron<Networks>(`/networks?name=${name}`);
          expect(answer.status).toBe(200);
          expect(answer.body.networks).toEqual([]);
        }
      },
    },
    {
      id: 'neutron.network.unknown',
      call: 'neutron GET /v2.0/networks/{network} -> 404',
      says: 'an unknown id is not found',
      run: async ({ cloud }) => {
        const answer = await cloud.neutron('/networks/00000000-0000-4000-8000-000000000000');
        expect(answer.status).toBe(404);
        expect(answer.body).toMatchObject({ NeutronError: { type: 'NetworkNotFound' } });
      },
    },
    {
      id: 'neutron.ip-availabilities',
      call: 'neutron GET /v2.0/network-ip-availabilities -> 200',
      says: 'every network tells how many addresses it has and how many are used',
      run: async (world) => {
        const id = await networkId(world);
        const answer = await world.cloud.neutron<{ network_ip_availabilities: Availability[] }>(
          '/network-ip-availabilities',
        );
        expect(answer.status).toBe(200);
        const filtered = await world.cloud.neutron(`/network-ip-availabilities?network_id=${id}`);
        expect(filtered.body).toEqual({
          network_ip_availabilities: answer.body.network_ip_availabilities.filter(
            (network) => network.network_id === id,
          ),
        });
        const ours = answer.body.network_ip_availabilities.find((network) => network.network_id === id);
        expect(ours?.network_name).toBe(world.backend.contents.network);
        expect(ours?.total_ips).toBeGreaterThan(ours?.used_ips ?? Number.POSITIVE_INFINITY);
        expect(ours?.used_ips).toBeGreaterThanOrEqual(0);
      },
    },
    {
      id: 'neutron.ip-availability',
      call: 'neutron GET /v2.0/network-ip-availabilities/{network} -> 200',
      says: 'the same is told of one network',
      run: async (world) => {
        const id = await networkId(world);
        const answer = await world.cloud.neutron<{ network_ip_availability: Availability }>(
          `/network-ip-availabilities/${id}`,
        );
        expect(answer.status).toBe(200);
        expect(answer.body.network_ip_availability.network_id).toBe(id);
        expect(answer.body.network_ip_availability.total_ips).toBeGreaterThan(0);
      },
    },
    {
      id: 'neutron.ports.unknown-device',
      call: 'neutron GET /v2.0/ports?device_id= -> 200',
      says: 'an unknown device has no ports',
      run: async ({ cloud }) => {
        const answer = await cloud.neutron('/ports?device_id=00000000-0000-4000-8000-000000000000');
        expect(answer.status).toBe(200);
        expect(answer.body).toEqual({ ports: [] });
      },
    },
  ];
}
