import type { InstanceRecipe, Marker, Move } from '../../../machines/domain.ts';
import { METADATA } from '../../../machines/domain.ts';
import { Failure } from '../../../machines/errors.ts';
import type { BootSpec } from '../../config/types.ts';
import { OpenStackError } from '../../openstack/errors.ts';
import type { CreateServer } from '../../openstack/nova/schema.ts';
import { markerOf } from '../application.ts';
import type { Catalogue } from '../catalogue.ts';
import { NotInCatalogueError } from '../catalogue.ts';
import type { Doing, Perform } from './deps.ts';
import { cloudAt } from './deps.ts';

export const stopInstance: Perform = async (doing, deps) => {
  await tolerateConflict(cloudAt(deps, doing.action.at).nova.stopServer(idOf(doing), { notAfter: doing.notAfter }));
};

export const startInstance: Perform = async (doing, deps) => {
  await tolerateConflict(cloudAt(deps, doing.action.at).nova.startServer(idOf(doing)));
};

export const deleteInstance: Perform = async (doing, deps) => {
  await cloudAt(deps, doing.action.at).nova.deleteServer(idOf(doing), { notAfter: doing.notAfter });
};

/**
 * Boots the instance of the node's role, pinned to this very node. A create whose answer got lost may have happened: it
 * is never repeated blindly, the next look finds the instance by its metadata.
 */
export const bootInstance: Perform = async ({ action, move, from, to }, deps) => {
  const role = deps.roles.get(move.role);
  const spec = role?.boot[action.at];
  if (spec === undefined) {
    throw new Failure({
      reason: 'cloud_refused',
      next: 'ask',
      message: `The configuration says no more what to boot for role ${move.role} on ${action.at}.`,
      remedy: `Add roles.${move.role}.boot for ${action.at} to the configuration and start Ephyra again.`,
    });
  }
  const body = await serverBody(deps.catalogue, move, action.at, spec, markerOf(to.node, from.node));
  try {
    await cloudAt(deps, action.at).nova.createServer(body);
  } catch (error) {
    // The preflight has checked every name; a 400 here is Nova being behind, not a request that is wrong for good.
    if (error instanceof OpenStackError && error.kind === 'bad_request') {
      throw new Failure({ reason: 'not_schedulable', next: 'retry', message: error.message }, { cause: error });
    }
    throw error;
  }
};

/** Back where an instance of this node once ran, what ran there is booted again; elsewhere, what its role says. */
export async function serverBody(
  catalogue: Catalogue,
  move: Move,
  at: string,
  spec: BootSpec,
  marker: Marker | null,
): Promise<CreateServer> {
  const recipe = marker?.instance ?? null;
  const known: Partial<InstanceRecipe> = recipe !== null && recipe.at === at ? recipe : {};
  const networks = known.networks !== undefined && known.networks.length > 0 ? known.networks : spec.networks;
  const keyName = known.keyName ?? spec.keyPair;
  try {
    const [flavorRef, imageRef, ...networkIds] = await Promise.all([
      catalogue.idOf(at, 'flavor', known.flavor ?? spec.flavor),
      known.image
        ? catalogue.idOf(at, 'image', known.image).catch((error: unknown) => {
            // Gone for good, not merely out of sight while Glance is down.
            if (error instanceof NotInCatalogueError) return catalogue.idOf(at, 'image', spec.image);
            throw error;
          })
        : catalogue.idOf(at, 'image', spec.image),
      ...networks.map((network) => catalogue.idOf(at, 'network', network)),
    ]);
    return {
      name: recipe?.name ?? move.name,
      flavorRef,
      imageRef,
      networks: networkIds.map((uuid) => ({ uuid })),
      hypervisor_hostname: move.uuid,
      ...(keyName === null ? {} : { key_name: keyName }),
      ...(known.configDrive === true || spec.configDrive ? { config_drive: true } : {}),
      ...(spec.userData === null ? {} : { user_data: spec.userData.base64.reveal() }),
      metadata: {
        ...recipe?.metadata,
        ...spec.metadata,
        [METADATA.deployment]: move.deployment,
        [METADATA.node]: move.uuid,
        [METADATA.role]: move.role,
      },
    };
  } catch (error) {
    if (!(error instanceof NotInCatalogueError)) throw error;
    throw new Failure({
      reason: 'cloud_refused',
      next: 'stop',
      message: `${error.message}.`,
      remedy: `Create it there, or change roles.${move.role}.boot.`,
    });
  }
}

function idOf({ action }: Doing): string {
  if (action.instanceId === undefined) throw new Error(`${action.name} needs an instance`);
  return action.instanceId;
}

/** "Already under way" and "already so" are answered with 409: the next look shows it. */
async function tolerateConflict(call: Promise<unknown>): Promise<void> {
  try {
    await call;
  } catch (error) {
    if (error instanceof OpenStackError && error.kind === 'conflict' && error.detail !== null) return;
    throw error;
  }
}
