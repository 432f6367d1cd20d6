import { createComposer } from './composer.js';
import { drawModals } from './dialogs.js';
import { h, icon } from './dom.js';
import { startFleet } from './fleet.js';
import { channelItems, MessageList } from './messages.js';
import { drawSidebar } from './sidebar.js';
import { actAs, set, store, subscribe } from './store.js';
import { createThread } from './thread.js';
import { welcome } from './welcome.js';

const $ = (id) => document.getElementById(id);

const thread = createThread($('thread'), { close: () => openThread(null) });
const messages = new MessageList($('messages'), { inThread: false, openThread });
const composer = createComposer({
  id: 'composer-input',
  label: () => `Message #${channelName()} as ${store.people.get(store.me)?.name ?? ''}`,
  placeholder: () => `Message #${channelName()}, or type / for commands`,
  threadTs: () => null,
  onSent: () => {
    $('messages').scrollTop = $('messages').scrollHeight;
  },
});
$('composer').append(composer.element);
const greeting = welcome({ fill: (text) => composer.fill(text), become });

function channelName() {
  return store.channels.get(store.channel)?.name ?? '';
}

function openThread(ts) {
  set({ threadTs: ts });
  if (ts === null) composer.focus();
  else thread.opened();
}

function become(user) {
  const name = store.people.get(user)?.name;
  if (name !== undefined) {
    const url = new URL(location.href);
    url.searchParams.set('as', name);
    window.history.replaceState(null, '', url);
  }
  actAs(user);
}

function drawHead() {
  const channel = store.channels.get(store.channel);
  if (channel === undefined) return;
  const sign = `${channel.name}|${channel.topic}|${channel.members.length}`;
  const head = $('channel-head');
  if (head.dataset.sign === sign) return;
  head.dataset.sign = sign;
  head.replaceChildren(
    h('div.head-text', {}, h('h1', {}, h('span.hash', {}, '#'), channel.name), h('p.muted', {}, channel.topic)),
    h('span.members', { title: 'Members of this channel' }, `${channel.members.length} members`),
  );
}

// A card that changes every second must not be read out every second: only what is new is said, once.
let lastTold = null;

function tellNews() {
  const all = [...store.messages.values(), ...store.ephemerals.values()].filter((one) => one.user !== store.me);
  const newest =
    all
      .map((one) => one.ts)
      .sort()
      .at(-1) ?? '';
  if (lastTold !== null) {
    const fresh = all
      .filter((one) => one.ts > lastTold)
      .map((one) => `${store.people.get(one.user)?.realName}: ${one.plain.slice(0, 200)}`);
    if (fresh.length > 0) $('news').textContent = fresh.join('. ');
  }
  if (store.live) lastTold = newest;
}

subscribe(() => {
  tellNews();
  drawSidebar($('sidebar'), { become });
  drawHead();
  const items = channelItems();
  messages.draw(items, { before: items.length === 0 ? [greeting] : [] });
  thread.draw();
  composer.draw();
  drawModals($('modals'));
  $('app').classList.toggle('with-thread', store.threadTs !== null);
  const banner = $('banner');
  banner.hidden = store.live;
  if (!store.live) banner.replaceChildren(icon('warning'), ' Connecting to the sandbox…');
});

// What scrolls must be reachable by keyboard.
$('messages').tabIndex = 0;

document.addEventListener('keydown', (event) => {
  if (event.key === 'Escape' && store.threadTs !== null && document.querySelector('dialog[open]') === null)
    openThread(null);
});

const wanted = new URL(location.href).searchParams.get('as');
const KNOWN = { alice: 'U0ALICE', bob: 'U0BOB', eve: 'U0EVE' };
startFleet($('fleet'), $('announcer'));
actAs(KNOWN[wanted] ?? 'U0ALICE');
