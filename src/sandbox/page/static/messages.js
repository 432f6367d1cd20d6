import { renderBlocks } from './blocks.js';
import { confirmed } from './dialogs.js';
import { arrange, dayOf, fullTimeOf, h, icon, timeOf } from './dom.js';
import { emojiNode, mrkdwn } from './mrkdwn.js';
import { avatar } from './people.js';
import { changed, names, pendingOf, press, store } from './store.js';

const GROUPED_WITHIN_S = 300;

/** What the channel shows: messages that are not only in a thread, and what only this person sees, by time. */
export function channelItems() {
  const messages = [...store.messages.values()].filter(
    (one) => one.channel === store.channel && (!isReply(one) || one.broadcast),
  );
  return [...messages, ...ephemeralsIn(undefined)].sort(byTs);
}

/** The parent of a thread and its replies. */
export function threadItems(threadTs) {
  const replies = [...store.messages.values()].filter((one) => one.thread_ts === threadTs && one.ts !== threadTs);
  const parent = store.messages.get(threadTs);
  return { parent, replies: [...replies, ...ephemeralsIn(threadTs)].sort(byTs) };
}

const isReply = (message) => message.thread_ts !== undefined && message.thread_ts !== message.ts;
const byTs = (one, other) => (one.ts < other.ts ? -1 : 1);

function ephemeralsIn(threadTs) {
  return [...store.ephemerals.values()].filter(
    (one) => one.channel === store.channel && one.thread_ts === threadTs && !store.dismissed.has(one.ts),
  );
}

/** Draws items into a list, keeping every element whose content is the same. */
export class MessageList {
  #held = new Map();
  #root;
  #inThread;
  #openThread;

  constructor(root, { inThread, openThread }) {
    this.#root = root;
    this.#inThread = inThread;
    this.#openThread = openThread;
  }

