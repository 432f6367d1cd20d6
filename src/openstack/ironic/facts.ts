import { z } from 'zod';
import type { Marker, NodeFacts } from '../../../machines/domain.ts';
import type { NodeSummary } from './schema.ts';

/** Key in `extra` under which a deployment claims a node. */
export const MARKER_KEY = 'ephyra';

const recipeSchema = z.object({
  at: z.string().min(1),
  id: z.string().optional(),
  name: z.string(),
  flavor: z.string().nullable(),
  image: z.string().nullable(),
  networks: z.array(z.string()),
  keyName: z.string().nullable(),
  configDrive: z.boolean(),
  metadata: z.record(z.string(), z.string()),
  addresses: z.array(z.string()),
});

const count = z.number().int().nonnegative();

const markerSchema = z.object({
  v: z.literal(1),
  deployment: z.string().min(1),
  epoch: z.number().int().nonnegative(),
  source: z.string().min(1),
  target: z.string().min(1),
  role: z.string().min(1),
  instance: recipeSchema.nullable(),
  home: recipeSchema.optional(),
  parts: z.object({ ports: count, portgroups: count, traits: count }).optional(),
});

/** The marker in a node's `extra`: null when there is none, `invalid` when there is something that we cannot read. */
export function readMarker(extra: Readonly<Record<string, unknown>>): Marker | 'invalid' | null {
  const found = extra[MARKER_KEY];
  if (found === undefined || found === null) return null;
  const parsed = markerSchema.safeParse(found);
  return parsed.success ? parsed.data : 'invalid';
}

/** A node as the machines see it. Takes a whole node as well as one of the bulk list. */
export function toNodeFacts(node: NodeSummary): NodeFacts {
  return {
    uuid: node.uuid,
    name: node.name,
    provisionState: node.provision_state,
    targetProvisionState: node.target_provision_state,
    powerState: node.power_state,
    instanceUuid: node.instance_uuid,
    maintenance: node.maintenance,
    maintenanceReason: node.maintenance_reason,
    protected: node.protected,
    retired: node.retired,
    reservation: node.reservation,
    lastError: node.last_error,
    resourceClass: node.resource_class,
    extra: node.extra,
    marker: readMarker(node.extra),
  };
}
