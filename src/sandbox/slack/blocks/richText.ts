import { anything, byType, type Check, flag, list, number, oneOf, shape, text, whole } from './checks.ts';

const STYLE = {
  style: shape(
    {},
    { bold: flag, code: flag, italic: flag, strike: flag, underline: flag, highlight: flag, unlink: flag },
  ),
};
const many = Number.POSITIVE_INFINITY;

const inline = byType({
  text: shape({ type: anything, text: text(many) }, STYLE),
  link: shape({ type: anything, url: text(3000) }, { ...STYLE, text: text(many), unsafe: flag }),
  emoji: shape(
    { type: anything, name: text(255) },
    { ...STYLE, unicode: text(255), url: text(3000), skin_tone: number },
  ),
  user: shape({ type: anything, user_id: text(255) }, STYLE),
  usergroup: shape({ type: anything, usergroup_id: text(255) }, STYLE),
  channel: shape({ type: anything, channel_id: text(255) }, STYLE),
  team: shape({ type: anything, team_id: text(255) }, STYLE),
  broadcast: shape({ type: anything, range: oneOf('here', 'channel', 'everyone') }, STYLE),
  date: shape(
    { type: anything, timestamp: number, format: text(255) },
    { ...STYLE, url: text(3000), fallback: text(3000) },
  ),
  color: shape({ type: anything, value: text(255) }, STYLE),
});

const section = shape({ type: anything, elements: list(inline, many, 0) });
const BORDER = { border: oneOf(0, 1) };

const RICH_TEXT_ELEMENTS: Check = list(
  byType({
    rich_text_section: section,
    rich_text_list: shape(
      {
        type: anything,
        style: oneOf('bullet', 'ordered'),
        elements: list(byType({ rich_text_section: section }), many, 0),
      },
      { ...BORDER, indent: whole(0, 8), offset: whole(0, 10_000) },
    ),
    rich_text_quote: shape({ type: anything, elements: list(inline, many, 0) }, BORDER),
    rich_text_preformatted: shape(
      { type: anything, elements: list(inline, many, 0) },
      { ...BORDER, language: text(255) },
    ),
  }),
  many,
  0,
);

export const RICH_TEXT: Check = shape(
  { type: oneOf('rich_text'), elements: RICH_TEXT_ELEMENTS },
  { block_id: text(255) },
);
