import type { Json } from '../model.ts';
import {
  all,
  anything,
  byType,
  type Check,
  Findings,
  flag,
  isObject,
  list,
  number,
  oneOf,
  shape,
  text,
  unique,
  whole,
} from './checks.ts';
import {
  ACCESSORY,
  ACTIONS_ELEMENTS,
  anyText,
  CARD_BUTTONS,
  CONTEXT_ACTIONS_ELEMENTS,
  CONTEXT_ELEMENTS,
  IMAGE_SOURCE,
  INPUT_ELEMENT,
  imageElement,
  mrkdwn,
  plainText,
} from './elements.ts';
import { RICH_TEXT } from './richText.ts';

// Limits as stated at docs.slack.dev/reference/block-kit/blocks and in @slack/types 3.2.

const ANY = { type: anything };
const ID = { block_id: text(255) };

const cell = byType({
  rich_text: RICH_TEXT,
  raw_text: shape({ ...ANY, text: text(Number.POSITIVE_INFINITY) }),
  raw_number: shape({ ...ANY, value: number, text: text(Number.POSITIVE_INFINITY) }),
});

const equalRows: Check = (value, path, findings) => {
  const rows = isObject(value) && Array.isArray(value['rows']) ? value['rows'] : [];
  const widths = new Set(rows.map((row) => (Array.isArray(row) ? row.length : -1)));
  if (widths.size > 1) findings.add('all rows must have the same number of cells', `${path}/rows`);
};

const plainHeader: Check = (value, path, findings) => {
  const rows = isObject(value) && Array.isArray(value['rows']) ? value['rows'] : [];
  const header: unknown[] = Array.isArray(rows[0]) ? rows[0] : [];
  if (header.some((one) => isObject(one) && one['type'] === 'rich_text')) {
    findings.add('rich_text is not allowed in the header row', `${path}/rows/0`);
  }
};

const textOrFields: Check = (value, path, findings) => {
  if (isObject(value) && value['text'] === undefined && value['fields'] === undefined) {
    findings.add('missing required field: text', path);
  }
};

const someOf =
  (...fields: string[]): Check =>
  (value, path, findings) => {
    if (isObject(value) && fields.every((field) => value[field] === undefined)) {
      findings.add(`must provide at least one of ${fields.join(', ')}`, path);
    }
  };

const taskCard = shape(
  { ...ANY, task_id: text(255), title: text(Number.POSITIVE_INFINITY) },
  {
    ...ID,
    details: RICH_TEXT,
    output: RICH_TEXT,
    sources: anything,
    status: oneOf('pending', 'in_progress', 'complete', 'error'),
  },
);

const card = shape(
  ANY,
  {
    ...ID,
    hero_image: imageElement,
    icon: imageElement,
    title: mrkdwn(150),
    subtitle: mrkdwn(150),
    body: mrkdwn(200),
    actions: CARD_BUTTONS,
  },
  someOf('hero_image', 'title', 'actions', 'body'),
);

const simple: Record<string, Check> = {
  actions: shape({ ...ANY, elements: ACTIONS_ELEMENTS }, ID),
  context: shape({ ...ANY, elements: CONTEXT_ELEMENTS }, ID),
  divider: shape(ANY, ID),
  header: shape({ ...ANY, text: plainText(150) }, ID),
  image: shape({ ...ANY, alt_text: text(2000) }, { ...ID, ...IMAGE_SOURCE, title: plainText(2000) }),
  rich_text: RICH_TEXT,
  section: shape(
    ANY,
    { ...ID, text: anyText(3000), fields: list(anyText(2000), 10), accessory: ACCESSORY, expand: flag },
    textOrFields,
  ),
  table: shape(
    { ...ANY, rows: list(list(cell, 20), 100) },
    {
      ...ID,
      column_settings: list(shape({}, { align: oneOf('left', 'center', 'right'), is_wrapped: flag }), 20, 0),
    },
    equalRows,
  ),
  video: shape(
    { ...ANY, video_url: text(3000), thumbnail_url: text(3000), alt_text: text(2000), title: plainText(199) },
    {
      ...ID,
      title_url: text(3000),
      author_name: text(49),
      provider_name: text(255),
      provider_icon_url: text(3000),
      description: plainText(200),
    },
  ),
};

const input = shape(
  { ...ANY, label: plainText(2000), element: INPUT_ELEMENT },
  { ...ID, hint: plainText(2000), optional: flag, dispatch_action: flag },
);

