import type { Core } from '../core.ts';
import { messageJson } from '../json.ts';
import type { Channel, Json, Message } from '../model.ts';
import { type Args, type Method, page, reads, SlackRefusal, writes } from './method.ts';

export const CONVERSATIONS: Record<string, Method> = {
  'conversations.info': reads('channels:read', (core, args) => ({ channel: channelJson(core, args.channel()) })),

  'conversations.list': reads('channels:read', (core, args) => {
    const { items, next } = page([...core.workspace.channels.values()], args, 100);
    return { channels: items.map((one) => channelJson(core, one)), response_metadata: { next_cursor: next } };
  }),

  'conversations.members': reads('channels:read', (_core, args) => {
    const { items, next } = page([...args.channel().members], args, 100);
    return { members: items, response_metadata: { next_cursor: next } };
  }),

  'conversations.join': writes('channels:join', (core, args) => {
    const channel = args.channel();
    channel.members.add(core.app.botUserId);
    return { channel: channelJson(core, channel) };
  }),

  // Newest first, without replies unless they were sent to the channel as well.
  'conversations.history': reads('channels:history', (core, args) => {
    const channel = joined(core, args);
    const shown = core.workspace.messages(channel.id).filter((one) => one.threadTs === undefined || one.broadcast);
    const { items, next } = page(within(shown, args).reverse(), args, 100);
    return { ...listed(core, items), has_more: next !== '', response_metadata: { next_cursor: next } };
  }),

  // The parent, then the replies, oldest first.
  'conversations.replies': reads('channels:history', (core, args) => {
    const channel = joined(core, args);
    const asked = core.workspace.message(channel.id, args.required('ts'));
    if (asked === undefined) throw new SlackRefusal('thread_not_found');
    const parent = core.workspace.message(channel.id, asked.threadTs ?? asked.ts) ?? asked;
    const replies = within(core.workspace.replies(channel.id, parent.ts), args);
    const { items, next } = page([parent, ...replies], args, 1000);
    return { ...listed(core, items), has_more: next !== '', response_metadata: { next_cursor: next } };
  }),
};

function joined(core: Core, args: Args): Channel {
  const channel = args.channel();
  if (!channel.members.has(core.app.botUserId)) throw new SlackRefusal('not_in_channel');
  return channel;
}

function within(messages: Message[], args: Args): Message[] {
  const oldest = args.string('oldest') ?? '0';
  const latest = args.string('latest') ?? '9999999999.999999';
  const inclusive = args.flag('inclusive');
  return messages.filter(({ ts }) => (inclusive ? ts >= oldest && ts <= latest : ts > oldest && ts < latest));
}

function listed(core: Core, messages: Message[]): Json {
  return { messages: messages.map((one) => messageJson(core.workspace, core.app, one)) };
}

function channelJson(core: Core, channel: Channel): Json {
  return {
    id: channel.id,
    name: channel.name,
    name_normalized: channel.name,
    is_channel: true,
    is_private: false,
    is_archived: false,
    is_general: false,
    is_member: channel.members.has(core.app.botUserId),
    num_members: channel.members.size,
    topic: { value: channel.topic, creator: '', last_set: 0 },
    purpose: { value: '', creator: '', last_set: 0 },
  };
}
