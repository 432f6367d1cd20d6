import type { Change } from '../../../src/deployments/types.ts';
import type { ChangeEvent } from '../../../src/sandbox/openstack/types.ts';
import type { Member } from './application.ts';

/**
 * What lines of the trace say. They hold no more than that: views and records are large, and the trace keeps hundreds.
 */

/** A change of a cloud. */
export function changeOf({ controlPlane, kind, uuid, before, after }: ChangeEvent): () => string {
  const field = FIELD_OF[kind];
  const [from, to] = field === undefined ? [] : [before?.[field], after?.[field]];
  return () => {
    const values = field === undefined ? '' : ` ${String(from)} -> ${String(to)}`;
    return `   ${controlPlane} ${kind} ${uuid.slice(-4)}${values}`;
  };
}

const FIELD_OF: Readonly<Partial<Record<string, string>>> = {
  'node.provision_state': 'provision_state',
  'node.power_state': 'power_state',
  'node.reservation': 'reservation',
  'node.instance': 'instance_uuid',
  'node.maintenance': 'maintenance',
  'instance.status': 'status',
  'instance.task_state': 'taskState',
  'provider.reserved': 'reserved',
  'provider.usage': 'consumer',
};

export const memberOf = (member: Member): string =>
  `${member.name} ${member.state}${member.up ? '' : ' (down)'} at ${member.address ?? '-'}`;

export function tellOf(change: Change): () => string {
  if (change.kind === 'notice') return () => `      tells notice ${change.message}`;
  const { event } = change;
  if (change.kind === 'lock') return () => `      tells lock ${String(event)}`;
  const { state } = change.deployment;
  return () => `      tells ${state} ${JSON.stringify(event)}`;
}
