import type { Context } from '../context.ts';
import type { InstanceAction, InstanceRecord, NodeRecord, ProviderRecord } from '../records.ts';
import { createResourceTracker } from './resource-tracker.ts';

export interface Compute {
  /** `cp1-compute`. */
  readonly host: string;
  /** Looks at Ironic now, as the next pass would. */
  pass(): void;
  /** Builds the instance, which is there in BUILD / scheduling. */
  build(id: string): void;
  stop(id: string): void;
  start(id: string): void;
  /** Undeploys the node and deletes the instance; 404 comes when cleaning begins, not when it ends. */
  remove(id: string): void;
  /** Begins to follow the nodes. */
  watch(): void;
  close(): void;
}

/** Nova behind its API: scheduler, compute service with the Ironic driver, resource tracker. */
export function createCompute(host: string, getContext: () => Context): Compute {
  const context = () => getContext();
  const instanceOf = (id: string) => context().world.tables.instances.get(id);
  const nodeOf = (uuid: string | null) => (uuid === null ? undefined : context().world.tables.nodes.get(uuid));
  const tracker = createResourceTracker(getContext);

  function change(id: string, changes: Partial<InstanceRecord>): void {
    context().world.change('instances', id, { ...changes, updatedAt: context().clock.now() });
  }

  /** Goes on after `ms` if the instance is still there and nobody has begun to delete it. */
  function later(id: string, ms: number, then: (instance: InstanceRecord) => void): void {
    context().clock.after(ms, () => {
      const instance = instanceOf(id);
      if (instance !== undefined && instance.status !== 'DELETED' && instance.taskState !== 'deleting') then(instance);
    });
  }

  function fail(id: string, message: string, more: Partial<InstanceRecord> = {}): void {
    const fault = { code: 500, created: context().clock.now(), message };
    change(id, { ...more, status: 'ERROR', vmState: 'error', taskState: null, fault, powerState: 0 });
  }

  function allocate(provider: ProviderRecord, consumer: string | null): void {
    const { world, clock } = context();
    const current = world.tables.providers.get(provider.uuid);
    if (current !== undefined)
      world.put('providers', provider.uuid, {
        ...current,
        consumer,
        generation: current.generation + 1,
        updatedAt: clock.now(),
      });
  }

  function release(instance: InstanceRecord): void {
    const { world } = context();
    for (const provider of world.tables.providers.values())
      if (provider.consumer === instance.id) allocate(provider, null);
    for (const port of world.tables.neutronPorts.values())
      if (port.deviceId === instance.id) world.remove('neutronPorts', port.id);
  }

  /** What Placement offers, which may be older than the nodes are. */
  function choose(instance: InstanceRecord): ProviderRecord | undefined {
    const { extraSpecs } = instance.flavor;
    const wanted = Object.entries(extraSpecs).filter(
      ([key, value]) => key.startsWith('resources:CUSTOM_') && Number(value) > 0,
    );
    const traits = Object.entries(extraSpecs).filter(
      ([key, value]) => key.startsWith('trait:') && value === 'required',
    );
    return [...context().world.tables.providers.values()].find(
      (provider) =>
        (instance.pinned === null || provider.uuid === instance.pinned) &&
        provider.reserved === 0 &&
        provider.consumer === null &&
        wanted.every(([key]) => key === `resources:${provider.resourceClass}`) &&
        wanted.length > 0 &&
        traits.every(([key]) => provider.traits.includes(key.slice(6))),
    );
  }

  function schedule(instance: InstanceRecord): void {
    const { faults } = context();
    const pinned = nodeOf(instance.pinned);
    const refused = faults.strikes(
      'no-valid-host',
      pinned ?? (instance.pinned === null ? undefined : { uuid: instance.pinned, name: null }),
    );
    const provider = refused ? undefined : choose(instance);
    if (provider === undefined) {
      // The blank at the end is Nova's.
      fail(instance.id, 'No valid host was found. ');
      return;
    }
    allocate(provider, instance.id);
    change(instance.id, { taskState: null, node: provider.uuid });
    later(instance.id, 0, () => prepare(instance.id, provider));
  }

  function giveUp(id: string, message: string): void {
    const instance = instanceOf(id);
    if (instance === undefined || instance.status === 'DELETED' || instance.taskState === 'deleting') return;
    const node = nodeOf(instance.node);
    if (node?.instance_uuid === id)
      context().world.change('nodes', node.uuid, { instance_uuid: null, instance_info: {} });
    release(instance);
    fail(id, message, { node: null, addresses: {} });
  }

  const exhausted = (id: string) =>
    `Exceeded maximum number of retries. Exhausted all hosts available for retrying build failures for instance ${id}.`;

  function prepare(id: string, provider: ProviderRecord): void {
    const { conductor, settings, world } = context();
    const node = nodeOf(provider.uuid);
    // The provider may be of a node that is gone, or of one deleted and made again since the last pass.
    if (
      node === undefined ||
      node.serial !== provider.serial ||
      node.provision_state !== 'available' ||
      node.maintenance
    ) {
      giveUp(id, exhausted(id));
      return;
    }
    if (node.reservation !== null || node.instance_uuid !== null) {
      giveUp(id, `Build of instance ${id} aborted: Failure prepping block device.`);
      return;
    }
    change(id, { taskState: 'networking' });
    world.change('nodes', node.uuid, { instance_uuid: id });
    conductor.network(node.uuid, settings.delays.network, () => spawn(id, node.uuid));
  }

  function spawn(id: string, uuid: string): void {
    const { conductor, world } = context();
    const instance = instanceOf(id);
    const node = nodeOf(uuid);
    if (instance === undefined || node === undefined || instance.status === 'DELETED') return;
    if (instance.taskState !== 'networking' && !instance.doomed) return;
    if (!connect(instance, node)) {
      giveUp(
        id,
        `Build of instance ${id} aborted: No more IP addresses available on network ${instance.networkIds[0] ?? ''}.`,
      );
      if (instance.doomed) tearDown(id);
      return;
    }
    change(id, { taskState: 'spawning' });
    world.change('nodes', uuid, { instance_info: instanceInfo(instance, context()) });
    conductor.deploy(uuid, (outcome) => {
      const now = instanceOf(id);
      if (now === undefined || now.taskState !== 'spawning') return;
      if (outcome === 'active') activate(now);
      else if (outcome === 'lost') change(id, { taskState: null, node: null, addresses: {} });
      else if (outcome === 'aborted') {
        release(now);
        fail(id, `Build of instance ${id} aborted: Unable to establish connection to Ironic`, {
          node: null,
          addresses: {},
        });
      }
      // Nova undeploys what could not be deployed; the reason is in neither API afterwards.
      else
        conductor.whenFree(uuid, () =>
          conductor.undeploy(uuid, () => conductor.whenFree(uuid, () => giveUp(id, exhausted(id)))),
        );
      if (now.doomed) context().clock.after(context().settings.delays.network, () => tearDown(id));
    });
  }

  /** A port on each network, with the MAC of the node's; false when a network has no address left. */
  function connect(instance: InstanceRecord, node: NodeRecord): boolean {
    const made = connectNetworks(context(), instance, node);
    if (made === null) return false;
    change(instance.id, { addresses: made });
    return true;
  }

  function activate(instance: InstanceRecord): void {
    const launchedAt = context().clock.now();
    change(instance.id, {
      status: 'ACTIVE',
      vmState: 'active',
      taskState: null,
      powerState: 1,
      launchedAt,
      fault: null,
      actions: finished(instance, launchedAt),
    });
  }

  function power(id: string, task: 'powering-off' | 'powering-on'): void {
    const instance = instanceOf(id);
    if (instance === undefined) return;
    const action = task === 'powering-off' ? 'stop' : 'start';
    change(id, { taskState: task, actions: [newAction(action, context()), ...instance.actions] });
    const node = nodeOf(instance.node);
    // The node was deleted below the instance: nothing happens, and nobody is told.
    if (node === undefined || node.instance_uuid !== id) {
      later(id, context().settings.delays.power, () => change(id, { taskState: null }));
      return;
    }
    const { conductor } = context();
    conductor.whenFree(node.uuid, () => {
      if (instanceOf(id)?.taskState !== task || nodeOf(node.uuid) === undefined) return;
      conductor.power(node.uuid, task === 'powering-off' ? 'power off' : 'power on', () => {
        const now = instanceOf(id);
        if (now?.taskState !== task) return;
        const off = task === 'powering-off';
        const changes = off
          ? ({ status: 'SHUTOFF', vmState: 'stopped', powerState: 4 } as const)
          : ({ status: 'ACTIVE', vmState: 'active', powerState: 1 } as const);
        change(id, { ...changes, taskState: null, actions: finished(now, context().clock.now()) });
      });
    });
  }

  function gone(id: string): void {
    const instance = instanceOf(id);
    if (instance === undefined || instance.status === 'DELETED') return;
    const { clock, settings, world } = context();
    release(instance);
    const terminatedAt = clock.now();
    const last = { status: 'DELETED', vmState: 'deleted', taskState: null, powerState: 0, terminatedAt } as const;
    change(id, { ...last, metadata: {}, actions: finished(instance, terminatedAt) });
    clock.after(settings.delays.purge, () => {
      change(id, { purged: true });
      forgetOldest(world);
    });
  }

  function remove(id: string): void {
    const instance = instanceOf(id);
    if (instance === undefined || instance.taskState === 'deleting' || instance.status === 'DELETED') return;
    const actions = [newAction('delete', context()), ...instance.actions];
    const neverSpawned = instance.taskState === null && instance.vmState === 'building';
    // The boot goes on, and writes its own task over this one.
    if (instance.taskState === 'networking') {
      change(id, { taskState: 'deleting', doomed: true, actions });
      return;
    }
    change(id, { taskState: 'deleting', actions });
    tearDown(id, neverSpawned);
  }

  /** Frees the node and forgets the instance. */
  function tearDown(id: string, neverSpawned = false): void {
    const instance = instanceOf(id);
    if (instance === undefined || instance.status === 'DELETED') return;
    const { clock, conductor } = context();
    const node = nodeOf(instance.node);
    const deployed =
      node !== undefined &&
      node.instance_uuid === id &&
      ['active', 'error', 'deploy failed', 'deploying', 'wait call-back'].includes(node.provision_state);
    if (!deployed || neverSpawned) {
      // Without a compute host of its own (its build was lost) the node is left as it is.
      clock.after(0, () => {
        const left = nodeOf(instance.node);
        if (!neverSpawned && left?.instance_uuid === id && left.provision_state === 'available') {
          context().world.change('nodes', left.uuid, { instance_uuid: null, instance_info: {} });
        }
        gone(id);
      });
      return;
    }
    conductor.whenFree(node.uuid, () => {
      const current = nodeOf(node.uuid);
      if (current === undefined || current.instance_uuid !== id) gone(id);
      else if (current.protected) fail(id, 'Forbidden');
      else conductor.undeploy(node.uuid, () => gone(id));
    });
  }

  return {
    host,
    pass: tracker.pass,
    build(id) {
      later(id, context().settings.delays.schedule, schedule);
    },
    stop: (id) => power(id, 'powering-off'),
    start: (id) => power(id, 'powering-on'),
    remove,
    watch: tracker.watch,
    close: tracker.close,
  };
}

