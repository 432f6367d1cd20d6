import { explain } from './api.js';
import { h, icon } from './dom.js';
import { avatar } from './people.js';
import { say, store } from './store.js';

/**
 * A box to write in, with hints for commands and mentions.
 * @param {{ id: string, label: () => string, placeholder: () => string, threadTs: () => string | null, onSent?: () => void }} options
 */
export function createComposer({ id, label, placeholder, threadTs, onSent }) {
  const history = [];
  let recalled = 0;
  let hints = [];
  let active = 0;

  const input = h('textarea.composer-input', {
    id,
    rows: 1,
    spellcheck: 'true',
    autocomplete: 'off',
    role: 'combobox',
    'aria-autocomplete': 'list',
    'aria-expanded': 'false',
    'aria-controls': `${id}-hints`,
    data: { testid: id === 'composer-input' ? 'composer' : 'thread-composer' },
  });
  const who = h('span.composer-who');
  const list = h('div.hints', {
    id: `${id}-hints`,
    role: 'listbox',
    'aria-label': 'Suggestions',
    hidden: true,
    data: { testid: 'hints' },
  });
  const problem = h('div.composer-problem', { role: 'alert' });
  const button = h(
    'button.send',
    { type: 'submit', 'aria-label': 'Send', disabled: true, data: { testid: 'send' } },
    icon('send'),
  );
  const form = h(
    'form.composer',
    {
      onsubmit: (event) => {
        event.preventDefault();
        void send();
      },
    },
    list,
    h('div.composer-row', {}, who, input, button),
    problem,
  );

  const grow = () => {
    input.style.height = 'auto';
    input.style.height = `${Math.min(input.scrollHeight, 160)}px`;
    button.disabled = input.value.trim() === '';
  };

  async function send() {
    const text = input.value.trim();
    if (text === '') return;
    history.push(text);
    recalled = history.length;
    input.value = '';
    problem.textContent = '';
    grow();
    showHints();
    onSent?.();
    const outcome = await say(text, threadTs());
    if (!outcome.ok && !text.startsWith('/')) problem.textContent = explain(outcome.error);
  }

  function showHints() {
    hints = suggestions(input.value, threadTs());
    active = Math.min(active, Math.max(0, hints.length - 1));
    list.hidden = hints.length === 0;
    input.setAttribute('aria-expanded', String(hints.length > 0));
    input.setAttribute('aria-activedescendant', hints.length > 0 ? `${id}-hint-${active}` : '');
    list.replaceChildren(
      ...hints.map((hint, index) =>
        h(
          'div.hint',
          {
            id: `${id}-hint-${index}`,
            role: 'option',
            'aria-selected': String(index === active),
            class: index === active ? 'active' : '',
            onmousedown: (event) => {
              event.preventDefault();
              take(hint);
            },
          },
          h('strong', {}, hint.shown),
          h('span.muted', {}, hint.about),
        ),
      ),
    );
  }

  function take(hint) {
    input.value = hint.text;
    active = 0;
    grow();
    showHints();
    input.focus();
  }

  function recall(step) {
    recalled = Math.max(0, Math.min(history.length, recalled + step));
    input.value = history[recalled] ?? '';
    grow();
    showHints();
  }

  input.addEventListener('input', () => {
    active = 0;
    grow();
    showHints();
  });
  input.addEventListener('blur', () => {
    list.hidden = true;
  });
  input.addEventListener('focus', showHints);
  input.addEventListener('keydown', (event) => {
    const open = !list.hidden && hints.length > 0;
    if (event.isComposing) return;
    if (event.key === 'Enter' && !event.shiftKey) {
      event.preventDefault();
      if (open && !hints[active].complete && hints[active].text.trim() !== input.value.trim()) take(hints[active]);
      else void send();
    } else if (event.key === 'Tab' && open) {
      event.preventDefault();
      take(hints[active]);
    } else if (event.key === 'Escape' && open) list.hidden = true;
    else if (event.key === 'ArrowDown' && open) step(event, 1);
    else if (event.key === 'ArrowUp' && open) step(event, -1);
    else if (event.key === 'ArrowUp' && (input.value === '' || input.value === history[recalled])) recall(-1);
    else if (event.key === 'ArrowDown' && input.value === history[recalled]) recall(1);
  });

  function step(event, by) {
    event.preventDefault();
    active = (active + by + hints.length) % hints.length;
    showHints();
  }

  return {
    element: form,
    draw() {
      input.placeholder = placeholder();
      input.setAttribute('aria-label', label());
      const me = store.people.get(store.me);
      if (me === undefined || who.dataset.person === me.id) return;
      who.dataset.person = me.id;
      who.title = `Acting as ${me.name}`;
      who.replaceChildren(avatar(me, 'tiny'));
    },
    fill(text) {
      input.value = text;
      grow();
      showHints();
      input.focus();
    },
    focus: () => input.focus(),
  };
}

/** What can still be meant by what is typed. `complete`: Enter sends what is typed instead of taking the hint. */
function suggestions(typed, threadTs) {
  if (typed.startsWith('/') && threadTs === null) return commandHints(typed);
  const [, before, word] = /^([\s\S]*?)@([\w-]*)$/.exec(typed) ?? [];
  if (word === undefined || /\w$/.test(before)) return [];
  const people = [...store.people.values()].filter(
    (one) => one.id !== 'USLACKBOT' && one.name.startsWith(word.toLowerCase()),
  );
  const named = people.map((one) => ({
    shown: `@${one.name}`,
    about: `${one.realName} · ${one.role}`,
    text: `${before}@${one.name} `,
  }));
  const groups = [...store.groups.values()].filter((one) => one.handle.startsWith(word.toLowerCase()));
  return [
    ...named,
    ...groups.map((one) => ({ shown: `@${one.handle}`, about: one.name, text: `${before}@${one.handle} ` })),
  ];
}

function commandHints(typed) {
  const hints = [];
  for (const { command, description, usageHint, examples = [] } of store.app.commands) {
    if (!command.startsWith(typed) && !typed.startsWith(command)) continue;
    if (examples.length === 0)
      hints.push({ shown: `${command} ${usageHint}`, about: description, text: `${command} ` });
    for (const example of examples) {
      const text = `${command} ${example.text}`;
      const head = `${command} ${example.text.split(' ')[0]}`;
      if (text.startsWith(typed) || typed === head || typed.startsWith(`${head} `)) {
        hints.push({ shown: text, about: example.about, text, complete: typed.startsWith(head) });
      }
    }
  }
  return hints;
}
