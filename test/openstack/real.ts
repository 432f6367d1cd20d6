import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { parse } from 'yaml';
import type { Backend } from '../contract/openstack/backend.ts';
import { Cloud } from '../contract/openstack/cloud.ts';
import { ok } from '../contract/openstack/world.ts';

const stack = fileURLToPath(new URL('stack/', import.meta.url));

/** Where the real stack keeps its state, by the same rule as its scripts. */
export const stateDirectory =
  process.env['REALSTACK_STATE'] ?? join(process.env['TMPDIR'] ?? '/tmp', 'realstack-state');

interface CloudsFile {
  readonly clouds: Record<
    string,
    {
      readonly region_name: string;
      readonly auth: {
        readonly auth_url: string;
        readonly username: string;
        readonly password: string;
        readonly user_domain_name: string;
        readonly project_name: string;
        readonly project_domain_name: string;
      };
    }
  >;
}

/**
 * One control plane of the real stack, as `up` left it.
 * @throws Error when the stack was never brought up.
 */
export async function realBackend(name: 'cp1' | 'cp2'): Promise<Backend> {
  const file = join(stateDirectory, 'clouds.yaml');
  const text = await readFile(file, 'utf8').catch(() => {
    throw new Error(`no real stack: ${file} is missing; bring it up with test/openstack/stack/up`);
  });
  const cloud = (parse(text) as CloudsFile).clouds[name];
  if (cloud === undefined) throw new Error(`${file} has no cloud ${name}`);
  const { auth } = cloud;
  const cleanup: (() => Promise<void>)[] = [];
  let credential: Promise<{ id: string; secret: string }> | undefined;

  const backend: Backend = {
    name: 'real',
    authUrl: auth.auth_url,
    admin: {
      username: auth.username,
      password: auth.password,
      userDomain: auth.user_domain_name,
      project: auth.project_name,
      projectDomain: auth.project_domain_name,
      region: cloud.region_name,
    },
    contents: {
      network: 'tenant-net',
      image: 'hadoop-image',
      keyPair: 'ops',
      worker: { flavor: 'bm.hadoop-worker', resourceClass: 'bm-worker', trait: 'CUSTOM_HADOOP_WORKER' },
      master: { flavor: 'bm.hadoop-master', resourceClass: 'bm-master', trait: 'CUSTOM_HADOOP_MASTER' },
      block: name === 'cp1' ? '10.1.0' : '10.2.0',
    },
    pollMs: 500,
    patienceMs: 90_000,
    lockNode: (uuid) => world(name, 'lock', uuid).then(nothing),
    unlockNode: (uuid) => world(name, 'unlock', uuid).then(nothing),
    beginTransition: (uuid) => world(name, 'transition', uuid).then(nothing),
    settleNode: (uuid, state) => world(name, 'settle', uuid, state).then(nothing),
    strandNode: (uuid, instance) => world(name, 'strand', uuid, instance).then(nothing),
    // A network that is not there is the one way in which fake hardware fails to clean.
    failCleaning: async (lab, node, fails) => {
      const path = '/driver_info/cleaning_network';
      ok(await lab.patch(node, fails ? { op: 'add', path, value: 'no-such-net' } : { op: 'remove', path }), 200);
    },
    setShowPassword: (shown) => world(name, 'show-password', shown ? 'on' : 'off').then(nothing),
    shortToken: async (seconds) => world(name, 'token', String(seconds), (await Cloud.signIn(backend)).token),
    applicationCredential: () => {
      credential ??= createCredential(backend, cleanup);
      return credential;
    },
    close: async () => {
      for (const undo of cleanup) await undo();
    },
  };
  return backend;
}

function nothing(): void {}

/** Runs the stack's `world` script; its last argument, a token, goes by stdin, where no process list shows it. */
async function world(cp: string, what: string, argument: string, last?: string): Promise<string> {
  const token = what === 'token' ? last : undefined;
  const args = [cp, what, argument, ...(last !== undefined && token === undefined ? [last] : [])];
  const running = promisify(execFile)(join(stack, 'world'), args);
  running.child.stdin?.end(token ?? '');
  return (await running).stdout.trim();
}

async function createCredential(backend: Backend, cleanup: (() => Promise<void>)[]) {
  const cloud = await Cloud.signIn(backend);
  const path = `/v3/users/${cloud.about.user.id}/application_credentials`;
  const answer = await cloud.call<{ application_credential: { id: string; secret: string } }>(
    'identity',
    'POST',
    path,
    {
      json: { application_credential: { name: `contract-${Date.now()}` } },
    },
  );
  if (answer.status !== 201) throw new Error(`no application credential: ${answer.status} ${answer.text}`);
  const { id, secret } = answer.body.application_credential;
  cleanup.push(async () => {
    await cloud.call('identity', 'DELETE', `${path}/${id}`);
  });
  return { id, secret };
}