export function newAction(action: string, context: Context): InstanceAction {
  const now = context.clock.now();
  return { action, request_id: `req-${context.ids()}`, start_time: now, updated_at: now };
}

function finished(instance: InstanceRecord, at: number): readonly InstanceAction[] {
  const [last, ...others] = instance.actions;
  return last === undefined ? [] : [{ ...last, updated_at: at }, ...others];
}

function instanceInfo(instance: InstanceRecord, context: Context): Record<string, unknown> {
  const { flavor } = instance;
  return {
    image_source: instance.imageId,
    root_gb: String(flavor.disk),
    swap_mb: '0',
    display_name: instance.name,
    vcpus: String(flavor.vcpus),
    nova_host_id: `${context.name}-compute`,
    memory_mb: String(flavor.ram),
    local_gb: String(flavor.disk),
    traits: Object.keys(flavor.extraSpecs)
      .filter((key) => key.startsWith('trait:'))
      .map((key) => key.slice(6)),
    image_type: 'whole-disk',
  };
}

/** Makes the ports; the addresses in Nova's shape, or null when a network is full (then no port is left). */
export function connectNetworks(
  context: Context,
  instance: InstanceRecord,
  node: NodeRecord,
): InstanceRecord['addresses'] | null {
  const { world, clock } = context;
  const ports = [...world.tables.ports.values()].filter((port) => port.node_uuid === node.uuid);
  const addresses: Record<string, Record<string, unknown>[]> = {};
  const made: string[] = [];
  for (const [at, networkId] of instance.networkIds.entries()) {
    const network = world.catalogue.networks.get(networkId);
    if (network === undefined) continue;
    const ip = freeAddress(context, networkId);
    if (ip === null) {
      for (const id of made) world.remove('neutronPorts', id);
      return null;
    }
    const id = context.ids();
    const mac = ports[at]?.address ?? `fa:16:3e:${id.slice(0, 2)}:${id.slice(2, 4)}:${id.slice(4, 6)}`;
    const now = clock.now();
    const owner = { deviceId: instance.id, projectId: instance.projectId };
    world.put('neutronPorts', id, {
      id,
      networkId,
      subnetId: network.subnetId,
      macAddress: mac,
      ipAddress: ip,
      ...owner,
      createdAt: now,
      updatedAt: now,
    });
    made.push(id);
    const port = ports[at];
    if (port !== undefined)
      world.change('ports', port.uuid, { internal_info: { tenant_vif_port_id: id }, updated_at: now });
    addresses[network.name] = [
      ...(addresses[network.name] ?? []),
      { version: 4, addr: ip, 'OS-EXT-IPS:type': 'fixed', 'OS-EXT-IPS-MAC:mac_addr': mac },
    ];
  }
  return addresses;
}

/** The next address after the last one given, round the pool: one that was just freed is not given again at once. */
function freeAddress({ world }: Context, networkId: string): string | null {
  const network = world.catalogue.networks.get(networkId);
  if (network === undefined) return null;
  const used = new Set<string>();
  for (const port of world.tables.neutronPorts.values()) if (port.networkId === networkId) used.add(port.ipAddress);
  const size = network.last - network.first + 1;
  const begin = world.catalogue.nextAddress.get(networkId) ?? 0;
  for (let step = 0; step < size; step += 1) {
    const offset = (begin + step) % size;
    const text = [24, 16, 8, 0].map((shift) => ((network.first + offset) >>> shift) & 255).join('.');
    if (used.has(text)) continue;
    world.catalogue.nextAddress.set(networkId, offset + 1);
    return text;
  }
  return null;
}

/** Deleted instances are kept for lists, but not all of them for ever. */
function forgetOldest(world: Context['world']): void {
  const purged = [...world.tables.instances.values()].filter((instance) => instance.purged);
  for (const instance of purged.slice(0, Math.max(0, purged.length - 1000))) world.remove('instances', instance.id);
}
