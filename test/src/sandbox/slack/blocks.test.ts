import { describe, expect, it } from 'vitest';
import { refusedMessageBlocks, refusedView } from '../../../../src/sandbox/slack/blocks/blocks.ts';
import { approveBlocks } from './boltApp.ts';

const plain = (text: string) => ({ type: 'plain_text', text });
const mrkdwn = (text: string) => ({ type: 'mrkdwn', text });
const button = (over: object = {}) => ({ type: 'button', action_id: 'go', text: plain('Go'), ...over });
const actions = (...elements: object[]) => ({ type: 'actions', elements });
const section = (text: string) => ({ type: 'section', text: mrkdwn(text) });
const many = <T>(count: number, make: (index: number) => T) =>
  Array.from({ length: count }, (_one, index) => make(index));

describe('the blocks of a message', () => {
  it('are taken when every limit is just kept', () => {
    expect(refusedMessageBlocks(approveBlocks())).toBeUndefined();
    expect(refusedMessageBlocks(many(50, () => ({ type: 'divider' })))).toBeUndefined();
    expect(refusedMessageBlocks([section('a'.repeat(3000))])).toBeUndefined();
    expect(refusedMessageBlocks([{ type: 'header', text: plain('h'.repeat(150)) }])).toBeUndefined();
    expect(
      refusedMessageBlocks([{ type: 'section', fields: many(10, () => mrkdwn('f'.repeat(800))) }]),
    ).toBeUndefined();
    expect(refusedMessageBlocks([actions(...many(25, (n) => button({ action_id: `a${n}` })))])).toBeUndefined();
    expect(
      refusedMessageBlocks([actions(button({ text: plain('b'.repeat(75)), value: 'v'.repeat(2000) }))]),
    ).toBeUndefined();
  });

  it.each([
    ['too many blocks', many(51, () => ({ type: 'divider' })), 'no more than 50 items allowed [json-pointer:/blocks]'],
    [
      'too long a section',
      [section('a'.repeat(3001))],
      'must be less than 3001 characters [json-pointer:/blocks/0/text/text]',
    ],
    ['an empty text', [section('')], 'must be more than 0 characters [json-pointer:/blocks/0/text/text]'],
    [
      'too long a header',
      [{ type: 'header', text: plain('h'.repeat(151)) }],
      'must be less than 151 characters [json-pointer:/blocks/0/text/text]',
    ],
    [
      'mrkdwn in a header',
      [{ type: 'header', text: mrkdwn('*h*') }],
      'value must be one of plain_text [json-pointer:/blocks/0/text/type]',
    ],
    [
      'too many fields',
      [{ type: 'section', fields: many(11, () => mrkdwn('f')) }],
      'no more than 10 items allowed [json-pointer:/blocks/0/fields]',
    ],
    [
      'too long a field',
      [{ type: 'section', fields: [mrkdwn('f'.repeat(2001))] }],
      'must be less than 2001 characters [json-pointer:/blocks/0/fields/0/text]',
    ],
    [
      'too many buttons',
      [actions(...many(26, (n) => button({ action_id: `a${n}` })))],
      'no more than 25 items allowed [json-pointer:/blocks/0/elements]',
    ],
    [
      'too long a label',
      [actions(button({ text: plain('b'.repeat(76)) }))],
      'must be less than 76 characters [json-pointer:/blocks/0/elements/0/text/text]',
    ],
    [
      'too long a value',
      [actions(button({ value: 'v'.repeat(2001) }))],
      'must be less than 2001 characters [json-pointer:/blocks/0/elements/0/value]',
    ],
    [
      'an unknown style',
      [actions(button({ style: 'green' }))],
      'value must be one of primary, danger [json-pointer:/blocks/0/elements/0/style]',
    ],
    [
      'the same action_id twice',
      [actions(button(), button())],
      '`action_id` "go" already exists [json-pointer:/blocks/0/elements/1/action_id]',
    ],
    [
      'the same block_id twice',
      many(2, () => ({ type: 'divider', block_id: 'b' })),
      '`block_id` "b" already exists [json-pointer:/blocks/1/block_id]',
    ],
    ['an unknown block', [{ type: 'sektion' }], 'unsupported type: sektion [json-pointer:/blocks/0/type]'],
    ['a missing field', [{ type: 'header' }], 'missing required field: text [json-pointer:/blocks/0]'],
    [
      'an unknown field',
      [{ type: 'divider', colour: 'red' }],
      'invalid additional property: colour [json-pointer:/blocks/0]',
    ],
    ['a section of nothing', [{ type: 'section' }], 'missing required field: text [json-pointer:/blocks/0]'],
    [
      'too much context',
      [{ type: 'context', elements: many(11, () => mrkdwn('c')) }],
      'no more than 10 items allowed [json-pointer:/blocks/0/elements]',
    ],
    [
      'an alert, which is for modals',
      [{ type: 'alert', text: plain('!') }],
      'unsupported type: alert [json-pointer:/blocks/0/type]',
    ],
    [
      'a wordy confirmation',
      [actions(button({ confirm: { text: plain('c'.repeat(301)) } }))],
      'must be less than 301 characters [json-pointer:/blocks/0/elements/0/confirm/text/text]',
    ],
  ])('are refused with %s', (_what, blocks, message) => {
    expect(refusedMessageBlocks(blocks)).toEqual({ error: 'invalid_blocks', messages: [message] });
  });

  it('may have one table, of at most 100 equal rows', () => {
    const cell = { type: 'raw_text', text: 'x' };
    const table = (rows: number) => ({ type: 'table', rows: many(rows, () => [cell, cell]) });
    expect(refusedMessageBlocks([table(100)])).toBeUndefined();
    expect(refusedMessageBlocks([table(101)])?.messages).toEqual([
      'no more than 100 items allowed [json-pointer:/blocks/0/rows]',
    ]);
    expect(refusedMessageBlocks([table(2), table(2)])?.error).toBe('invalid_attachments');
    const uneven = { type: 'table', rows: [[cell, cell], [cell]] };
    expect(refusedMessageBlocks([uneven])?.messages).toHaveLength(1);
  });

  it('take a plan whose tasks have the four known states only', () => {
    const task = (status: string) => ({ type: 'task_card', task_id: status, title: status, status });
    const plan = (...states: string[]) => [{ type: 'plan', title: 'Steps', tasks: states.map(task) }];
    expect(refusedMessageBlocks(plan('pending', 'in_progress', 'complete', 'error'))).toBeUndefined();
    expect(refusedMessageBlocks(plan('done'))?.error).toBe('invalid_blocks');
  });

  it('are too long together though each is short enough', () => {
    expect(refusedMessageBlocks(many(4, () => section('a'.repeat(3000))))).toBeUndefined();
    expect(refusedMessageBlocks(many(5, () => section('a'.repeat(3000))))?.error).toBe('msg_blocks_too_long');
  });

  it('must be a list of objects', () => {
    expect(refusedMessageBlocks('[]')?.error).toBe('invalid_blocks_format');
    expect(refusedMessageBlocks(['x'])?.error).toBe('invalid_blocks_format');
  });
});

describe('a modal', () => {
  const view = (over: object = {}) => ({ type: 'modal', title: plain('Lock'), blocks: [{ type: 'divider' }], ...over });
  const input = { type: 'input', label: plain('Reason'), element: { type: 'plain_text_input', action_id: 'text' } };

  it('needs a submit button as soon as it has an input', () => {
    expect(refusedView(view({ blocks: [input], submit: plain('Lock') }))).toBeUndefined();
    expect(refusedView(view({ blocks: [input] }))?.messages).toEqual([
      'missing required field: submit [json-pointer:/view]',
    ]);
  });

  it('has a title of at most 24 characters', () => {
    expect(refusedView(view({ title: plain('t'.repeat(25)) }))?.messages).toEqual([
      'must be less than 25 characters [json-pointer:/view/title/text]',
    ]);
  });

  it('may hold an alert', () => {
    expect(
      refusedView(view({ blocks: [{ type: 'alert', text: plain('Careful'), level: 'warning' }] })),
    ).toBeUndefined();
  });
});
