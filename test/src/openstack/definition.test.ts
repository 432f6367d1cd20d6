import { describe, expect, it } from 'vitest';
import { Failure } from '../../../machines/errors.ts';
import {
  afterCreateCalls,
  collectDefinitions,
  compareDefinitions,
  type Definition,
  describeDifferences,
  findMaskedSecrets,
  MASK,
  nodeCreateBody,
  nodeDetailSchema,
  overlaySecrets,
  portCreateBody,
  portDetailSchema,
  portgroupCreateBody,
  portgroupDetailSchema,
} from '../../../src/openstack/ironic/index.ts';
import { sample } from './support.ts';

const MASKED_NODE = nodeDetailSchema.parse(sample('ironic-node-active').response.body);
const NODE = {
  ...MASKED_NODE,
  driver_info: { ...MASKED_NODE.driver_info, ipmi_password: 'bmc-secret-01' },
};
const PORTS = sample('ironic-ports-detail').response.body.ports.map((it: unknown) => portDetailSchema.parse(it));
const GROUP = portgroupDetailSchema.parse({
  ...sample('ironic-portgroup-created-201').response.body,
  node_uuid: NODE.uuid,
});

const definition = (more: Partial<Definition> = {}): Definition => ({
  node: NODE,
  ports: PORTS,
  portgroups: [],
  traits: ['CUSTOM_A', 'CUSTOM_B'],
  ...more,
});

/** The fields that Ironic's own schema takes in a create (FACTS, section 3). */
const ACCEPTED = [
  'uuid name driver driver_info properties extra resource_class description automated_clean chassis_uuid',
  'conductor_group owner lessee network_data retired retired_reason shard bios_interface boot_interface',
  'console_interface deploy_interface inspect_interface management_interface network_interface power_interface',
  'raid_interface rescue_interface storage_interface vendor_interface',
].flatMap((line) => line.split(' '));

describe('the body that creates a node elsewhere', () => {
  it('has every field that is set and may be copied, and no other', () => {
    const body = nodeCreateBody(NODE);
    expect(body).toMatchObject({
      uuid: NODE.uuid,
      name: 'node-01',
      driver: 'fake-hardware',
      driver_info: { ipmi_password: 'bmc-secret-01', ipmi_address: '10.9.0.1' },
      resource_class: 'bm-master',
      console_interface: 'no-console',
      extra: { role: 'hadoop-master', rack: 'r1' },
    });
    for (const field of Object.keys(body)) expect(ACCEPTED).toContain(field);
    expect(body).not.toHaveProperty('instance_uuid');
    expect(body).not.toHaveProperty('conductor_group');
    expect(body).not.toHaveProperty('network_data');
  });

  it('takes everything accepted when everything is set', () => {
    const full = {
      ...NODE,
      automated_clean: false,
      chassis_uuid: 'ch',
      conductor_group: 'rack-1',
      lessee: 'someone',
      network_data: { links: [] },
      retired: true,
      retired_reason: 'old',
      shard: 's1',
    };
    expect(Object.keys(nodeCreateBody(full, { ownerAllowed: true })).sort()).toEqual([...ACCEPTED].sort());
  });

  it('leaves the owner to Ironic unless it may be copied', () => {
    expect(nodeCreateBody(NODE)).not.toHaveProperty('owner');
    expect(nodeCreateBody(NODE, { ownerAllowed: true })).toHaveProperty('owner', NODE.owner);
  });

  it('takes driver_info and extra from elsewhere when told', () => {
    const body = nodeCreateBody(MASKED_NODE, { driverInfo: { a: 'b' }, extra: { ephyra: { v: 1 } } });
    expect(body).toMatchObject({ driver_info: { a: 'b' }, extra: { ephyra: { v: 1 } } });
  });

  it('is refused while a secret in it is masked, with the policy line as remedy', () => {
    try {
      nodeCreateBody(MASKED_NODE);
      expect.unreachable();
    } catch (thrown) {
      expect(thrown).toBeInstanceOf(Failure);
      expect(thrown).toMatchObject({ reason: 'secret_masked', next: 'stop' });
      expect((thrown as Failure).message).toContain('driver_info.ipmi_password');
      expect((thrown as Failure).remedy).toContain('"show_password": "role:admin"');
    }
    expect(() => nodeCreateBody(NODE, { extra: { deep: [{ token: MASK }] } })).toThrow(/extra\.deep\.0\.token/);
  });
});

