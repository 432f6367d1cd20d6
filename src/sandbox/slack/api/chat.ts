import { refusedMessageBlocks } from '../blocks/blocks.ts';
import type { Core } from '../core.ts';
import { messageJson } from '../json.ts';
import type { Channel, Json, Message } from '../model.ts';
import { type Args, type Method, posts, reads, SlackRefusal } from './method.ts';

const LONGEST_TEXT = 40_000;

export const CHAT: Record<string, Method> = {
  'chat.postMessage': posts('chat:write', (core, args) => {
    const channel = memberChannel(core, args);
    const content = readContent(args);
    if (content.text === undefined && content.blocks === undefined) throw new SlackRefusal('no_text');
    const threadTs = threadOf(core, args, channel);
    const metadata = args.json('metadata', 'invalid_metadata_format');
    const message = core.workspace.post({
      channel: channel.id,
      user: core.app.botUserId,
      byApp: true,
      text: content.text ?? '',
      ...(content.blocks === undefined ? {} : { blocks: content.blocks }),
      ...(threadTs === undefined ? {} : { threadTs, broadcast: args.flag('reply_broadcast') }),
      ...(metadata === undefined ? {} : { metadata: metadata as Json }),
    });
    return { channel: channel.id, ts: message.ts, message: messageJson(core.workspace, core.app, message) };
  }),

  // Blocks stay when the call has none; an empty list takes them away: docs.slack.dev/reference/methods/chat.update
  'chat.update': posts('chat:write', (core, args) => {
    const message = ownMessage(core, args, 'cant_update_message');
    const content = readContent(args);
    if (content.text === undefined && content.blocks === undefined) throw new SlackRefusal('no_text');
    core.workspace.change(message, core.app.botUserId, content.text ?? '', content.blocks);
    const metadata = args.json('metadata', 'invalid_metadata_format');
    if (metadata !== undefined) message.metadata = metadata as Json;
    return {
      channel: message.channel,
      ts: message.ts,
      text: message.text,
      message: messageJson(core.workspace, core.app, message),
    };
  }),

  'chat.postEphemeral': posts('chat:write', (core, args) => {
    const channel = memberChannel(core, args);
    const person = args.person();
    if (!channel.members.has(person.id)) throw new SlackRefusal('user_not_in_channel');
    const content = readContent(args);
    if (content.text === undefined && content.blocks === undefined) throw new SlackRefusal('no_text');
    const threadTs = threadOf(core, args, channel);
    const ephemeral = core.workspace.whisper({
      channel: channel.id,
      to: person.id,
      from: core.app.botUserId,
      text: content.text ?? '',
      ...(content.blocks === undefined ? {} : { blocks: content.blocks }),
      ...(threadTs === undefined ? {} : { threadTs }),
    });
    return { message_ts: ephemeral.ts };
  }),

  'chat.delete': posts('chat:write', (core, args) => {
    const message = ownMessage(core, args, 'cant_delete_message');
    core.workspace.remove(message);
    return { channel: message.channel, ts: message.ts };
  }),

  'chat.getPermalink': reads(null, (core, args) => {
    const message = args.message('message_ts');
    const thread = message.threadTs === undefined ? '' : `?thread_ts=${message.threadTs}&cid=${message.channel}`;
    const path = `/archives/${message.channel}/p${message.ts.replace('.', '')}${thread}`;
    return { channel: message.channel, permalink: `${core.baseUrl}${path}` };
  }),
};

function memberChannel(core: Core, args: Args): Channel {
  const channel = args.channel();
  if (!channel.members.has(core.app.botUserId)) throw new SlackRefusal('not_in_channel');
  return channel;
}

function ownMessage(core: Core, args: Args, refusal: string): Message {
  const message = args.message();
  if (message.user !== core.app.botUserId) throw new SlackRefusal(refusal);
  return message;
}

function threadOf(core: Core, args: Args, channel: Channel): string | undefined {
  const threadTs = args.string('thread_ts');
  if (threadTs === undefined || threadTs === '') return undefined;
  const parent = core.workspace.message(channel.id, threadTs);
  if (parent === undefined) throw new SlackRefusal('thread_not_found');
  // A reply to a reply belongs to the thread of the first.
  return parent.threadTs ?? parent.ts;
}

function readContent(args: Args): { text: string | undefined; blocks: Json[] | undefined } {
  const text = args.string('text');
  const blocks = args.json('blocks', 'invalid_blocks_format');
  const refusal = blocks === undefined ? undefined : refusedMessageBlocks(blocks);
  if (refusal !== undefined) throw new SlackRefusal(refusal.error, refusal.messages);
  // Longer text is cut, not refused.
  return { text: text === '' ? undefined : text?.slice(0, LONGEST_TEXT), blocks: blocks as Json[] | undefined };
}
