import { createControlPlane, listen, randomIds, systemClock } from '../../../src/sandbox/openstack/index.ts';
import type { Backend } from './backend.ts';
import { Cloud } from './cloud.ts';

const admin = {
  username: 'admin',
  password: 'adminpass',
  userDomain: 'Default',
  project: 'admin',
  projectDomain: 'Default',
  region: 'RegionOne',
};

/** A control plane of the sandbox's emulator on free ports of loopback, with hardware as fake as the real stack's. */
export async function emulatorBackend(): Promise<Backend> {
  const credential = { id: 'a'.repeat(32), name: 'contract', secret: 'a-secret', project: admin.project };
  const plane = createControlPlane({
    name: 'cp2',
    clock: systemClock,
    ids: randomIds,
    // As quick as can be, while every state can still be seen by someone who looks.
    delays: {
      power: 20,
      verify: 20,
      clean: 40,
      deploy: 60,
      teardown: 20,
      schedule: 10,
      network: 200,
      purge: 20,
      lockRetry: 20,
      resourceInterval: 1000,
    },
    showPassword: true,
    bmcReportsPower: false,
    users: [
      {
        name: admin.username,
        password: admin.password,
        projects: [admin.project],
        roles: ['admin', 'member', 'reader'],
        system: true,
        applicationCredentials: [credential],
      },
    ],
  });
  const listening = await listen(plane);

  const backend: Backend = {
    name: 'emulator',
    authUrl: `${listening.urls.keystone}/v3`,
    admin,
    contents: {
      network: 'tenant-net',
      image: 'hadoop-image',
      keyPair: 'ops',
      worker: { flavor: 'bm.hadoop-worker', resourceClass: 'bm-worker', trait: 'CUSTOM_HADOOP_WORKER' },
      master: { flavor: 'bm.hadoop-master', resourceClass: 'bm-master', trait: 'CUSTOM_HADOOP_MASTER' },
      block: '10.2.0',
    },
    pollMs: 10,
    patienceMs: 5_000,
    lockNode: async (uuid) => plane.disturb(uuid, { reservation: 'cp2-conductor' }),
    unlockNode: async (uuid) => plane.disturb(uuid, { reservation: null }),
    beginTransition: async (uuid) =>
      plane.disturb(uuid, { provision_state: 'cleaning', target_provision_state: 'available' }),
    settleNode: async (uuid, state) =>
      plane.disturb(uuid, { provision_state: state, target_provision_state: null, reservation: null }),
    strandNode: async (uuid, instance) =>
      plane.disturb(uuid, {
        provision_state: 'deploy failed',
        target_provision_state: 'active',
        instance_uuid: instance,
      }),
    failCleaning: async (world, lab, fails) => {
      const path = '/driver_info/cleaning_network';
      await world.patch(lab, fails ? { op: 'add', path, value: 'no-such-net' } : { op: 'remove', path });
    },
    setShowPassword: async (shown) => plane.setShowPassword(shown),
    shortToken: async (seconds) => {
      const fault = plane.faults.add({ effect: { kind: 'tokens-expire', ms: seconds * 1000 } });
      const { token } = await Cloud.signIn(backend);
      plane.faults.remove(fault);
      return token;
    },
    applicationCredential: async () => ({ id: credential.id, secret: credential.secret }),
    close: () => listening.close(),
  };
  return backend;
}
