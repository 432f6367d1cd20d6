import { describe, expect, it } from 'vitest';
import { bootInstance } from '../../../src/actors/actions/instance.ts';
import { Catalogue } from '../../../src/actors/catalogue.ts';
import type { ControlPlane } from '../../../src/openstack/control-plane.ts';
import { OpenStackError } from '../../../src/openstack/errors.ts';
import type { CreateServer } from '../../../src/openstack/nova/schema.ts';
import { BACK, FORWARD, MARK, node } from '../../machines/observations.ts';

const SPEC = {
  flavor: 'bm.role',
  image: 'role-image',
  networks: ['role-net'],
  keyPair: 'ops',
  configDrive: false,
  userData: null,
  metadata: {},
};

function stage() {
  const booted: CreateServer[] = [];
  const there = {
    flavors: [
      { id: 'f-role', name: 'bm.role' },
      { id: 'f-ran', name: 'bm.worker' },
    ],
    images: [
      { id: 'i-role', name: 'role-image', status: 'active' },
      { id: 'image-1', name: 'old-image', status: 'active' },
    ],
    networks: [
      { id: 'n-role', name: 'role-net' },
      { id: 'n-ran', name: 'tenant-net' },
    ],
    keyPairs: ['ops', 'alice'],
    refusal: null as string | null,
  };
  const plane = {
    name: 'cp1',
    nova: {
      listFlavors: async () => there.flavors,
      getKeypair: async (name: string) => (there.keyPairs.includes(name) ? { name, fingerprint: '' } : null),
      createServer: async (body: CreateServer) => {
        if (there.refusal !== null) throw refused(there.refusal);
        booted.push(body);
        return { id: 'new' };
      },
    },
    glance: { listImages: async () => there.images },
    neutron: { listNetworks: async () => there.networks },
  } as unknown as ControlPlane;
  const planes = new Map([['cp1', plane]]);
  const clock = { now: () => 1_000_000 };
  const deps = {
    controlPlanes: planes,
    catalogue: new Catalogue(planes, clock),
    roles: new Map([['hadoop-worker', { boot: { cp1: SPEC } }]]),
  } as unknown as Parameters<typeof bootInstance>[1];
  const marker = { ...MARK, instance: { ...(MARK.instance as NonNullable<typeof MARK.instance>), keyName: 'alice' } };
  const boot = (move = BACK) =>
    bootInstance(
      {
        action: { name: 'bootInstance', at: 'cp1', evidence: [] },
        move,
        signal: new AbortController().signal,
        due: () => true,
        tookAway: false,
        shows: () => () => undefined,
        completed: () => undefined,
        foundGone: () => undefined,
        tells: () => () => undefined,
        starts: () => undefined,
        refused: () => undefined,
        inService: false,
        from: { node: null, instances: [] },
        to: { node: node({ marker }), instances: [] },
      },
      deps,
    );
  return { there, booted, boot };
}

const refused = (message: string) =>
  new OpenStackError({
    controlPlane: 'cp1',
    service: 'nova',
    method: 'POST',
    url: 'http://nova/servers',
    expected: [202],
    status: 400,
    kind: 'bad_request',
    message,
  });

describe('what is booted where the instance once ran', () => {
  it('is what ran there', async () => {
    const { booted, boot } = stage();
    await boot();
    expect(booted[0]).toMatchObject({
      flavorRef: 'f-ran',
      imageRef: 'image-1',
      networks: [{ uuid: 'n-ran' }],
      key_name: 'alice',
    });
  });

  it('has the key pair of the role when our user has none of the name: it was somebody else who booted it', async () => {
    const { there, booted, boot } = stage();
    there.keyPairs = ['ops'];
    await boot();
    expect(booted[0]?.key_name).toBe('ops');
  });

  it('has what the role says in place of what is not there any more, or not to be told apart', async () => {
    const { there, booted, boot } = stage();
    there.flavors = there.flavors.filter(({ id }) => id !== 'f-ran');
    there.images = there.images.filter(({ id }) => id !== 'image-1');
    there.networks.push({ id: 'n-other', name: 'tenant-net' });
    await boot();
    expect(booted[0]).toMatchObject({ flavorRef: 'f-role', imageRef: 'i-role', networks: [{ uuid: 'n-role' }] });
  });

  it('is looked up anew when Nova does not know it: an image of that name may have been uploaded again', async () => {
    const { there, booted, boot } = stage();
    await boot();
    there.images = [{ id: 'i-new', name: 'role-image', status: 'active' }];
    there.refusal = 'Can not find requested image';
    await expect(boot()).rejects.toMatchObject({ reason: 'not_schedulable', next: 'retry' });
    there.refusal = null;
    await boot({ ...FORWARD, from: 'cp2', to: 'cp1' });
    expect(booted[1]?.imageRef).toBe('i-new');
  });
});