describe('ports and portgroups', () => {
  it('keep uuid, address and wiring; what belongs to the instance stays behind', () => {
    const port = { ...PORTS[0], extra: { vif_port_id: 'x', cable: 'red' }, pxe_enabled: false };
    expect(portCreateBody(port)).toEqual({
      node_uuid: NODE.uuid,
      uuid: port.uuid,
      address: '52:54:00:00:01:00',
      extra: { cable: 'red' },
      physical_network: 'physnet1',
      local_link_connection: { switch_id: '00:11:22:33:44:55', port_id: 'Eth1/2', switch_info: 'leaf-1' },
      pxe_enabled: false,
    });
  });

  it('stay together, also when a portgroup has another uuid there', () => {
    const port = { ...PORTS[0], portgroup_uuid: GROUP.uuid };
    expect(portCreateBody(port)).toHaveProperty('portgroup_uuid', GROUP.uuid);
    expect(portCreateBody(port, new Map([[GROUP.uuid, 'other']]))).toHaveProperty('portgroup_uuid', 'other');
    expect(portgroupCreateBody(GROUP)).toEqual({
      node_uuid: NODE.uuid,
      uuid: GROUP.uuid,
      address: '52:54:00:aa:00:01',
      name: 'bond0',
      mode: '802.3ad',
      properties: { miimon: '100' },
    });
  });
});

describe('what the create does not take', () => {
  it('is set by later calls: traits and RAID at once, protection when active', () => {
    const node = {
      ...NODE,
      protected: true,
      protected_reason: 'precious',
      target_raid_config: { logical_disks: [] },
    };
    expect(afterCreateCalls({ node, traits: ['B', 'A'] })).toEqual([
      { when: 'enroll', call: 'setTraits', traits: ['A', 'B'] },
      { when: 'enroll', call: 'setTargetRaidConfig', config: { logical_disks: [] } },
      {
        when: 'active',
        call: 'patchNode',
        ops: [
          { op: 'replace', path: '/protected', value: true },
          { op: 'replace', path: '/protected_reason', value: 'precious' },
        ],
      },
    ]);
    expect(afterCreateCalls({ node: NODE, traits: [] })).toEqual([]);
  });
});

