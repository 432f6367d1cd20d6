import { explain, listen, post } from './api.js';

/** Everything that the page knows. One instance, changed only here, drawn by whoever subscribes. */
export const store = {
  me: 'U0ALICE',
  app: { name: 'ephyra', botUserId: '', commands: [], requestUrl: null },
  connected: 0,
  mean: {},
  people: new Map(),
  groups: new Map(),
  channels: new Map(),
  channel: 'C0OPSHADOOP',
  messages: new Map(),
  ephemerals: new Map(),
  dismissed: new Set(),
  views: [],
  threadTs: null,
  /** What was pressed and has not been answered: `ts/block/action` → { state, why }. */
  pending: new Map(),
  fleet: null,
  live: false,
};

const listeners = new Set();
let scheduled = false;

export function subscribe(listener) {
  listeners.add(listener);
}

/** Draws soon; many changes at once are one drawing. */
export function changed() {
  if (scheduled) return;
  scheduled = true;
  requestAnimationFrame(() => {
    scheduled = false;
    for (const listener of listeners) listener(store);
  });
}

export const names = {
  get me() {
    return store.me;
  },
  person: (id) => store.people.get(id)?.name,
  group: (id) => store.groups.get(id)?.handle,
  channel: (id) => store.channels.get(id)?.name,
};

let stop = () => undefined;

/** Becomes a person: everything that only they see comes anew. */
export function actAs(user) {
  stop();
  store.me = user;
  store.pending.clear();
  store.ephemerals.clear();
  store.views = [];
  const upsert = (map) => (one) => {
    const known = map.get(one.ts);
    if (known === undefined || known.version <= one.version) map.set(one.ts, one);
    changed();
  };
  stop = listen(`/_slack/events?user=${encodeURIComponent(user)}`, {
    open: () => set({ live: true }),
    lost: () => set({ live: false }),
    state: (state) => {
      Object.assign(store, {
        app: state.app,
        connected: state.connected,
        mean: state.mean,
        views: state.views,
        live: true,
      });
      store.people = byId(state.people);
      store.groups = byId(state.groups);
      store.channels = byId(state.channels);
      store.messages = new Map(state.messages.map((one) => [one.ts, one]));
      store.ephemerals = new Map(state.ephemerals.map((one) => [one.ts, one]));
      changed();
    },
    message: upsert(proxyMap('messages')),
    message_deleted: ({ ts }) => {
      store.messages.delete(ts);
      changed();
    },
    ephemeral: upsert(proxyMap('ephemerals')),
    ephemeral_deleted: ({ ts }) => {
      store.ephemerals.delete(ts);
      changed();
    },
    views: ({ views }) => set({ views }),
    app: ({ connected }) => set({ connected }),
    mean: ({ mean, requestUrl }) => set({ mean, app: { ...store.app, requestUrl } }),
  });
  changed();
}

// The maps are replaced when the whole state comes again, so they are looked up at each use.
function proxyMap(name) {
  return { get: (key) => store[name].get(key), set: (key, value) => store[name].set(key, value) };
}

function byId(list) {
  return new Map(list.map((one) => [one.id, one]));
}

export function set(change) {
  Object.assign(store, change);
  changed();
}

const pendingKey = (ts, block, element) => `${ts}/${block.block_id}/${element.action_id}`;

export function pendingOf(ts, block, element) {
  return store.pending.get(pendingKey(ts, block, element));
}

/** Presses something in a message, and remembers that it is under way or why it failed. */
export async function press(ts, block, element, chosen) {
  const key = pendingKey(ts, block, element);
  if (store.pending.get(key)?.state === 'busy') return;
  const me = store.me;
  store.pending.set(key, { state: 'busy', why: '' });
  changed();
  const outcome = await post('/_slack/press', {
    user: me,
    channel: store.channel,
    ts,
    action_id: element.action_id,
    block_id: block.block_id,
    ...(chosen === undefined ? {} : { chosen }),
  });
  if (store.me !== me) return;
  if (outcome.ok) store.pending.delete(key);
  else store.pending.set(key, { state: 'failed', why: explain(outcome.error) });
  changed();
}

export function say(text, threadTs) {
  return post('/_slack/type', {
    user: store.me,
    channel: store.channel,
    text,
    ...(threadTs === null ? {} : { thread_ts: threadTs }),
  });
}
