import { post } from './api.js';
import { renderBlocks, textObject } from './blocks.js';
import { arrange, h, icon } from './dom.js';
import { withEmoji } from './mrkdwn.js';
import { names, store } from './store.js';

/** Asks as Slack does before a button with `confirm` acts. Resolves to whether the person went on. */
export function confirmed(confirm) {
  return new Promise((resolve) => {
    const context = { names };
    const done = (answer) => {
      dialog.close();
      dialog.remove();
      resolve(answer);
    };
    const dialog = h(
      'dialog.modal.small',
      { 'aria-labelledby': 'confirm-title', data: { testid: 'confirm' }, oncancel: () => done(false) },
      h(
        'header.modal-head',
        {},
        h('h2', { id: 'confirm-title' }, textObject(confirm.title ?? 'Are you sure?', context)),
      ),
      h('div.modal-body', {}, h('div', {}, textObject(confirm.text, context))),
      h(
        'footer.modal-foot',
        {},
        h(
          'button.kit-button',
          { type: 'button', data: { testid: 'confirm-deny' }, onclick: () => done(false) },
          textObject(confirm.deny ?? 'Cancel', context),
        ),
        h(
          'button.kit-button',
          {
            type: 'button',
            class: `solid ${confirm.style ?? 'primary'}`,
            data: { testid: 'confirm-yes' },
            onclick: () => done(true),
          },
          textObject(confirm.confirm ?? 'Yes', context),
        ),
      ),
    );
    document.body.append(dialog);
    dialog.showModal();
  });
}

const open = new Map();

/** Shows the modals that the app has opened for this person. */
export function drawModals(root) {
  for (const [id, held] of open) {
    const view = store.views.find((one) => one.id === id);
    if (view !== undefined && view.hash === held.hash) continue;
    held.dialog.close();
    held.dialog.remove();
    open.delete(id);
  }
  for (const view of store.views) {
    const held = open.get(view.id) ?? build(view);
    showErrors(held.dialog, view.errors ?? {});
    if (open.has(view.id)) continue;
    open.set(view.id, held);
    root.append(held.dialog);
    held.dialog.showModal();
  }
}

function build(view) {
  const fields = [];
  const act = {
    state: () => '',
    why: () => '',
    press: (_block, element, chosen) =>
      post('/_slack/press_view', {
        user: store.me,
        view_id: view.id,
        action_id: element.action_id,
        ...(chosen ? { chosen } : {}),
      }),
  };
  const context = { names, act, input: (block) => inputBlock(block, fields) };
  const close = () => post('/_slack/close', { user: store.me, view_id: view.id });
  const submit = async (event) => {
    event.preventDefault();
    const values = {};
    for (const field of fields) values[field.block] = { ...values[field.block], [field.action]: field.read() };
    dialog.classList.add('busy');
    await post('/_slack/submit', { user: store.me, view_id: view.id, values });
    dialog.classList.remove('busy');
  };
  const form = h(
    'form',
    { onsubmit: submit, novalidate: true },
    h(
      'header.modal-head',
      {},
      h('h2', {}, withEmoji(view.title?.text ?? '')),
      h('button.icon-button', { type: 'button', 'aria-label': 'Close', onclick: close }, icon('close')),
    ),
    h('div.modal-body', {}, renderBlocks(view.blocks, context)),
    h('p.modal-error', { role: 'alert', data: { errorFor: '' } }),
    h(
      'footer.modal-foot',
      {},
      h('button.kit-button', { type: 'button', onclick: close }, withEmoji(view.close?.text ?? 'Cancel')),
      view.submit &&
        h(
          'button.kit-button.solid.primary',
          { type: 'submit', data: { testid: 'modal-submit' } },
          withEmoji(view.submit.text),
        ),
    ),
  );
  const dialog = h(
    'dialog.modal',
    {
      data: { testid: 'modal', callbackId: view.callback_id },
      oncancel: (event) => {
        event.preventDefault();
        close();
      },
    },
    form,
  );
  return { dialog, hash: view.hash };
}

function showErrors(dialog, errors) {
  for (const slot of dialog.querySelectorAll('[data-error-for]')) {
    arrange(slot, []);
    slot.textContent = errors[slot.dataset.errorFor] ?? '';
  }
}

function inputBlock(block, fields) {
  const id = `field-${block.block_id}`;
  const one = block.element;
  const made = (INPUTS[one.type] ?? INPUTS.plain_text_input)(one, id);
  fields.push({ block: block.block_id, action: one.action_id, read: () => ({ type: one.type, ...made.read() }) });
  return h(
    'div.block.field-block',
    {},
    h('label', { for: id }, withEmoji(block.label.text), block.optional && h('span.muted', {}, ' (optional)')),
    made.node,
    block.hint && h('div.hint', {}, withEmoji(block.hint.text)),
    h('p.field-error', { role: 'alert', data: { errorFor: block.block_id } }),
  );
}

const option = (one) => one.text?.text ?? one.value;

function typed(type) {
  return (one, id) => {
    const node = one.multiline
      ? h('textarea.kit-input', {
          id,
          rows: 4,
          placeholder: one.placeholder?.text,
          maxlength: one.max_length,
          value: one.initial_value ?? '',
        })
      : h('input.kit-input', {
          id,
          type,
          placeholder: one.placeholder?.text,
          maxlength: one.max_length,
          value: one.initial_value ?? '',
        });
    return { node, read: () => ({ value: node.value === '' ? null : node.value }) };
  };
}

function picked(type, field) {
  return (one, id) => {
    const node = h('input.kit-input', { id, type, value: one[`initial_${type}`] ?? '' });
    return { node, read: () => ({ [field]: node.value === '' ? null : node.value }) };
  };
}

function chosen(multiple) {
  return (one, id) => {
    const options = one.options ?? (one.option_groups ?? []).flatMap((group) => group.options);
    const initial = new Set(
      [one.initial_option, ...(one.initial_options ?? [])].filter(Boolean).map((each) => each.value),
    );
    const node = h(
      'select.kit-select',
      { id, multiple },
      multiple || h('option', { value: '' }, one.placeholder?.text ?? 'Choose an option'),
      options.map((each) => h('option', { value: each.value, selected: initial.has(each.value) }, option(each))),
    );
    const selected = () =>
      options.filter((each) => [...node.selectedOptions].some((shown) => shown.value === each.value));
    return {
      node,
      read: () => (multiple ? { selected_options: selected() } : { selected_option: selected()[0] ?? null }),
    };
  };
}

function ticked(type) {
  return (one, id) => {
    const initial = new Set(
      [one.initial_option, ...(one.initial_options ?? [])].filter(Boolean).map((each) => each.value),
    );
    const node = h(
      'div.kit-choices',
      { id, role: 'group' },
      one.options.map((each) =>
        h(
          'label',
          {},
          h('input', { type, name: id, value: each.value, checked: initial.has(each.value) }),
          ' ',
          withEmoji(option(each)),
        ),
      ),
    );
    const selected = () => one.options.filter((_each, index) => node.querySelectorAll('input')[index].checked);
    return {
      node,
      read: () => (type === 'radio' ? { selected_option: selected()[0] ?? null } : { selected_options: selected() }),
    };
  };
}

const INPUTS = {
  plain_text_input: typed('text'),
  number_input: typed('number'),
  email_text_input: typed('email'),
  url_text_input: typed('url'),
  datepicker: picked('date', 'selected_date'),
  timepicker: picked('time', 'selected_time'),
  static_select: chosen(false),
  multi_static_select: chosen(true),
  radio_buttons: ticked('radio'),
  checkboxes: ticked('checkbox'),
};
