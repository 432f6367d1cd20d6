import {
  all,
  anything,
  byType,
  type Check,
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

// Limits as stated at docs.slack.dev/reference/block-kit (block elements, composition objects) and in @slack/types 3.2.

const PLAIN = { type: oneOf('plain_text') };

export function plainText(max: number): Check {
  return shape({ ...PLAIN, text: text(max) }, { emoji: flag });
}

/** Plain text or mrkdwn. */
export function anyText(max: number): Check {
  return byType({
    plain_text: plainText(max),
    mrkdwn: shape({ type: oneOf('mrkdwn'), text: text(max) }, { verbatim: flag }),
  });
}

export function mrkdwn(max: number): Check {
  return shape({ type: oneOf('mrkdwn'), text: text(max) }, { verbatim: flag });
}

const confirm = shape(
  { text: anyText(300) },
  { title: plainText(100), confirm: plainText(30), deny: plainText(30), style: oneOf('primary', 'danger') },
);

const url = text(3000);

const oneImageSource: Check = (value, path, findings) => {
  if (isObject(value) && value['image_url'] === undefined && value['slack_file'] === undefined) {
    findings.add('missing required field: image_url', path);
  }
};

export const IMAGE_SOURCE = { image_url: url, slack_file: anything };

export const imageElement = shape({ type: anything, alt_text: text(2000) }, IMAGE_SOURCE, oneImageSource);

// An element without an action_id gets one from Slack, so only its length is checked.
const ACTION = { action_id: text(255) };
const CONFIRM = { confirm };
const FOCUS = { focus_on_load: flag, placeholder: plainText(150) };

const option = shape({ text: anyText(75), value: text(150) }, { description: anyText(75), url });
const group = shape({ label: plainText(75), options: list(option, 100) });

const eitherOptionsOrGroups: Check = (value, path, findings) => {
  if (!isObject(value)) return;
  const given = [value['options'], value['option_groups']].filter((field) => field !== undefined).length;
  if (given !== 1) findings.add('must provide exactly one of options or option_groups', path);
};

const SELECT = { ...ACTION, ...CONFIRM, ...FOCUS };
const MULTI = { ...SELECT, max_selected_items: whole(1, 1000) };
const staticChoices = { options: list(option, 100), option_groups: list(group, 100) };
const dispatch = { dispatch_action_config: anything };

export const button = shape(
  { type: anything, text: plainText(75) },
  { ...ACTION, ...CONFIRM, url, value: text(2000), style: oneOf('primary', 'danger'), accessibility_label: text(75) },
);

const checkOptions = { type: anything, options: list(option, 10) };

const inputs: Record<string, Check> = {
  static_select: shape(
    { type: anything },
    { ...SELECT, ...staticChoices, initial_option: option },
    eitherOptionsOrGroups,
  ),
  external_select: shape({ type: anything }, { ...SELECT, min_query_length: whole(0, 3000), initial_option: option }),
  users_select: shape({ type: anything }, { ...SELECT, initial_user: text(255) }),
  conversations_select: shape(
    { type: anything },
    {
      ...SELECT,
      initial_conversation: text(255),
      default_to_current_conversation: flag,
      response_url_enabled: flag,
      filter: anything,
    },
  ),
  channels_select: shape({ type: anything }, { ...SELECT, initial_channel: text(255), response_url_enabled: flag }),
  multi_static_select: shape(
    { type: anything },
    { ...MULTI, ...staticChoices, initial_options: list(option, 100) },
    eitherOptionsOrGroups,
  ),
  multi_external_select: shape(
    { type: anything },
    { ...MULTI, min_query_length: whole(0, 3000), initial_options: anything },
  ),
  multi_users_select: shape({ type: anything }, { ...MULTI, initial_users: list(text(255), 1000) }),
  multi_conversations_select: shape(
    { type: anything },
    { ...MULTI, initial_conversations: anything, default_to_current_conversation: flag, filter: anything },
  ),
  multi_channels_select: shape({ type: anything }, { ...MULTI, initial_channels: anything }),
  radio_buttons: shape(checkOptions, { ...ACTION, ...CONFIRM, initial_option: option, focus_on_load: flag }),
  checkboxes: shape(checkOptions, { ...ACTION, ...CONFIRM, initial_options: list(option, 10), focus_on_load: flag }),
  datepicker: shape({ type: anything }, { ...SELECT, initial_date: text(10) }),
  timepicker: shape({ type: anything }, { ...SELECT, initial_time: text(5), timezone: text(255) }),
  datetimepicker: shape({ type: anything }, { ...ACTION, ...CONFIRM, initial_date_time: number, focus_on_load: flag }),
};

const onlyInInputBlocks: Record<string, Check> = {
  plain_text_input: shape(
    { type: anything },
    {
      ...ACTION,
      ...FOCUS,
      ...dispatch,
      initial_value: text(3000, 0),
      multiline: flag,
      min_length: whole(0, 3000),
      max_length: whole(1, 3000),
    },
  ),
  number_input: shape(
    { type: anything, is_decimal_allowed: flag },
    { ...ACTION, ...FOCUS, ...dispatch, initial_value: anything, min_value: anything, max_value: anything },
  ),
  email_text_input: shape({ type: anything }, { ...ACTION, ...FOCUS, ...dispatch, initial_value: anything }),
  url_text_input: shape({ type: anything }, { ...ACTION, ...FOCUS, ...dispatch, initial_value: anything }),
  file_input: shape({ type: anything }, { ...ACTION, filetypes: list(text(100), 100), max_files: whole(1, 10) }),
};

const richTextInput = shape(
  { type: anything },
  {
    ...ACTION,
    ...FOCUS,
    ...dispatch,
    initial_value: anything,
    min_lines: whole(1, 100),
    max_lines: whole(1, 100),
  },
);

const overflow = shape({ type: anything, options: list(option, 5) }, { ...ACTION, ...CONFIRM });

const workflowButton = shape(
  { type: anything, text: plainText(75), workflow: anything },
  { ...ACTION, style: oneOf('primary', 'danger'), accessibility_label: text(75) },
);

const feedbackSide = shape({ text: plainText(75), value: text(2000) }, { accessibility_label: text(75) });

const interactive = { button, overflow, workflow_button: workflowButton, ...inputs };

export const ACTIONS_ELEMENTS: Check = all(
  list(byType({ ...interactive, rich_text_input: richTextInput }), 25),
  unique('action_id'),
);

export const ACCESSORY: Check = byType({ ...interactive, image: imageElement });

export const INPUT_ELEMENT: Check = byType({ ...inputs, ...onlyInInputBlocks, rich_text_input: richTextInput });

export const CONTEXT_ELEMENTS: Check = list(
  byType({ image: imageElement, plain_text: plainText(3000), mrkdwn: mrkdwn(3000) }),
  10,
);

export const CONTEXT_ACTIONS_ELEMENTS: Check = all(
  list(
    byType({
      feedback_buttons: shape({ type: anything, positive_button: feedbackSide, negative_button: feedbackSide }, ACTION),
      icon_button: shape(
        { type: anything, icon: text(255), text: plainText(75) },
        { ...ACTION, ...CONFIRM, value: text(2000), accessibility_label: text(75), visible_to_user_ids: anything },
      ),
    }),
    5,
  ),
  unique('action_id'),
);

export const CARD_BUTTONS: Check = all(list(byType({ button }), 25), unique('action_id'));
