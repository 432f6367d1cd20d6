import { expect } from 'vitest';
import type { Backend } from './backend.ts';
import { Cloud, login, passwordLogin, SERVICES, type Service, type Token } from './cloud.ts';
import { type Answer, exchange } from './http.ts';
import type { Case } from './suite.ts';
import type { World } from './world.ts';

const REFUSED = {
  error: { code: 401, title: 'Unauthorized', message: 'The request you have made requires authentication.' },
};

const PATHS: Record<Service, string> = {
  identity: '/v3/auth/tokens',
  baremetal: '/v1/nodes',
  compute: '/v2.1/servers',
  placement: '/resource_providers',
  network: '/v2.0/networks',
  image: '/v2/images',
};

const NAMES: Record<Service, string> = {
  identity: 'keystone',
  baremetal: 'ironic',
  compute: 'nova',
  placement: 'placement',
  network: 'neutron',
  image: 'glance',
};

/** A cheap GET with a token of the case's choosing. */
function probe({ cloud }: World, service: Service, token: string | null): Promise<Answer> {
  if (service !== 'identity') return cloud.call(service, 'GET', PATHS[service], { token });
  const headers = token === null ? {} : { 'x-auth-token': token };
  return exchange('GET', cloud.root(service) + PATHS[service], { ...headers, 'x-subject-token': token ?? 'none' });
}

async function statuses(world: World, token: string): Promise<Record<string, number>> {
  const answers = await Promise.all(SERVICES.map((service) => probe(world, service, token)));
  return Object.fromEntries(SERVICES.map((service, i) => [NAMES[service], answers[i]?.status ?? 0]));
}

function all(status: number): Record<string, number> {
  return Object.fromEntries(SERVICES.map((service) => [NAMES[service], status]));
}

async function freshToken(backend: Backend): Promise<string> {
  return (await Cloud.signIn(backend)).token;
}

function expectGranted(answer: Answer<{ token: Token }>): Token {
  expect(answer.status).toBe(201);
  expect(answer.headers['x-subject-token']).toMatch(/^\S{20,}$/);
  const { token } = answer.body;
  const life = Date.parse(token.expires_at) - Date.parse(token.issued_at);
  expect(token.expires_at).toMatch(/Z$/);
  expect(life).toBeGreaterThan(0);
  expect(Date.parse(token.expires_at)).toBeGreaterThan(Date.now());
  return token;
}

