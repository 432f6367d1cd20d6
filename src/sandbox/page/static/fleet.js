import { listen } from './api.js';
import { arrange, h, icon } from './dom.js';
import { createFaults } from './faults.js';
import { createHealth } from './health.js';
import { fly, settle } from './motion.js';
import { changed, store, subscribe } from './store.js';

const DENSE_FROM = 25;

/** The two control planes with their nodes, kept up to date. Every node has a row of its own and travels along it. */
export function startFleet(root, announcer) {
  const progress = h('div.fleet-progress', { 'aria-hidden': 'true' });
  const summary = h('p.muted', { data: { testid: 'fleet-summary' } }, 'Waiting for the fleet…');
  const board = h('div.board', { data: { testid: 'board' } });
  const heads = h('div.board-heads');
  const faults = createFaults(root);
  const health = createHealth();
  root.append(
    h('header.pane-head', {}, h('div.head-text', {}, h('h2', {}, 'Fleet'), summary), faults.button),
    progress,
    heads,
    h('div.board-scroll', { tabindex: '0', role: 'region', 'aria-label': 'Nodes by control plane' }, board),
    health.element,
    faults.drawer,
  );
  const rows = new Map();
  let known = null;

  listen('/_sandbox/events', {
    fleet: (fleet) => {
      store.fleet = fleet;
      changed();
    },
    fleet_error: ({ error }) => {
      summary.textContent = error;
    },
  });

  subscribe(() => {
    const fleet = store.fleet;
    faults.draw();
    if (fleet === null || fleet === known) return;
    const before = known;
    known = fleet;
    const planes = fleet.controlPlanes;
    drawHeads(heads, planes);
    drawRows(board, rows, planes, before);
    drawProgress(progress, summary, planes);
    health.draw(fleet.application);
    announce(announcer, before, planes);
  });
}

function drawHeads(heads, planes) {
  heads.style.setProperty('--planes', String(planes.length));
  heads.replaceChildren(
    ...planes.map((plane) => {
      const instances = plane.nodes.filter((node) => node.instance !== null).length;
      return h(
        'div.plane-head',
        { data: { testid: `plane-${plane.name}` } },
        h('h3', {}, plane.name),
        h('span.count', { data: { testid: `count-${plane.name}` } }, String(plane.nodes.length)),
        h(
          'span.muted',
          {},
          `${plane.nodes.length === 1 ? 'node' : 'nodes'} · ${instances} ${instances === 1 ? 'instance' : 'instances'}`,
        ),
      );
    }),
  );
}

function drawRows(board, rows, planes, before) {
  const uuids = new Map();
  for (const plane of planes) for (const node of plane.nodes) uuids.set(node.uuid, node);
  const dense = uuids.size >= DENSE_FROM;
  // A long list does not fit, so what is on its way stands on top of it.
  const urgency = (node) => (dense && isMoving(node, planes) ? 0 : 1);
  const order = [...uuids.values()].sort(
    (one, other) =>
      urgency(one) - urgency(other) ||
      roleRank(one) - roleRank(other) ||
      one.name.localeCompare(other.name, undefined, { numeric: true }),
  );
  board.classList.toggle('dense', dense);
  board.style.setProperty('--planes', String(planes.length));
  const wanted = order.map((node) => {
    const row = rows.get(node.uuid) ?? { element: h('div.node-row'), cells: new Map() };
    rows.set(node.uuid, row);
    return row.element;
  });
  // Where tiles stand now, before anything is moved: a node that leaves one plane starts its way from there.
  const stood = new Map();
  for (const [uuid, row] of rows)
    for (const [plane, cell] of row.cells)
      if (cell.tile) stood.set(`${uuid}/${plane}`, cell.tile.getBoundingClientRect());
  arrange(board, wanted);
  for (const uuid of rows.keys()) if (!uuids.has(uuid)) rows.delete(uuid);
  const shared = sharedStart(order.map((node) => node.role));
  for (const node of order) drawRow(rows.get(node.uuid), node.uuid, planes, stood, before !== null, shared);
}

// `hadoop-master` and `hadoop-worker` are told apart by `master` and `worker`, and a tile is narrow.
function sharedStart(roles) {
  const heads = new Set(roles.map((role) => role.slice(0, role.indexOf('-') + 1)));
  const [head = ''] = heads;
  return heads.size === 1 && new Set(roles).size > 1 ? head : '';
}

function isMoving(node, planes) {
  const places = planes.filter((plane) => plane.nodes.some((one) => one.uuid === node.uuid)).length;
  return node.claimed || places > 1 || node.provisionState !== 'active' || node.lastError !== null;
}

const roleRank = (node) => (/master|namenode|resourcemanager/i.test(node.role) ? 0 : 1);

function drawRow(row, uuid, planes, stood, animate, shared) {
  const inPlanes = planes.filter((plane) => plane.nodes.some((node) => node.uuid === uuid));
  row.element.classList.toggle('between', inPlanes.length > 1);
  arrange(
    row.element,
    planes.map((plane) => {
      const cell = row.cells.get(plane.name) ?? {
        element: h('div.slot', { data: { plane: plane.name } }),
        sign: '',
        tile: null,
      };
      row.cells.set(plane.name, cell);
      const node = plane.nodes.find((one) => one.uuid === uuid);
      const sign = JSON.stringify([node ?? null, inPlanes.length]);
      if (sign === cell.sign) return cell.element;
      cell.sign = sign;
      const wasHere = cell.tile !== null;
      cell.tile = node === undefined ? null : tile(node, plane, inPlanes.length > 1, shared);
      cell.element.replaceChildren(...(cell.tile === null ? [] : [cell.tile]));
      if (animate && cell.tile !== null && !wasHere) arrive(cell.tile, uuid, plane, planes, stood);
      return cell.element;
    }),
  );
}

