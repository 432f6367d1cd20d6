import type { Marker, Move } from '../../../machines/domain.ts';
import { isMarkOf } from '../../../machines/domain.ts';
import { Failure, isFailure } from '../../../machines/errors.ts';
import { OpenStackError } from '../../openstack/errors.ts';
import { describeDifferences } from '../../openstack/ironic/compare.ts';
import type { Definition } from '../../openstack/ironic/definition.ts';
import {
  afterCreateCalls,
  nodeCreateBody,
  portCreateBody,
  portgroupCreateBody,
} from '../../openstack/ironic/definition.ts';
import { MARKER_KEY, readMarker, toNodeFacts } from '../../openstack/ironic/facts.ts';
import type { Ironic } from '../../openstack/ironic/requests.ts';
import type { NodeDetail } from '../../openstack/ironic/schema.ts';
import { partsOf, refuseBusy, refusePartial } from '../definitions.ts';
import type { ActionDeps, Doing, Perform } from './deps.ts';
import { cloudAt } from './deps.ts';

/** Milliseconds that the original's definition may have been read before it is copied. */
export const COPIED_MS = 10_000;

/**
 * Creates the node in `to`, complete with portgroups, ports and traits, in `enroll`: inert there. Run again, it creates
 * what is still missing and touches nothing that is there; that the copy equals the original is for the next look.
 */
export const copyDefinition: Perform = async ({ move, to, shows, completed, due }, deps) => {
  const original = await deps.definitions.of(move.uuid, move.from, deps.clock.now() - COPIED_MS);
  if (original === null) return undefined;
  refuseBusy(original, move);
  refusePartial(original, move);
  const { ironic } = cloudAt(deps, move.to);
  if (to.node === null) {
    await ensureChassis(original, move, deps);
    const created = await createNode(ironic, original, shows, due);
    await createParts(ironic, original);
    completed();
    return created === undefined ? undefined : toNodeFacts(created);
  }
  const copy = await deps.definitions.of(move.uuid, move.to, deps.clock.now(), original);
  if (copy === null) return undefined;
  await createParts(ironic, original);
  completed();
  // What takes a part is there, whatever the next list shows.
  shows('there');
  const left = (await deps.definitions.differences(move, deps.clock.now() - COPIED_MS)) ?? [];
  if (left.length > 0) {
    throw new Failure({
      reason: 'definition_differs',
      next: 'stop',
      message: `The copy of ${move.name} in ${move.to} is not what it is in ${move.from}: ${describeDifferences(left)}.`,
      remedy: `Somebody or something changed it there. Nothing was deleted in ${move.from}.`,
    });
  }
  return undefined;
};

/** A duplicate uuid is our own earlier create whose answer got lost; a duplicate name is somebody else's node. */
async function createNode(
  ironic: Ironic,
  original: Definition,
  shows: Doing['shows'],
  due: Doing['due'],
): Promise<NodeDetail | undefined> {
  const { node } = original;
  const marker = { ...(node.extra[MARKER_KEY] as Marker), parts: partsOf(original) };
  const body = nodeCreateBody(node, { extra: { ...node.extra, [MARKER_KEY]: marker } });
  const takeBack = shows('perhaps');
  try {
    const created = await ironic.createNode(body, { due });
    shows('marked');
    return created;
  } catch (error) {
    // A `Failure` of ours in place of an answer: it was not sent.
    if (isFailure(error)) takeBack();
    if (!(error instanceof OpenStackError)) throw error;
    if (error.detail !== 'duplicate') {
      if (error.maybeDone) shows('perhaps');
      else takeBack();
      throw error;
    }
    const there = await ironic.getNode(node.uuid);
    if (there !== null || error.said.includes(`UUID ${node.uuid}`)) shows('there');
    else takeBack();
    // Made by this deployment, and untouched since. Anything else is looked at before anything is done with it.
    const isOurs = there?.provision_state === 'enroll' && isMarkOf(readMarker(there.extra), marker.deployment);
    if (!isOurs) throw error;
    return undefined;
  }
}

/**
 * Creates all parts. Those that are there are met, not looked for: a list may be from before the node was deleted there, and
 * then shows parts with the same uuids.
 */
export async function createParts(ironic: Ironic, original: Definition): Promise<void> {
  // Portgroups first: ports name them, and both keep their uuids.
  for (const group of original.portgroups) await create(() => ironic.createPortgroup(portgroupCreateBody(group)));
  for (const port of original.ports) await create(() => ironic.createPort(portCreateBody(port)));
  for (const call of afterCreateCalls(original)) {
    if (call.call === 'setTraits') await ironic.setTraits(original.node.uuid, call.traits);
    if (call.call === 'setTargetRaidConfig') await ironic.setTargetRaidConfig(original.node.uuid, call.config);
  }
}

/** A duplicate is what a repeated create meets: the comparison that follows tells whether it is ours. */
async function create(call: () => Promise<unknown>): Promise<void> {
  try {
    await call();
  } catch (error) {
    if (error instanceof OpenStackError && error.detail === 'duplicate') return;
    throw error;
  }
}

/** A node may name a chassis, which must exist where it is created. */
async function ensureChassis({ node }: Definition, move: Move, deps: ActionDeps): Promise<void> {
  const uuid = node.chassis_uuid ?? null;
  if (uuid === null) return;
  const target = cloudAt(deps, move.to).ironic;
  if ((await target.getChassis(uuid)) !== null) return;
  const chassis = await cloudAt(deps, move.from).ironic.getChassis(uuid);
  if (chassis === null) return;
  await create(() =>
    target.createChassis({
      uuid,
      ...(chassis.description ? { description: chassis.description } : {}),
      ...(chassis.extra ? { extra: chassis.extra } : {}),
    }),
  );
}
