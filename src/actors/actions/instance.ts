import type { InstanceRecipe, Marker, Move } from '../../../machines/domain.ts';
import { METADATA } from '../../../machines/domain.ts';
import { Failure } from '../../../machines/errors.ts';
import type { BootSpec } from '../../config/types.ts';
import { OpenStackError } from '../../openstack/errors.ts';
import { keepRan } from '../../openstack/nova/ran.ts';
import type { CreateServer } from '../../openstack/nova/schema.ts';
import { markerOf } from '../application.ts';
import type { NamedKind } from '../catalogue.ts';
import { NotInCatalogueError } from '../catalogue.ts';
import type { ActionDeps, Perform } from './deps.ts';
import { cloudAt, instanceOf, telling } from './deps.ts';

export const stopInstance: Perform = async ({ action, due, tells }, deps) => {
  const { nova } = cloudAt(deps, action.at);
  await telling(
    () => tells('stop'),
    () => tolerateConflict(nova.stopServer(instanceOf(action), { due })),
  );
};

export const startInstance: Perform = async ({ action, due, starts }, deps) => {
  // A conflict starts nothing: Nova may be about to delete it.
  await tolerateConflict(cloudAt(deps, action.at).nova.startServer(instanceOf(action), { due }).then(starts));
};

export const deleteInstance: Perform = async ({ action, due, tells }, deps) => {
  const { nova } = cloudAt(deps, action.at);
  await telling(
    () => tells('delete'),
    () => nova.deleteServer(instanceOf(action), { due }),
  );
};

/**
 * Boots the instance of the node's role, pinned to this very node. A create whose answer got lost may have happened: it
 * is never repeated blindly, the next look finds the instance by its metadata.
 */
export const bootInstance: Perform = async ({ action, move, from, to, due, tells }, deps) => {
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
  const { nova } = cloudAt(deps, action.at);
  const hasKeyPair = async (name: string) => (await nova.getKeypair(name)) !== null;
  const body = await serverBody({ ...deps, hasKeyPair }, move, action.at, spec, markerOf(to.node, from.node));
  try {
    await telling(
      () => tells('boot'),
      () => nova.createServer(body, { due }),
    );
  } catch (error) {
    // The preflight has checked every name; a 400 here is Nova being behind, or we are: an id is not what it was.
    if (error instanceof OpenStackError && error.kind === 'bad_request') {
      deps.catalogue.forget(action.at);
      throw new Failure({ reason: 'not_schedulable', next: 'retry', message: error.message }, { cause: error });
    }
    throw error;
  }
};

/**
 * Back where an instance of this node once ran, what ran there is booted again; elsewhere, what its role says. So does what
 * is not to be had any more: key pairs belong to users, and the instance may have been somebody else's.
 */
export async function serverBody(
  {
    catalogue,
    hasKeyPair,
  }: Pick<ActionDeps, 'catalogue'> & { readonly hasKeyPair: (name: string) => Promise<boolean> },
  move: Move,
  at: string,
  spec: BootSpec,
  marker: Marker | null,
): Promise<CreateServer> {
  const ran = [marker?.instance, marker?.home].filter((one): one is InstanceRecipe => one != null);
  const here = ran.find((one) => one.at === at);
  const known: Partial<InstanceRecipe> = here ?? {};
  const recipe = here ?? ran[0];
  const inSource = at === move.target ? ran.find((one) => one.at === move.source) : undefined;
  const idsOf = (kind: NamedKind, names: readonly string[]) =>
    Promise.all(names.map((name) => catalogue.idOf(at, kind, name)));
  const ids = (kind: NamedKind, ran: readonly (string | null | undefined)[], role: readonly string[]) => {
    const names = ran.filter((name) => typeof name === 'string');
    if (names.length === 0) return idsOf(kind, role);
    return idsOf(kind, names).catch((error: unknown) => {
      // Gone for good, not merely out of sight while the service is down.
      if (error instanceof NotInCatalogueError) return idsOf(kind, role);
      throw error;
    });
  };
  const ours = known.keyName ? await hasKeyPair(known.keyName) : false;
  const keyName = ours ? (known.keyName ?? null) : spec.keyPair;
  try {
    const [[flavorRef = ''], [imageRef = ''], networkIds] = await Promise.all([
      ids('flavor', [known.flavor], [spec.flavor]),
      ids('image', [known.image], [spec.image]),
      ids('network', known.networks ?? [], spec.networks),
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
        ...(inSource === undefined ? {} : keepRan(inSource, spec.metadata)),
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

/** "Already under way" and "already so" are answered with 409: the next look shows it. */
async function tolerateConflict(call: Promise<unknown>): Promise<void> {
  try {
    await call;
  } catch (error) {
    if (error instanceof OpenStackError && error.kind === 'conflict' && error.detail !== null) return;
    throw error;
  }
}