function arrive(element, uuid, plane, planes, stood) {
  const from = planes
    .map((other) => (other.name === plane.name ? undefined : stood.get(`${uuid}/${other.name}`)))
    .find(Boolean);
  if (from === undefined) settle(element);
  else fly(element, from);
}

const BUSY = /ing$|wait|^(adopting|verifying)/;
const FAULTY = /fail|error/;

function tone(node) {
  const state = node.provisionState;
  if (FAULTY.test(state)) return 'bad';
  if (state === 'active')
    return node.instance?.status === 'ERROR'
      ? 'bad'
      : node.instance && node.instance.status !== 'ACTIVE'
        ? 'amber'
        : 'good';
  if (state === 'available') return 'ready';
  if (BUSY.test(state)) return /delet|clean/.test(state) ? 'amber' : 'busy';
  return 'idle';
}

function tile(node, plane, between, shared) {
  const { instance } = node;
  const address = instance?.addresses[0];
  const working = node.targetProvisionState !== null && node.targetProvisionState !== '';
  const details = [
    `${node.name} (${node.role}) in ${plane.name}`,
    `provision state: ${node.provisionState}${working ? ` → ${node.targetProvisionState}` : ''}`,
    `power: ${node.powerState ?? 'unknown'}`,
    instance ? `instance: ${instance.name} ${instance.status} ${instance.addresses.join(', ')}` : 'no instance',
    node.claimed && 'claimed by Ephyra',
    node.schedulable && 'schedulable',
    node.maintenance && 'in maintenance',
    node.reservation && `locked by ${node.reservation}`,
    node.lastError && `last error: ${node.lastError}`,
  ]
    .filter(Boolean)
    .join('\n');
  return h(
    'div.node',
    {
      class: `tone-${tone(node)} ${working || BUSY.test(node.provisionState) ? 'working' : ''} ${between && node.provisionState === 'enroll' ? 'inert' : ''}`,
      title: details,
      tabindex: '0',
      role: 'group',
      'aria-label': details.replaceAll('\n', ', '),
      data: {
        testid: `node-${plane.name}-${node.name}`,
        uuid: node.uuid,
        state: node.provisionState,
        instance: instance?.status ?? '',
      },
    },
    h(
      'div.node-line',
      {},
      h('strong.node-name', {}, node.name),
      node.claimed && h('span.mark.claimed', { title: 'Claimed by Ephyra' }, 'claimed'),
      node.maintenance &&
        h('span.mark.maintenance', { title: 'In maintenance' }, icon('wrench', 12), h('span', {}, 'maintenance')),
      node.reservation && h('span.mark.locked', { title: `Locked by ${node.reservation}` }, icon('lock', 11)),
      h('span.node-role', {}, node.role.slice(shared.length)),
    ),
    h(
      'div.node-line.small',
      {},
      h('span.node-state', {}, node.provisionState),
      instance && h('span.node-instance', { class: instance.status.toLowerCase() }, instance.status),
      address && h('span.node-address', {}, address),
      node.lastError && h('span.node-error', {}, icon('warning', 12)),
    ),
  );
}

function drawProgress(progress, summary, planes) {
  const total = new Set(planes.flatMap((plane) => plane.nodes.map((node) => node.uuid))).size;
  // A node that is active somewhere counts there; one that is nowhere active is on its way.
  const settled = planes.map(
    (plane) =>
      plane.nodes.filter((node) => node.provisionState === 'active' && node.instance?.status === 'ACTIVE').length,
  );
  const moving = Math.max(0, total - settled.reduce((sum, one) => sum + one, 0));
  summary.textContent = `${planes.map((plane, index) => `${settled[index]} active in ${plane.name}`).join(' · ')}${moving > 0 ? ` · ${moving} on the way` : ''}`;
  const share = (count) => `${total === 0 ? 0 : (100 * count) / total}%`;
  const parts = planes.map((_plane, index) => ({ kind: `plane-${index}`, width: share(settled[index]) }));
  parts.splice(1, 0, { kind: 'moving', width: share(moving) });
  arrange(
    progress,
    parts.map((part) => {
      const bar = progress.querySelector(`.part-${part.kind}`) ?? h('span', { class: `part part-${part.kind}` });
      bar.style.width = part.width;
      return bar;
    }),
  );
}

function announce(announcer, before, planes) {
  if (before === null) return;
  const news = [];
  for (const plane of planes) {
    const old = before.controlPlanes.find((one) => one.name === plane.name)?.nodes ?? [];
    for (const node of plane.nodes) {
      const was = old.find((one) => one.uuid === node.uuid);
      if (node.instance?.status === 'ACTIVE' && was?.instance?.status !== 'ACTIVE')
        news.push(`${node.name} is active in ${plane.name}`);
      if (node.lastError && !was?.lastError) news.push(`${node.name} in ${plane.name} has an error`);
    }
  }
  if (news.length > 0) announcer.textContent = news.join('. ');
}