  /** `before` stands above all items, `afterFirst` below the first one. */
  draw(items, { before = [], afterFirst = [] } = {}) {
    const atEnd = this.#root.scrollHeight - this.#root.scrollTop - this.#root.clientHeight < 120;
    const wanted = [...before];
    let previous;
    for (const item of items) {
      if (!this.#inThread && (previous === undefined || dayOf(previous.ts) !== dayOf(item.ts))) {
        wanted.push(
          this.#keep(`day ${dayOf(item.ts)}`, '', () =>
            h('div.day', { role: 'separator' }, h('span', {}, dayOf(item.ts))),
          ),
        );
      }
      const grouped = continues(previous, item);
      wanted.push(this.#keep(item.ts, signature(item, grouped), () => this.#message(item, grouped)));
      if (previous === undefined) wanted.push(...afterFirst);
      previous = item;
    }
    arrange(this.#root, wanted);
    const present = new Set(wanted);
    for (const [key, held] of this.#held) if (!present.has(held.element)) this.#held.delete(key);
    if (atEnd) this.#root.scrollTop = this.#root.scrollHeight;
  }

  #keep(key, sign, make) {
    const held = this.#held.get(key);
    if (held !== undefined && held.sign === sign) return held.element;
    const element = make();
    if (held !== undefined) {
      keepFocus(held.element, element);
      element.classList.add('settled');
    }
    this.#held.set(key, { sign, element });
    return element;
  }

  #message(item, grouped) {
    const author = store.people.get(item.user) ?? { name: item.user, realName: item.user, role: '', isBot: true };
    const shown = author.realName;
    const meta = h(
      'div.meta',
      {},
      h('strong.author', {}, shown),
      author.isBot && item.user !== 'USLACKBOT' && h('span.app-badge', {}, 'APP'),
      h('time.when', { title: fullTimeOf(item.ts) }, timeOf(item.ts)),
    );
    const body = h(
      'div.body',
      {},
      item.is_ephemeral && h('div.only-you', {}, icon('eye', 13), 'Only visible to you'),
      isReply(item) &&
        item.broadcast &&
        !this.#inThread &&
        h(
          'button.broadcast',
          { type: 'button', onclick: () => this.#openThread(item.thread_ts) },
          icon('thread', 12),
          'replied to a thread',
        ),
      !grouped && meta,
      content(item),
      reactions(item),
      !this.#inThread && item.reply_count > 0 && this.#threadLink(item),
      item.is_ephemeral && h('button.dismiss', { type: 'button', onclick: () => dismiss(item.ts) }, 'Dismiss message'),
    );
    const gutter = h(
      'div.gutter',
      {},
      grouped ? h('time.when', { title: fullTimeOf(item.ts) }, timeOf(item.ts)) : avatar(author),
    );
    return h(
      'article.message',
      {
        id: this.#inThread ? null : `message-${item.ts}`,
        class: `${grouped ? 'grouped' : ''} ${item.is_ephemeral ? 'ephemeral' : ''} ${(item.notifies ?? []).includes(store.me) ? 'for-me' : ''}`,
        'aria-label': `${shown}, ${timeOf(item.ts)}${item.is_ephemeral ? ', only visible to you' : ''}`,
        data: { testid: item.is_ephemeral ? 'ephemeral' : this.#inThread ? 'thread-message' : 'message', ts: item.ts },
      },
      gutter,
      body,
      this.#toolbar(item),
    );
  }

  #threadLink(item) {
    const people = (item.reply_users ?? [])
      .slice(0, 3)
      .map((id) => avatar(store.people.get(id) ?? { name: id, realName: id }, 'tiny'));
    const count = `${item.reply_count} ${item.reply_count === 1 ? 'reply' : 'replies'}`;
    return h(
      'button.thread-link',
      { type: 'button', data: { testid: 'open-thread' }, onclick: () => this.#openThread(item.ts) },
      people,
      h('span.count', {}, count),
      h('span.muted', {}, `Last reply at ${timeOf(item.latest_reply)}`),
      icon('chevron', 14),
    );
  }

  #toolbar(item) {
    if (this.#inThread || item.is_ephemeral) return null;
    return h(
      'div.message-tools',
      {},
      h(
        'button.icon-button',
        {
          type: 'button',
          'aria-label': 'Reply in thread',
          title: 'Reply in thread',
          onclick: () => this.#openThread(item.thread_ts ?? item.ts),
        },
        icon('thread'),
      ),
    );
  }
}

function continues(previous, item) {
  return (
    previous !== undefined &&
    previous.user === item.user &&
    !item.is_ephemeral &&
    !previous.is_ephemeral &&
    !item.broadcast &&
    !(previous.reply_count > 0) &&
    Number(item.ts) - Number(previous.ts) < GROUPED_WITHIN_S &&
    dayOf(previous.ts) === dayOf(item.ts)
  );
}

function signature(item, grouped) {
  const pending = [...store.pending]
    .filter(([key]) => key.startsWith(`${item.ts}/`))
    .map(([key, one]) => key + one.state);
  return [item.version, item.reply_count, item.latest_reply, grouped, store.me, store.people.size, ...pending].join(
    '|',
  );
}

function content(item) {
  const edited = item.edited && item.user !== store.app.botUserId && h('span.edited', {}, ' (edited)');
  if (!item.blocks?.length) return h('div.text', {}, mrkdwn(item.text, names), edited);
  return h('div.blocks', {}, renderBlocks(item.blocks, { names, act: actions(item.ts) }), edited);
}

function actions(ts) {
  return {
    state: (block, element) => pendingOf(ts, block, element)?.state ?? '',
    why: (block, element) => pendingOf(ts, block, element)?.why ?? '',
    async press(block, element, chosen) {
      if (element.confirm && !(await confirmed(element.confirm))) return;
      await press(ts, block, element, chosen);
    },
  };
}

function reactions(item) {
  if (!item.reactions?.length) return null;
  return h(
    'div.reactions',
    {},
    item.reactions.map((one) =>
      h(
        'span.reaction',
        { title: one.users.map((id) => names.person(id)).join(', ') },
        emojiNode(one.name),
        String(one.count),
      ),
    ),
  );
}

function dismiss(ts) {
  store.dismissed.add(ts);
  changed();
}

// A message that is drawn anew while a person is on one of its buttons must not take the focus away.
function keepFocus(old, fresh) {
  if (!old.contains(document.activeElement)) return;
  const id = document.activeElement?.dataset.actionId;
  queueMicrotask(() => {
    const target = id && [...fresh.querySelectorAll('[data-action-id]')].find((one) => one.dataset.actionId === id);
    if (target) target.focus({ preventScroll: true });
  });
}
