import { Survey } from '../../../src/actors/survey.ts';
import type { ControlPlane } from '../../../src/openstack/control-plane.ts';
import { UUID } from '../../machines/observations.ts';
import { processTime, VirtualTime } from '../../support/world/time.ts';

/** A node of the bulk list, as Ironic shows it. */
export const SUMMARY = {
  uuid: UUID,
  name: 'node-01',
  provision_state: 'active',
  target_provision_state: null,
  power_state: 'power on',
  instance_uuid: 'i-1',
  maintenance: false,
  maintenance_reason: null,
  protected: false,
  retired: false,
  reservation: null,
  last_error: null,
  resource_class: 'bm-worker',
  extra: {},
};

/** What runs on it, as Nova shows it. */
export const SERVER = {
  id: 'i-1',
  name: 'worker-01',
  status: 'ACTIVE',
  'OS-EXT-STS:task_state': null,
  'OS-EXT-SRV-ATTR:hypervisor_hostname': UUID,
  addresses: {},
  metadata: {},
  flavor: { original_name: 'bm.worker' },
  image: '',
  key_name: null,
  config_drive: '',
  created: '1970-01-01T00:00:05Z',
};

interface Cloud {
  calls: string[];
  nodes: () => Promise<unknown[]>;
  instances: () => Promise<unknown[]>;
  providers: (resources: string | undefined) => Promise<{ uuid: string }[]>;
}

/** Two emulated clouds that count what they are asked, and a survey of them. */
export function stage(takesMs = 0) {
  const time = new VirtualTime(1_000_000);
  const clock = processTime(time);
  const clouds = new Map<string, Cloud>();
  const planes = new Map<string, ControlPlane>();
  for (const name of ['cp1', 'cp2']) {
    const cloud: Cloud = {
      calls: [],
      nodes: async () => (name === 'cp1' ? [SUMMARY] : []),
      instances: async () => [],
      providers: async () => [{ uuid: UUID }],
    };
    const counted = async <T>(what: string, answer: () => Promise<T>): Promise<T> => {
      cloud.calls.push(what);
      if (takesMs > 0) await clock.sleep(takesMs);
      return answer();
    };
    clouds.set(name, cloud);
    planes.set(name, {
      name,
      ironic: { listNodes: () => counted('nodes', () => cloud.nodes()) },
      nova: { listServers: () => counted('instances', () => cloud.instances()) },
      placement: {
        listProviders: (o?: { resources?: string }) =>
          counted(o?.resources === undefined ? 'providers' : `schedulable ${o.resources}`, () =>
            cloud.providers(o?.resources),
          ),
      },
    } as unknown as ControlPlane);
  }
  const survey = new Survey(planes, clock);
  return { time, clock, survey, planes, cp1: clouds.get('cp1') as Cloud, cp2: clouds.get('cp2') as Cloud };
}

/** The question that most tests ask. */
export const NODES = { of: 'nodes', at: 'cp1' } as const;
