import { h, icon } from './dom.js';
import { avatar } from './people.js';
import { store } from './store.js';

/** The workspace, its channel, the people to switch between, and whether the app is there. */
export function drawSidebar(root, { become }) {
  const sign = JSON.stringify([
    store.me,
    store.connected,
    store.app.requestUrl,
    [...store.people.keys()],
    [...store.channels.keys()],
  ]);
  if (root.dataset.sign === sign) return;
  root.dataset.sign = sign;
  const focused = document.activeElement?.dataset?.person;
  root.replaceChildren(
    h(
      'div.workspace',
      {},
      h('img', { src: '/page/ephyra.svg', alt: '', width: 34, height: 34 }),
      h('div.wide-only', {}, h('strong', {}, 'Sandbox'), h('span', {}, 'Slack, emulated')),
    ),
    h('h2.wide-only', {}, 'Channels'),
    h(
      'ul.channels',
      {},
      [...store.channels.values()].map((one) =>
        h(
          'li',
          {},
          h(
            'a',
            { href: '#messages', 'aria-current': one.id === store.channel ? 'page' : null },
            h('span.hash', {}, '#'),
            h('span.wide-only', {}, one.name),
          ),
        ),
      ),
    ),
    h('h2.wide-only', { id: 'acting-as' }, 'Acting as'),
    h(
      'div.people',
      { role: 'radiogroup', 'aria-label': 'Acting as' },
      persons().map((one) => person(one, become)),
    ),
    h('p.sidebar-note.wide-only', {}, 'Commands, buttons and private answers belong to the person you act as.'),
    h('div.spacer'),
    appStatus(),
  );
  if (focused) root.querySelector(`[data-person="${focused}"]`)?.focus();
}

function persons() {
  return [...store.people.values()].filter((one) => !one.isBot);
}

function person(one, become) {
  const mine = one.id === store.me;
  return h(
    'button.person',
    {
      type: 'button',
      role: 'radio',
      'aria-checked': String(mine),
      tabindex: mine ? '0' : '-1',
      title: `${one.realName}, ${one.role}`,
      'aria-label': `${one.name}, ${one.role}`,
      data: { testid: `person-${one.name}`, person: one.id },
      onclick: () => become(one.id),
      onkeydown: (event) => move(event, one, become),
    },
    avatar(one, 'small'),
    h('span.wide-only.person-text', {}, h('strong', {}, one.name), h('span', {}, one.role)),
    mine && h('span.wide-only.tick', {}, icon('check', 15)),
  );
}

function move(event, one, become) {
  const step = { ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1 }[event.key];
  if (step === undefined) return;
  event.preventDefault();
  const all = persons();
  const next = all[(all.indexOf(one) + step + all.length) % all.length];
  document.activeElement.dataset.person = next.id;
  become(next.id);
}

function appStatus() {
  const socket = store.connected > 0;
  const http = !socket && store.app.requestUrl !== null;
  const text = socket ? 'connected (Socket Mode)' : http ? 'reached over HTTP' : 'not connected';
  return h(
    'div.app-status',
    {
      class: socket || http ? 'up' : 'down',
      role: 'status',
      title: `Ephyra is ${text}`,
      data: { testid: 'app-status' },
    },
    h('span.dot'),
    h('span.wide-only', {}, h('strong', {}, 'Ephyra'), h('span', {}, text)),
  );
}
