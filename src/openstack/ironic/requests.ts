import { z } from 'zod';
import { listAll } from '../paging.ts';
import type { CallOptions, ServiceClient } from '../service.ts';
import {
  type BootDevice,
  bootDeviceSchema,
  type Chassis,
  chassisSchema,
  type Driver,
  driverSchema,
  NODE_SUMMARY_FIELDS,
  type NodeDetail,
  type NodeSummary,
  nodeDetailSchema,
  nodeSummarySchema,
  type PatchOp,
  type PortDetail,
  type PortgroupDetail,
  portDetailSchema,
  portgroupDetailSchema,
} from './schema.ts';

/** The verbs that Ephyra uses; `deleted` undeploys a node that Nova has left behind. */
export type ProvisionVerb = 'manage' | 'provide' | 'deleted';
export type PowerTarget = 'power on' | 'power off';

/**
 * Bare Metal API v1. Lists are whole or an error; what is not found is null (reads) or `absent` (deletes); everything
 * else that is refused is an OpenStackError. 409 `locked` comes after about two seconds, Ironic tries by itself so long.
 *
 * There is no call that sets maintenance, and there must be none: in maintenance Ironic drops its checks and deletes an
 * active node with its instance running (seen: 204).
 */
export interface Ironic {
  /** One call per page, for all nodes: uuid, state, marker and the little else that deciding needs. */
  listNodes(o?: CallOptions): Promise<NodeSummary[]>;
  /** Every field of every node, traits included. `driver_info` is as secret as the policy lets us see it. */
  listNodesDetail(o?: CallOptions): Promise<NodeDetail[]>;
  /** By uuid or name. */
  getNode(node: string, o?: CallOptions): Promise<NodeDetail | null>;
  /** Every field. With `node` (uuid or name) those of one node, else all. */
  listPorts(o?: CallOptions & { node?: string }): Promise<PortDetail[]>;
  listPortgroups(o?: CallOptions & { node?: string }): Promise<PortgroupDetail[]>;
  /** The new node is in `enroll`. 409 `duplicate` for a uuid or name that exists: look and compare, it may be ours. */
  createNode(body: Readonly<Record<string, unknown>>, o?: CallOptions): Promise<NodeDetail>;
  createPort(body: Readonly<Record<string, unknown>>, o?: CallOptions): Promise<PortDetail>;
  createPortgroup(body: Readonly<Record<string, unknown>>, o?: CallOptions): Promise<PortgroupDetail>;
  /** Replaces all traits of the node. */
  setTraits(uuid: string, traits: readonly string[], o?: CallOptions): Promise<void>;
  /** The RAID configuration that the next cleaning is to make; not accepted at create. */
  setTargetRaidConfig(uuid: string, config: Readonly<Record<string, unknown>>, o?: CallOptions): Promise<void>;
  /** Single keys of `driver_info` only, never the whole map: what we read of it may be masked. */
  patchNode(uuid: string, ops: readonly PatchOp[], o?: CallOptions): Promise<NodeDetail>;
  /** Ports, portgroups and traits go with the node. */
  deleteNode(uuid: string, o?: CallOptions): Promise<'deleted' | 'absent'>;
  /** Accepted is not done: watch `provision_state`. A verb that does not fit the state is 400 `wrong_state`. */
  provision(uuid: string, verb: ProvisionVerb, o?: CallOptions): Promise<void>;
  setPower(uuid: string, target: PowerTarget, o?: CallOptions): Promise<void>;
  /**
   * Asks the BMC, in any state, under the lock of the node. 500 when it does not answer or does not take the credentials,
   * 400 when the driver cannot ask. Of these two Ironic's source tells: the nodes of the real control planes have no BMC.
   */
  getBootDevice(uuid: string, o?: CallOptions): Promise<BootDevice>;
  /** Drivers with the interfaces that are enabled. */
  listDrivers(o?: CallOptions): Promise<Driver[]>;
  listChassis(o?: CallOptions): Promise<Chassis[]>;
  getChassis(uuid: string, o?: CallOptions): Promise<Chassis | null>;
  /** The one atomic claim that the clouds offer: of many who create the same uuid one gets it, the others 409 `duplicate`. */
  createChassis(body: ChassisBody, o?: CallOptions): Promise<Chassis>;
  patchChassis(uuid: string, ops: readonly PatchOp[], o?: CallOptions): Promise<Chassis>;
  deleteChassis(uuid: string, o?: CallOptions): Promise<'deleted' | 'absent'>;
}

export interface ChassisBody {
  readonly uuid: string;
  readonly description?: string;
  readonly extra?: Readonly<Record<string, unknown>>;
}

const driversSchema = z.object({ drivers: z.array(driverSchema) });
const byUuid = (item: { uuid: string }) => item.uuid;

