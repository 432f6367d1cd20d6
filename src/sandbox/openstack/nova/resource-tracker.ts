import type { Context } from '../context.ts';
import { memo } from '../memo.ts';
import type { NodeRecord, ProviderRecord } from '../records.ts';

export const COMPUTE_TRAITS = [
  'COMPUTE_IMAGE_TYPE_AMI',
  'COMPUTE_IMAGE_TYPE_QCOW2',
  'COMPUTE_IMAGE_TYPE_RAW',
  'COMPUTE_NET_ATTACH_INTERFACE',
  'COMPUTE_NODE',
];

/** `bm-worker` is `CUSTOM_BM_WORKER` to Placement. */
export function placementClass(resourceClass: string | null): string | null {
  return resourceClass === null ? null : customClass(resourceClass);
}

const customClass = memo((name: string): string => `CUSTOM_${name.toUpperCase().replaceAll(/[^A-Z0-9]/g, '_')}`);

/** 1 while nothing may be scheduled to the node. A power state that nobody has reported counts as a bad one. */
export function reservedOf(node: NodeRecord): number {
  const free =
    node.provision_state === 'available' &&
    node.instance_uuid === null &&
    !node.maintenance &&
    !node.retired &&
    node.power_state !== null &&
    node.power_state !== 'error';
  return free ? 0 : 1;
}

export function providerOf(node: NodeRecord, before: ProviderRecord | undefined, now: number): ProviderRecord {
  const wanted = {
    uuid: node.uuid,
    serial: node.serial,
    resourceClass: placementClass(node.resource_class),
    reserved: reservedOf(node),
    traits: [...COMPUTE_TRAITS, ...node.traits],
  };
  if (before === undefined) return { ...wanted, generation: 1, consumer: null, updatedAt: now };
  const same =
    before.serial === wanted.serial &&
    before.resourceClass === wanted.resourceClass &&
    before.reserved === wanted.reserved &&
    before.traits.length === wanted.traits.length &&
    before.traits.every((trait, at) => trait === wanted.traits[at]);
  return same ? before : { ...wanted, generation: before.generation + 1, consumer: before.consumer, updatedAt: now };
}

/** Tells Placement of a provider, and of the class and the traits that it has. */
export function report(provider: ProviderRecord, { world }: Pick<Context, 'world'>): void {
  if (provider.resourceClass !== null) world.catalogue.resourceClasses.add(provider.resourceClass);
  for (const trait of provider.traits) world.catalogue.traits.add(trait);
  world.put('providers', provider.uuid, provider);
}

export interface ResourceTracker {
  pass(): void;
  /** Begins to look; once everything it looks at is there. */
  watch(): void;
  close(): void;
}

/**
 * The look that nova-compute takes at Ironic every `resourceInterval` milliseconds, after which Placement and the list
 * of hypervisors are as Ironic was at that moment. A look at which nothing has changed since the last does nothing,
 * so it is left out: between changes no timer runs.
 */
export function createResourceTracker(getContext: () => Context): ResourceTracker {
  let cancel: (() => void) | null = null;
  let stopListening: (() => void) | null = null;

  function pass(): void {
    const { clock, world } = getContext();
    const now = clock.now();
    for (const node of world.tables.nodes.values()) {
      const before = world.tables.providers.get(node.uuid);
      const after = providerOf(node, before, now);
      if (after !== before) report(after, getContext());
    }
    for (const provider of world.tables.providers.values()) {
      // In use, Placement refuses to let it go.
      if (!world.tables.nodes.has(provider.uuid) && provider.consumer === null)
        world.remove('providers', provider.uuid);
    }
  }

  function plan(): void {
    if (cancel !== null) return;
    const { clock, settings, startedAt } = getContext();
    const every = settings.delays.resourceInterval;
    const since = clock.now() - startedAt;
    const wait = every === 0 ? 0 : every - (since % every);
    cancel = clock.after(wait, () => {
      cancel = null;
      pass();
    });
  }

  return {
    pass,
    watch() {
      stopListening = getContext().world.onChange((event) => {
        if (event.kind.startsWith('node.') || event.kind.startsWith('instance.') || event.kind === 'provider.usage')
          plan();
      });
    },
    close() {
      cancel?.();
      cancel = null;
      stopListening?.();
    },
  };
}
