import type { Visit } from '../context.ts';
import { type JsonMap, novaTime, zuluTime } from '../http.ts';
import { memo } from '../memo.ts';
import type { FlavorRecord, InstanceRecord } from '../records.ts';

export function novaLinks(base: string, path: string) {
  return [
    { rel: 'self', href: `${base}/v2.1/${path}` },
    { rel: 'bookmark', href: `${base}/${path}` },
  ];
}

export function briefServer(instance: InstanceRecord, base: string): JsonMap {
  return { id: instance.id, name: instance.name, links: novaLinks(base, `servers/${instance.id}`) };
}

/** What a record was last shown as: lists are asked for again and again, and a record that changes is another record. */
const SHOWN = new WeakMap<
  InstanceRecord,
  { readonly version: number; readonly base: string; readonly view: JsonMap }
>();

/** A server as this version shows it; `alone` when it was asked for by id. */
export function wholeServer(instance: InstanceRecord, visit: Visit, alone: boolean): JsonMap {
  if (alone) return shown(instance, visit, true);
  const { version } = visit;
  const base = visit.settings.endpoints.nova;
  const last = SHOWN.get(instance);
  if (last?.version === version && last.base === base) return last.view;
  const view = shown(instance, visit, false);
  SHOWN.set(instance, { version, base, view });
  return view;
}

function shown(instance: InstanceRecord, visit: Visit, alone: boolean): JsonMap {
  const { version } = visit;
  const base = visit.settings.endpoints.nova;
  const placed = instance.node !== null;
  const deleted = instance.status === 'DELETED';
  const since = (minor: number, fields: JsonMap) => (version >= minor ? fields : {});
  const busy = instance.status === 'ACTIVE' || instance.status === 'BUILD';
  return {
    id: instance.id,
    name: instance.name,
    status: instance.status,
    tenant_id: instance.projectId,
    user_id: instance.userId,
    metadata: instance.metadata,
    hostId: placed ? hostIdOf(`${instance.projectId}${visit.compute.host}`) : '',
    image: { id: instance.imageId, links: [{ rel: 'bookmark', href: `${base}/images/${instance.imageId}` }] },
    flavor: flavorOf(instance.flavor, version, base),
    created: zuluTime(instance.createdAt),
    updated: zuluTime(instance.updatedAt),
    // The ports are there while it spawns; Nova tells of them when it is done.
    addresses: instance.status === 'BUILD' ? {} : instance.addresses,
    accessIPv4: '',
    accessIPv6: '',
    links: novaLinks(base, `servers/${instance.id}`),
    'OS-DCF:diskConfig': 'MANUAL',
    ...(instance.fault === null || instance.status !== 'ERROR'
      ? {}
      : {
          fault: {
            code: instance.fault.code,
            created: zuluTime(instance.fault.created),
            message: instance.fault.message,
            details: '',
          },
        }),
    ...(busy ? { progress: 0 } : {}),
    'OS-EXT-AZ:availability_zone': placed ? 'nova' : '',
    config_drive: instance.configDrive ? 'True' : '',
    key_name: instance.keyName,
    'OS-SRV-USG:launched_at': novaTime(instance.launchedAt),
    'OS-SRV-USG:terminated_at': novaTime(instance.terminatedAt),
    ...(deleted ? {} : { security_groups: [{ name: 'default' }] }),
    'OS-EXT-SRV-ATTR:host': placed ? visit.compute.host : null,
    'OS-EXT-SRV-ATTR:instance_name': `instance-${instance.number.toString(16).padStart(8, '0')}`,
    'OS-EXT-SRV-ATTR:hypervisor_hostname': instance.node,
    ...since(3, {
      'OS-EXT-SRV-ATTR:reservation_id': `r-${instance.id.replaceAll('-', '').slice(0, 8)}`,
      'OS-EXT-SRV-ATTR:launch_index': 0,
      'OS-EXT-SRV-ATTR:hostname': instance.name.toLowerCase(),
      'OS-EXT-SRV-ATTR:kernel_id': '',
      'OS-EXT-SRV-ATTR:ramdisk_id': '',
      'OS-EXT-SRV-ATTR:root_device_name': placed ? '/dev/sda' : null,
      'OS-EXT-SRV-ATTR:user_data': instance.userData,
    }),
    'OS-EXT-STS:task_state': instance.taskState,
    'OS-EXT-STS:vm_state': instance.vmState,
    'OS-EXT-STS:power_state': instance.powerState,
    'os-extended-volumes:volumes_attached': [],
    ...since(16, { host_status: placed && !deleted ? 'UP' : '' }),
    ...since(9, { locked: false }),
    ...since(73, { locked_reason: null }),
    ...since(19, { description: instance.description }),
    ...since(26, { tags: instance.tags }),
    ...since(63, { trusted_image_certificates: null }),
    ...(alone ? since(71, { server_groups: [] }) : {}),
  };
}

function flavorOf(flavor: FlavorRecord, version: number, base: string): JsonMap {
  if (version < 47) return { id: flavor.id, links: [{ rel: 'bookmark', href: `${base}/flavors/${flavor.id}` }] };
  const { vcpus, ram, disk, name, extraSpecs } = flavor;
  return { vcpus, ram, disk, ephemeral: 0, swap: 0, original_name: name, extra_specs: extraSpecs };
}

/** 56 digits that are the same for the same host and project (one text); nothing reads more into them. */
const hostIdOf = memo((of: string): string => {
  const seed = [...of].reduce((sum, letter) => (Math.imul(sum, 31) + (letter.codePointAt(0) ?? 0)) >>> 0, 7);
  let digits = '';
  for (let state = seed; digits.length < 56; state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0)
    digits += state.toString(16).padStart(8, '0');
  return digits.slice(0, 56);
});