export function keystoneCases(): readonly Case[] {
  return [
    {
      id: 'keystone.token.project',
      call: 'keystone POST /v3/auth/tokens -> 201',
      says: 'a password buys a project-scoped token with expiry, roles and catalog',
      run: async ({ backend }) => {
        const token = expectGranted(await login(backend, passwordLogin(backend, 'project')));
        expect(token.project).toMatchObject({ name: backend.admin.project, id: expect.stringMatching(/^\w+$/) });
        expect(token.roles?.map((role) => role.name)).toContain('admin');
        expect(token.user.name).toBe(backend.admin.username);
      },
    },
    {
      id: 'keystone.token.system',
      call: 'keystone POST /v3/auth/tokens (system scope) -> 201',
      says: 'a password buys a system-scoped token that every service accepts',
      run: async (world) => {
        const answer = await login(world.backend, passwordLogin(world.backend, 'system'));
        const token = expectGranted(answer);
        expect(token.system).toEqual({ all: true });
        expect(token.project).toBeUndefined();
        expect(await statuses(world, String(answer.headers['x-subject-token']))).toEqual(all(200));
      },
    },
    {
      id: 'keystone.token.application-credential',
      call: 'keystone POST /v3/auth/tokens (application_credential) -> 201',
      says: 'an application credential buys a token in its own project, without naming a scope',
      run: async (world) => {
        const { id, secret } = await world.backend.applicationCredential();
        const identity = { methods: ['application_credential'], application_credential: { id, secret } };
        const answer = await login(world.backend, { auth: { identity } });
        expect(expectGranted(answer).project?.name).toBe(world.backend.admin.project);
        expect((await probe(world, 'baremetal', String(answer.headers['x-subject-token']))).status).toBe(200);
      },
    },
    {
      id: 'keystone.token.application-credential.wrong',
      call: 'keystone POST /v3/auth/tokens (application_credential) -> 401',
      says: 'a wrong secret is refused like a wrong password',
      run: async ({ backend }) => {
        const { id } = await backend.applicationCredential();
        const identity = { methods: ['application_credential'], application_credential: { id, secret: 'wrong' } };
        const answer = await login(backend, { auth: { identity } });
        expect(answer.status).toBe(401);
        expect(answer.body).toEqual(REFUSED);
      },
    },
    {
      id: 'keystone.token.bad-password',
      call: 'keystone POST /v3/auth/tokens -> 401',
      says: 'a wrong password is refused without a reason',
      run: async ({ backend }) => {
        const answer = await login(backend, passwordLogin(backend, 'project', { password: 'wrong' }));
        expect(answer.status).toBe(401);
        expect(answer.headers['www-authenticate']).toMatch(/^Keystone uri="http/);
        expect(answer.body).toEqual(REFUSED);
      },
    },
    {
      id: 'keystone.token.unknown-project',
      call: 'keystone POST /v3/auth/tokens -> 401',
      says: 'an unknown project is refused with the same text as a wrong password',
      run: async ({ backend }) => {
        const answer = await login(backend, passwordLogin(backend, 'project', { project: 'no-such-project' }));
        expect(answer.status).toBe(401);
        expect(answer.body).toEqual(REFUSED);
      },
    },
    {
      id: 'keystone.token.malformed',
      call: 'keystone POST /v3/auth/tokens -> 400',
      says: 'a body that is no login is a bad request',
      run: async ({ backend }) => {
        const answer = await login(backend, { auth: {} });
        expect(answer.status).toBe(400);
        expect(answer.body).toMatchObject({ error: { code: 400, title: 'Bad Request' } });
      },
    },
    {
      id: 'keystone.catalog',
      call: 'keystone POST /v3/auth/tokens -> 201',
      says: 'the catalog has a public endpoint of every service in the region',
      run: async ({ backend, cloud }) => {
        for (const service of SERVICES) expect(cloud.root(service), service).toMatch(/^http:\/\/[^/]+(\/.*[^/])?$/);
        const regions = cloud.about.catalog?.flatMap((entry) => entry.endpoints).map((endpoint) => endpoint.region_id);
        expect(new Set(regions)).toEqual(new Set([backend.admin.region]));
      },
    },
    {
      id: 'keystone.catalog.compute-url',
      call: 'keystone POST /v3/auth/tokens -> 201',
      says: "nova's and keystone's URLs carry the version, the others' do not",
      run: async ({ cloud }) => {
        const url = (type: string) => cloud.about.catalog?.find((entry) => entry.type === type)?.endpoints[0]?.url;
        expect(url('compute')).toMatch(/\/v2\.1$/);
        expect(url('identity')).toMatch(/\/v3$/);
        for (const type of ['baremetal', 'placement', 'network', 'image']) expect(url(type)).not.toMatch(/\/v\d/);
      },
    },
    {
      id: 'keystone.unscoped',
      call: 'keystone POST /v3/auth/tokens (no scope) -> 201; nova GET /v2.1/servers -> 200',
      says: 'a token without scope has no catalog, and nova shows it an empty list instead of refusing it',
      run: async (world) => {
        const answer = await login(world.backend, passwordLogin(world.backend, 'unscoped'));
        const token = expectGranted(answer);
        expect(token.catalog).toBeUndefined();
        expect(token.project).toBeUndefined();
        const servers = await probe(world, 'compute', String(answer.headers['x-subject-token']));
        expect(servers.status).toBe(200);
        expect(servers.body).toEqual({ servers: [] });
      },
    },
    ...SERVICES.filter((service) => service !== 'image').map((service) => ({
      id: `keystone.refused.${NAMES[service]}`,
      call: `${NAMES[service]} GET ${PATHS[service]} -> 401`,
      says: 'no token and a bad one are refused with the same body',
      run: async (world: World) => {
        for (const token of [null, 'garbage']) {
          const answer = await probe(world, service, token);
          expect(answer.status).toBe(401);
          expect(answer.body).toEqual(REFUSED);
        }
      },
    })),
    {
      id: 'keystone.refused.glance',
      call: 'glance GET /v2/images -> 401',
      says: 'no token and a bad one are refused with a page of HTML, unless JSON alone is accepted',
      run: async ({ cloud }) => {
        for (const token of [null, 'garbage']) {
          const page = await cloud.call('image', 'GET', PATHS.image, {
            token,
            accept: 'application/json, text/plain, */*',
          });
          expect(page.status).toBe(401);
          expect(page.headers['content-type']).toMatch(/^text\/html/);
          expect(page.text).toContain('<title>401 Unauthorized</title>');
          const json = await cloud.call('image', 'GET', PATHS.image, { token });
          expect(json.status).toBe(401);
          expect(json.body).toMatchObject({ code: '401 Unauthorized', title: 'Unauthorized' });
        }
      },
    },
    {
      id: 'keystone.expired',
      call: 'every service GET -> 401',
      says: 'a token is good everywhere until it expires and nowhere after',
      run: async (world) => {
        const seconds = 3;
        const token = await world.backend.shortToken(seconds);
        const since = Date.now();
        expect(await statuses(world, token)).toEqual(all(200));
        await new Promise((wake) => setTimeout(wake, since + (seconds + 1) * 1000 - Date.now()));
        expect(await statuses(world, token)).toEqual(all(401));
        expect((await probe(world, 'baremetal', token)).body).toEqual(REFUSED);
      },
    },
    {
      id: 'keystone.revoked',
      call: 'keystone DELETE /v3/auth/tokens -> 204; every service GET -> 401',
      says: 'a revoked token is refused by every service that had not seen it',
      run: async (world) => {
        const token = await freshToken(world.backend);
        const headers = { 'x-auth-token': world.cloud.token, 'x-subject-token': token };
        const url = `${world.backend.authUrl}/auth/tokens`;
        expect((await exchange('DELETE', url, headers)).status).toBe(204);
        expect(await statuses(world, token)).toEqual(all(401));
        expect((await exchange('GET', url, headers)).status).toBe(404);
      },
    },
  ];
}