describe('comparing definitions', () => {
  it('finds none in a node and its copy: states, times, owner and marker do not count', () => {
    const copy = {
      ...NODE,
      provision_state: 'enroll',
      power_state: null,
      instance_uuid: null,
      instance_info: {},
      owner: 'another',
      created_at: 'later',
      conductor: 'cp2-conductor',
      driver_internal_info: {},
      extra: { ...NODE.extra, ephyra: { v: 1 } },
    };
    const upper = PORTS.map((it: { address: string }) => ({ ...it, address: it.address.toUpperCase() }));
    expect(compareDefinitions(definition(), definition({ node: copy, ports: upper }))).toEqual([]);
  });

  it('takes a field that the other side does not know for its default', () => {
    const { shard: _, lessee: __, ...older } = { ...NODE, shard: null };
    expect(compareDefinitions(definition(), definition({ node: older }))).toEqual([]);
    const sharded = definition({ node: { ...NODE, shard: 's1' } });
    expect(compareDefinitions(sharded, definition({ node: older }))).toEqual([
      { on: 'node', field: 'shard', how: 'missing' },
    ]);
  });

  it.each<[string, Partial<Definition>, string]>([
    [
      'a plain field, with both values',
      { node: { ...NODE, resource_class: 'x' } },
      'node resource_class differs (bm-master / x)',
    ],
    ['a name', { node: { ...NODE, name: null } }, 'node name missing'],
    ['an interface', { node: { ...NODE, boot_interface: 'ipxe' } }, 'node boot_interface differs (fake / ipxe)'],
    ['a property', { node: { ...NODE, properties: { ...NODE.properties, cpus: 17 } } }, 'node properties.cpus differs'],
    ['cleaning turned off', { node: { ...NODE, automated_clean: false } }, 'node automated_clean added'],
    ['retirement', { node: { ...NODE, retired: true } }, 'node retired added'],
    [
      'a RAID wish',
      { node: { ...NODE, target_raid_config: { logical_disks: [1] } } },
      'node target_raid_config.logical_disks added',
    ],
    ['traits', { traits: ['CUSTOM_A'] }, 'node traits differs'],
    ['a port that is not there', { ports: [] }, 'port 52:54:00:00:01:00 missing'],
    ['a port field', { ports: [{ ...PORTS[0], pxe_enabled: false }] }, 'port 52:54:00:00:01:00 pxe_enabled added'],
    [
      'the switch port',
      { ports: [{ ...PORTS[0], local_link_connection: { ...PORTS[0].local_link_connection, port_id: 'Eth9' } }] },
      'port 52:54:00:00:01:00 local_link_connection.port_id differs',
    ],
    ['a portgroup too many', { portgroups: [GROUP] }, 'portgroup b0000000-0000-4000-8000-0000000000a1 added'],
  ])('tells %s', (_, more, line) => {
    expect(describeDifferences(compareDefinitions(definition(), definition(more)))).toBe(line);
  });

  it('names a secret that differs and never shows it', () => {
    const other = { ...NODE, driver_info: { ...NODE.driver_info, ipmi_password: 'changed-secret' } };
    const found = compareDefinitions(definition(), definition({ node: other }));
    expect(found).toEqual([{ on: 'node', field: 'driver_info.ipmi_password', how: 'differs' }]);
    expect(JSON.stringify(found)).not.toMatch(/bmc-secret|changed-secret/);
  });

  it('takes a mask for unknown, and unknown for different, even when both are masked', () => {
    const masked = definition({ node: MASKED_NODE });
    const expected = [{ on: 'node', field: 'driver_info.ipmi_password', how: 'masked' }];
    expect(compareDefinitions(definition(), masked)).toEqual(expected);
    expect(compareDefinitions(masked, masked)).toEqual(expected);
  });

  it('may take a mask for a secret that is set, but not for one that is not', () => {
    const masked = definition({ node: MASKED_NODE });
    expect(compareDefinitions(definition(), masked, { masked: 'accept' })).toEqual([]);
    const { ipmi_password: _, ...without } = NODE.driver_info as Record<string, unknown>;
    const unset = definition({ node: { ...NODE, driver_info: without } });
    expect(compareDefinitions(masked, unset, { masked: 'accept' })).toEqual([
      { on: 'node', field: 'driver_info.ipmi_password', how: 'missing' },
    ]);
  });

  it('counts the owner when asked', () => {
    const other = definition({ node: { ...NODE, owner: 'p2' } });
    expect(compareDefinitions(definition(), other, { owner: true })).toMatchObject([
      { field: 'owner', how: 'differs' },
    ]);
  });
});

describe('masked secrets', () => {
  it('are found anywhere, by their exact value only', () => {
    const info = { a: MASK, deep: { list: ['x', { token: MASK }] }, seven: '*******', text: `x${MASK}` };
    expect(findMaskedSecrets(info)).toEqual(['a', 'deep.list.1.token']);
  });

  it('are filled from a secrets file, and nothing else is', () => {
    const info = { ipmi_password: MASK, ipmi_username: 'root', redfish: { password: MASK }, other_secret: MASK };
    const filled = overlaySecrets(info, { ipmi_password: 'p1', 'redfish.password': 'p2', ipmi_username: 'wrong' });
    expect(filled).toEqual({
      ipmi_password: 'p1',
      ipmi_username: 'root',
      redfish: { password: 'p2' },
      other_secret: MASK,
    });
    expect(findMaskedSecrets(filled)).toEqual(['other_secret']);
    expect(info.ipmi_password).toBe(MASK);
  });
});

describe('three bulk lists', () => {
  it('become one definition per node', () => {
    const second = { ...NODE, uuid: 'n2', traits: undefined };
    const found = collectDefinitions([NODE, second], PORTS, [GROUP]);
    expect(found.get(NODE.uuid)).toEqual({ node: NODE, ports: PORTS, portgroups: [GROUP], traits: NODE.traits });
    expect(found.get('n2')).toMatchObject({ ports: [], portgroups: [], traits: [] });
  });
});
