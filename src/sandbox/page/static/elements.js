import { h, icon } from './dom.js';
import { withEmoji } from './mrkdwn.js';

/**
 * An interactive element as a node. `context.act` has
 * `press(block, element, chosen)` → promise, `state(block, element)` → '' | 'busy' | 'failed', and `why(block, element)`.
 */
export function element(one, block, context) {
  return (RENDER[one.type] ?? unknown)(one, block, context);
}

function attributes(one, block) {
  return { data: { testid: 'action', actionId: one.action_id ?? '', blockId: block.block_id ?? '' } };
}

function button(one, block, { act }) {
  const state = act.state(block, one);
  const failed =
    state === 'failed' &&
    h('span.action-failed', { role: 'status', title: act.why(block, one) }, icon('warning', 14), act.why(block, one));
  const node = h(
    'button.kit-button',
    {
      ...attributes(one, block),
      type: 'button',
      class: `${one.style ?? ''} ${state}`,
      'aria-label': one.accessibility_label,
      'aria-busy': state === 'busy' ? 'true' : null,
      onclick: () => act.press(block, one),
    },
    state === 'busy' && h('span.spinner'),
    h('span', {}, withEmoji(one.text?.text ?? '')),
  );
  return failed ? h('span.kit-with-note', {}, node, failed) : node;
}

const optionText = (option) => option.text?.text ?? option.value;

function select(one, block, { act }) {
  const options = one.options ?? (one.option_groups ?? []).flatMap((group) => group.options);
  const chosen = one.initial_option?.value ?? '';
  return h(
    'select.kit-select',
    {
      ...attributes(one, block),
      'aria-label': one.placeholder?.text ?? 'Choose an option',
      onchange: (event) => {
        const option = options.find((candidate) => candidate.value === event.target.value);
        if (option) act.press(block, one, { selected_option: option });
      },
    },
    h('option', { value: '', disabled: true, selected: chosen === '' }, one.placeholder?.text ?? 'Choose an option'),
    options.map((option) =>
      h('option', { value: option.value, selected: option.value === chosen }, optionText(option)),
    ),
  );
}

function overflow(one, block, { act }) {
  const menu = h(
    'div.menu',
    { role: 'menu' },
    one.options.map((option) =>
      h(
        'button',
        { type: 'button', role: 'menuitem', onclick: () => act.press(block, one, { selected_option: option }) },
        withEmoji(optionText(option)),
      ),
    ),
  );
  return h(
    'details.kit-overflow',
    attributes(one, block),
    h('summary.kit-button', { 'aria-label': 'More actions' }, '⋯'),
    menu,
  );
}

function choices(type) {
  return (one, block, { act }) => {
    const name = `${block.block_id}-${one.action_id}`;
    const initial = new Set(
      [one.initial_option, ...(one.initial_options ?? [])].filter(Boolean).map((option) => option.value),
    );
    const group = h('div.kit-choices', { ...attributes(one, block), role: type === 'radio' ? 'radiogroup' : 'group' });
    const change = () => {
      const picked = one.options.filter((_option, index) => group.querySelectorAll('input')[index].checked);
      act.press(block, one, type === 'radio' ? { selected_option: picked[0] } : { selected_options: picked });
    };
    group.append(
      ...one.options.map((option) =>
        h(
          'label',
          {},
          h('input', { type, name, value: option.value, checked: initial.has(option.value), onchange: change }),
          ' ',
          withEmoji(optionText(option)),
        ),
      ),
    );
    return group;
  };
}

function dated(type, field) {
  return (one, block, { act }) =>
    h('input.kit-input', {
      ...attributes(one, block),
      type,
      'aria-label': one.placeholder?.text ?? type,
      value: one[`initial_${type}`] ?? '',
      onchange: (event) => act.press(block, one, { [field]: event.target.value }),
    });
}

function feedback(one, block, { act }) {
  return h(
    'span.kit-feedback',
    attributes(one, block),
    ['positive_button', 'negative_button'].map((side) =>
      h(
        'button.kit-button',
        { type: 'button', onclick: () => act.press(block, one, { value: one[side].value }) },
        withEmoji(one[side].text.text),
      ),
    ),
  );
}

function unknown(one) {
  return h('span.kit-unknown', {}, `[${one.type}]`);
}

const RENDER = {
  button,
  workflow_button: button,
  icon_button: button,
  image: (one) => h('span.picture.small.missing', { role: 'img', 'aria-label': one.alt_text }, one.alt_text),
  static_select: select,
  overflow,
  radio_buttons: choices('radio'),
  checkboxes: choices('checkbox'),
  datepicker: dated('date', 'selected_date'),
  timepicker: dated('time', 'selected_time'),
  feedback_buttons: feedback,
};