export function createIronic(client: ServiceClient): Ironic {
  const list = <S extends z.ZodType<{ uuid: string }>>(
    key: string,
    item: S,
    route: string,
    query: Readonly<Record<string, string | readonly string[] | undefined>>,
    o?: CallOptions,
  ) =>
    listAll(
      client,
      { key, item, style: 'next', id: byUuid },
      { method: 'GET', route, query: { limit: client.pageSize, ...query }, expect: [200], signal: o?.signal },
    );
  const remove = async (route: string, uuid: string, o?: CallOptions): Promise<'deleted' | 'absent'> => {
    const answer = await client.send({
      method: 'DELETE',
      route,
      params: { uuid },
      expect: [204, 404],
      signal: o?.signal,
      due: o?.due,
      fence: o?.fence,
    });
    return answer.status === 404 ? 'absent' : 'deleted';
  };

  return {
    listNodes: (o) => list('nodes', nodeSummarySchema, '/nodes', { fields: NODE_SUMMARY_FIELDS }, o),
    listNodesDetail: (o) => list('nodes', nodeDetailSchema, '/nodes/detail', {}, o),
    getNode: (uuid, o) =>
      client.jsonOrNull(nodeDetailSchema, {
        method: 'GET',
        route: '/nodes/{uuid}',
        params: { uuid },
        expect: [200],
        signal: o?.signal,
      }),
    listPorts: (o) => list('ports', portDetailSchema, '/ports/detail', { node: o?.node }, o),
    listPortgroups: (o) => list('portgroups', portgroupDetailSchema, '/portgroups/detail', { node: o?.node }, o),
    createNode: (body, o) =>
      client.json(nodeDetailSchema, {
        method: 'POST',
        route: '/nodes',
        body,
        expect: [201],
        signal: o?.signal,
        due: o?.due,
      }),
    createPort: (body, o) =>
      client.json(portDetailSchema, { method: 'POST', route: '/ports', body, expect: [201], signal: o?.signal }),
    createPortgroup: (body, o) =>
      client.json(portgroupDetailSchema, {
        method: 'POST',
        route: '/portgroups',
        body,
        expect: [201],
        signal: o?.signal,
      }),
    async setTraits(uuid, traits, o) {
      await client.send({
        method: 'PUT',
        route: '/nodes/{uuid}/traits',
        params: { uuid },
        body: { traits },
        expect: [204],
        signal: o?.signal,
      });
    },
    async setTargetRaidConfig(uuid, config, o) {
      await client.send({
        method: 'PUT',
        route: '/nodes/{uuid}/states/raid',
        params: { uuid },
        body: config,
        expect: [204],
        signal: o?.signal,
      });
    },
    patchNode: (uuid, ops, o) =>
      client.json(nodeDetailSchema, {
        method: 'PATCH',
        route: '/nodes/{uuid}',
        params: { uuid },
        body: ops,
        expect: [200],
        signal: o?.signal,
        due: o?.due,
      }),
    deleteNode: (uuid, o) => remove('/nodes/{uuid}', uuid, o),
    async provision(uuid, target, o) {
      await client.send({
        method: 'PUT',
        route: '/nodes/{uuid}/states/provision',
        params: { uuid },
        body: { target },
        expect: [202],
        signal: o?.signal,
        due: o?.due,
      });
    },
    async setPower(uuid, target, o) {
      await client.send({
        method: 'PUT',
        route: '/nodes/{uuid}/states/power',
        params: { uuid },
        body: { target },
        expect: [202],
        signal: o?.signal,
        due: o?.due,
      });
    },
    getBootDevice: (uuid, o) =>
      client.json(bootDeviceSchema, {
        method: 'GET',
        route: '/nodes/{uuid}/management/boot_device',
        params: { uuid },
        expect: [200],
        signal: o?.signal,
      }),
    async listDrivers(o) {
      const answer = await client.json(driversSchema, {
        method: 'GET',
        route: '/drivers',
        query: { detail: true },
        expect: [200],
        signal: o?.signal,
      });
      return answer.drivers;
    },
    listChassis: (o) => list('chassis', chassisSchema, '/chassis/detail', {}, o),
    getChassis: (uuid, o) =>
      client.jsonOrNull(chassisSchema, {
        method: 'GET',
        route: '/chassis/{uuid}',
        params: { uuid },
        expect: [200],
        signal: o?.signal,
      }),
    createChassis: (body, o) =>
      client.json(chassisSchema, {
        method: 'POST',
        route: '/chassis',
        body,
        expect: [201],
        signal: o?.signal,
        fence: o?.fence,
      }),
    patchChassis: (uuid, ops, o) =>
      client.json(chassisSchema, {
        method: 'PATCH',
        route: '/chassis/{uuid}',
        params: { uuid },
        body: ops,
        expect: [200],
        signal: o?.signal,
        fence: o?.fence,
      }),
    deleteChassis: (uuid, o) => remove('/chassis/{uuid}', uuid, o),
  };
}
