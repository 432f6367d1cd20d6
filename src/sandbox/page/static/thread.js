import { createComposer } from './composer.js';
import { h, icon } from './dom.js';
import { MessageList, threadItems } from './messages.js';
import { store } from './store.js';

/** The pane beside the channel that shows one thread. */
export function createThread(root, { close }) {
  const scroller = h('div.messages', {
    role: 'log',
    'aria-live': 'off',
    'aria-label': 'Thread messages',
    tabindex: '0',
  });
  const list = new MessageList(scroller, { inThread: true, openThread: () => undefined });
  const divider = h('div.reply-count', { role: 'separator' });
  const composer = createComposer({
    id: 'thread-input',
    label: () => 'Reply in thread',
    placeholder: () => 'Reply, or mention @ephyra…',
    threadTs: () => store.threadTs,
  });
  const title = h('div.head-text', {}, h('h2', {}, 'Thread'), h('p.muted', {}, ''));
  root.append(
    h(
      'header.pane-head',
      {},
      title,
      h(
        'button.icon-button',
        { type: 'button', 'aria-label': 'Close thread', data: { testid: 'close-thread' }, onclick: close },
        icon('close'),
      ),
    ),
    scroller,
    h('div.composer-slot', {}, composer.element),
  );
  return {
    opened() {
      scroller.scrollTop = scroller.scrollHeight;
      requestAnimationFrame(() => {
        scroller.scrollTop = scroller.scrollHeight;
      });
    },
    draw() {
      root.hidden = store.threadTs === null;
      if (store.threadTs === null) return;
      const { parent, replies } = threadItems(store.threadTs);
      const count = replies.length;
      divider.textContent = count === 0 ? 'No replies yet' : `${count} ${count === 1 ? 'reply' : 'replies'}`;
      title.lastElementChild.textContent = `#${store.channels.get(store.channel)?.name ?? ''}`;
      if (parent === undefined) list.draw(replies);
      else list.draw([parent, ...replies], { afterFirst: [divider] });
      composer.draw();
    },
  };
}