const container = shape(
  { ...ANY, child_blocks: list(byType({ ...simple, input }), 10) },
  {
    ...ID,
    title: plainText(150),
    rich_text_title: RICH_TEXT,
    subtitle: anyText(150),
    width: oneOf('narrow', 'standard', 'wide', 'full'),
    icon: imageElement,
    is_collapsible: flag,
    default_collapsed: flag,
    has_header_divider: flag,
  },
  someOf('title', 'rich_text_title'),
);

const shared: Record<string, Check> = {
  ...simple,
  card,
  carousel: shape({ ...ANY, elements: list(byType({ card }), 10) }, ID),
  container,
  context_actions: shape({ ...ANY, elements: CONTEXT_ACTIONS_ELEMENTS }, ID),
  data_table: shape(
    { ...ANY, rows: list(list(cell, 20), 101, 2), caption: text(3000) },
    { ...ID, page_size: whole(1, 100), row_header_column_index: whole(0, 19) },
    all(equalRows, plainHeader),
  ),
  input,
  markdown: shape({ ...ANY, text: text(12_000) }, ID),
  plan: shape(
    { ...ANY, title: text(Number.POSITIVE_INFINITY) },
    { ...ID, tasks: list(byType({ task_card: taskCard }), 50, 0) },
  ),
  task_card: taskCard,
};

// "Alert blocks are currently only supported in modals." docs.slack.dev/reference/block-kit/blocks/alert-block
const alert = shape(
  { ...ANY, text: anyText(200) },
  { ...ID, level: oneOf('default', 'info', 'warning', 'error', 'success') },
);

const MESSAGE_BLOCKS = all(list(byType(shared), 50, 0), unique('block_id'));
const VIEW_BLOCKS = all(list(byType({ ...shared, alert }), 100, 0), unique('block_id'));

export interface Refusal {
  error:
    | 'invalid_blocks'
    | 'invalid_blocks_format'
    | 'invalid_attachments'
    | 'msg_blocks_too_long'
    | 'invalid_arguments';
  messages: string[];
}

/**
 * Checks the `blocks` of a message. Answers undefined when Slack would take them.
 * `messages` are in Slack's form: `no more than 50 items allowed [json-pointer:/blocks]`.
 */
export function refusedMessageBlocks(blocks: unknown): Refusal | undefined {
  if (!Array.isArray(blocks) || !blocks.every(isObject)) return { error: 'invalid_blocks_format', messages: [] };
  const findings = new Findings();
  MESSAGE_BLOCKS(blocks, '/blocks', findings);
  if (findings.messages.length > 0) return { error: 'invalid_blocks', messages: findings.messages };
  if (blocks.filter((block) => block['type'] === 'table').length > 1) {
    return { error: 'invalid_attachments', messages: ['only_one_table_allowed'] };
  }
  return weight(blocks) > MOST_WEIGHT ? { error: 'msg_blocks_too_long', messages: [] } : undefined;
}

/** Checks a modal as given to views.open, update or push. */
export function refusedView(view: unknown): Refusal | undefined {
  const findings = new Findings();
  VIEW(view, '/view', findings);
  return findings.messages.length > 0 ? { error: 'invalid_arguments', messages: findings.messages } : undefined;
}

const submitForInputs: Check = (value, path, findings) => {
  if (!isObject(value) || !Array.isArray(value['blocks']) || value['submit'] !== undefined) return;
  if (value['blocks'].some((block) => isObject(block) && block['type'] === 'input')) {
    findings.add('missing required field: submit', path);
  }
};

const VIEW: Check = shape(
  { type: oneOf('modal'), title: plainText(24), blocks: VIEW_BLOCKS },
  {
    submit: plainText(24),
    close: plainText(24),
    private_metadata: text(3000, 0),
    callback_id: text(255),
    external_id: text(255),
    clear_on_close: flag,
    notify_on_close: flag,
    submit_disabled: flag,
  },
  submitForInputs,
);

// The whole message has an undocumented limit, measured in slackapi/bolt-js issue 2509: 13,297 characters of text in
// one block, and 125 fewer for each further container.
const MOST_WEIGHT = 13_297;
const CONTAINER_WEIGHT = 125;

function weight(blocks: Json[]): number {
  let total = -CONTAINER_WEIGHT;
  const visit = (value: unknown): void => {
    if (Array.isArray(value)) value.forEach(visit);
    else if (isObject(value)) {
      if (isContainer(value)) total += CONTAINER_WEIGHT;
      if (typeof value['text'] === 'string') total += value['text'].length;
      Object.values(value).forEach(visit);
    }
  };
  visit(blocks);
  return total;
}

function isContainer(value: Json): boolean {
  const type = String(value['type'] ?? '');
  return Object.hasOwn(shared, type) || type.startsWith('rich_text_');
}
