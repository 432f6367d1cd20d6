import { h, icon } from './dom.js';
import { element } from './elements.js';
import { mrkdwn, withEmoji } from './mrkdwn.js';
import { richText } from './richText.js';

/**
 * Block Kit as nodes.
 * @param {object[]} blocks
 * @param {{ names: object, act: object }} context `act` is what elements.js calls when a person does something
 */
export function renderBlocks(blocks, context) {
  return blocks.map((block) => {
    const node = RENDER[block.type]?.(block, context) ?? h('div.block.unknown', {}, `[${block.type}]`);
    node.dataset.blockId = block.block_id ?? '';
    return node;
  });
}

/** A text object of any kind. */
export function textObject(object, context) {
  if (object === undefined || object === null) return [];
  if (typeof object === 'string') return withEmoji(object);
  if (object.type === 'rich_text') return richText(object, context.names);
  return object.type === 'mrkdwn' ? mrkdwn(object.text, context.names) : withEmoji(object.text);
}

const RENDER = {
  header: (block, context) => h('h3.block.header', {}, textObject(block.text, context)),

  section(block, context) {
    const body = h('div.section-body');
    if (block.text) body.append(h('div.text', {}, textObject(block.text, context)));
    if (block.fields)
      body.append(
        h(
          'div.fields',
          {},
          block.fields.map((field) => h('div.field', {}, textObject(field, context))),
        ),
      );
    const accessory = block.accessory && element(block.accessory, block, context);
    return h('div.block.section', {}, body, accessory && h('div.accessory', {}, accessory));
  },

  context: (block, context) =>
    h(
      'div.block.context',
      {},
      block.elements.map((one) =>
        one.type === 'image' ? picture(one, 'small') : h('span', {}, textObject(one, context)),
      ),
    ),

  divider: () => h('hr.block.divider'),

  actions: (block, context) =>
    h(
      'div.block.actions',
      { role: 'group' },
      block.elements.map((one) => element(one, block, context)),
    ),

  context_actions: (block, context) =>
    h(
      'div.block.actions.quiet',
      { role: 'group' },
      block.elements.map((one) => element(one, block, context)),
    ),

  image: (block, context) =>
    h(
      'figure.block.image',
      {},
      block.title && h('figcaption', {}, textObject(block.title, context)),
      picture(block, 'large'),
    ),

  rich_text: (block, context) => h('div.block.rich-text', {}, richText(block, context.names)),

  markdown: (block) => h('div.block.markdown.pre-wrap', {}, block.text),

  table: (block, context) => table(block, context, block.column_settings ?? []),

  data_table: (block, context) => table(block, context, [], block.caption),

  alert: (block, context) =>
    h(
      'div.block.alert',
      { class: `level-${block.level ?? 'default'}`, role: 'note' },
      icon(block.level === 'success' ? 'check' : 'warning'),
      h('div', {}, textObject(block.text, context)),
    ),

  card(block, context) {
    return h(
      'div.block.card',
      {},
      block.hero_image && picture(block.hero_image, 'large'),
      h(
        'div.card-head',
        {},
        block.icon && picture(block.icon, 'small'),
        h(
          'div',
          {},
          block.title && h('div.card-title', {}, textObject(block.title, context)),
          block.subtitle && h('div.card-subtitle', {}, textObject(block.subtitle, context)),
        ),
      ),
      block.body && h('div.card-body', {}, textObject(block.body, context)),
      block.actions &&
        h(
          'div.actions',
          { role: 'group' },
          block.actions.map((one) => element(one, block, context)),
        ),
    );
  },

  carousel: (block, context) => h('div.block.carousel', {}, renderBlocks(block.elements, context)),

  container(block, context) {
    const title = block.rich_text_title ?? block.title;
    const children = renderBlocks(block.child_blocks ?? [], context);
    const head = [
      h('strong', {}, textObject(title, context)),
      block.subtitle && h('div.card-subtitle', {}, textObject(block.subtitle, context)),
    ];
    if (!block.is_collapsible) return h('div.block.container', {}, h('div.container-head', {}, head), children);
    return h('details.block.container', { open: !block.default_collapsed }, h('summary', {}, head), children);
  },

  plan: (block, context) =>
    h(
      'div.block.plan',
      {},
      h('div.plan-title', {}, withEmoji(block.title)),
      h(
        'ol.tasks',
        {},
        (block.tasks ?? []).map((task) => h('li', {}, taskCard(task, context))),
      ),
    ),

  task_card: (block, context) => h('div.block', {}, taskCard(block, context)),

  input: (block, context) => context.input?.(block) ?? h('div.block', {}, textObject(block.label, context)),

  video: (block, context) => h('div.block', {}, textObject(block.title, context)),
};

const TASK_ICONS = { complete: 'check', error: 'cross', in_progress: 'clock', pending: 'clock' };

function taskCard(task, context) {
  const status = task.status ?? 'pending';
  const more = [task.details, task.output]
    .filter(Boolean)
    .map((one) => h('div.task-more', {}, richText(one, context.names)));
  return h(
    'div.task',
    { class: `task-${status}` },
    h('span.task-mark', {}, status === 'in_progress' ? h('span.spinner') : icon(TASK_ICONS[status], 14)),
    h(
      'div',
      {},
      h('div.task-title', {}, withEmoji(task.title), h('span.sr-only', {}, ` (${status.replace('_', ' ')})`)),
      more,
    ),
  );
}

function table(block, context, settings, caption) {
  const [head = [], ...rows] = block.rows ?? [];
  const cell = (tag) => (one, column) => {
    const setting = settings[column] ?? {};
    const node = h(tag, tag === 'th' ? { scope: 'col' } : {}, textObject(one, context));
    node.style.textAlign = setting.align ?? (one.type === 'raw_number' ? 'right' : 'left');
    if (setting.is_wrapped === false || setting.is_wrapped === undefined) node.classList.add('nowrap');
    return node;
  };
  return h(
    'div.block.table',
    { tabindex: '0', role: 'region', 'aria-label': caption ?? 'Table' },
    h(
      'table',
      {},
      caption && h('caption', {}, caption),
      h('thead', {}, h('tr', {}, head.map(cell('th')))),
      h(
        'tbody',
        {},
        rows.map((row) => h('tr', {}, row.map(cell('td')))),
      ),
    ),
  );
}

// The page loads nothing from elsewhere: a picture with an outside address is shown as its alternative text.
function picture(image, size) {
  const source = image.image_url ?? '';
  const own = source.startsWith('data:') || source.startsWith('/');
  if (own) return h(`img.picture.${size}`, { src: source, alt: image.alt_text ?? '' });
  return h(
    `span.picture.${size}.missing`,
    { role: 'img', 'aria-label': image.alt_text ?? 'image' },
    image.alt_text ?? 'image',
  );
}
