import { isObject } from './blocks/checks.ts';
import { interactiveElements } from './blocks/find.ts';
import type { Core } from './core.ts';
import type { Answer } from './deliveries.ts';
import { messageJson, TEAM, viewJson } from './json.ts';
import type { Channel, Ephemeral, Json, Message, Person, View } from './model.ts';
import type { Place } from './responses.ts';
import { changeView, dropView, openView } from './views.ts';

/** What came of something that a person did: `error` is Slack's word, as the person would see it. */
export interface Outcome {
  ok: boolean;
  error?: string;
}

export interface Press {
  user: string;
  channel: string;
  /** Of the message or the ephemeral message. */
  ts: string;
  actionId: string;
  blockId?: string;
  /** What was chosen, for elements other than buttons: `{ selected_option: {...} }` and the like. */
  chosen?: Json;
}

const SLACKBOT = 'USLACKBOT';

/** The things that people do in the workspace. All of them answer once the app took its first delivery, or did not. */
export class People {
  readonly #core: Core;

  constructor(core: Core) {
    this.#core = core;
  }

  /** Sends what a person typed in the composer: a slash command, or a message that may mention the app. */
  async type(user: string, channel: string, typed: string, threadTs?: string): Promise<Outcome> {
    return typed.startsWith('/')
      ? this.command(user, channel, typed, threadTs)
      : this.say(user, channel, typed, threadTs);
  }

  /** A slash command, as typed: `/ephyra deploy cp1->cp2`. */
  async command(userId: string, channelId: string, typed: string, threadTs?: string): Promise<Outcome> {
    const { user, channel } = this.#where(userId, channelId);
    const [, command = '', rest = ''] = /^(\S+)\s*([\s\S]*)$/.exec(typed.trim()) ?? [];
    const whisper = (text: string) => this.#fromSlackbot(user, channel, text, threadTs);
    if (!this.#core.app.commands.some((known) => known.command === command)) {
      whisper(`\`${escapeText(command)}\` is not a valid command. Messages that start with "/" are taken as commands.`);
      return { ok: false, error: 'unknown_command' };
    }
    if (threadTs !== undefined) {
      whisper(`\`${escapeText(command)}\` is not supported in threads. Sorry!`);
      return { ok: false, error: 'not_supported_in_threads' };
    }
    const place: Place = { kind: 'commands', user: user.id, channel: channel.id };
    const payload: Json = {
      token: 'verification-token',
      team_id: TEAM.id,
      team_domain: TEAM.domain,
      channel_id: channel.id,
      channel_name: channel.name,
      user_id: user.id,
      user_name: user.name,
      command,
      // The composer escapes the three control characters, so `cp1->cp2` arrives as `cp1-&gt;cp2`.
      text: escapeText(rest.trim()),
      api_app_id: this.#core.app.appId,
      is_enterprise_install: 'false',
      response_url: this.#responseUrl(place),
      trigger_id: this.#core.triggers.give(user.id),
    };
    const answered = (answer: Answer): void => {
      const failed = answer.ok ? this.#showAnswer(place, answer.body, `${command} ${rest}`.trim()) : answer.error;
      if (failed !== undefined) whisper(`${command} failed with the error "${failed}"`);
    };
    const what = `${command} ${rest}`.trim();
    const answer = await this.#core.deliveries.deliver(
      { kind: 'slash_commands', what, user: user.id, payload, retried: false },
      answered,
    );
    return answer.ok ? { ok: true } : { ok: false, error: answer.error };
  }

  /** An ordinary message; `@name` becomes a mention. Resolves once the app has got the event, if it gets one. */
  async say(userId: string, channelId: string, typed: string, threadTs?: string): Promise<Outcome> {
    const { user, channel } = this.#where(userId, channelId);
    const text = escapeText(typed.trim()).replace(/@([\w.-]+)/g, (whole, name: string) => this.#mention(name) ?? whole);
    const message = this.#core.workspace.post({
      channel: channel.id,
      user: user.id,
      text,
      ...(threadTs === undefined ? {} : { threadTs }),
    });
    const { app } = this.#core;
    const types = [text.includes(`<@${app.botUserId}>`) ? 'app_mention' : '', 'message'];
    const wanted = types.filter((type) => app.events.includes(type === 'message' ? 'message.channels' : type));
    const answers = await Promise.all(wanted.map((type) => this.#event(type, message)));
    const failed = answers.find((answer) => !answer.ok);
    return failed === undefined || failed.ok ? { ok: true } : { ok: false, error: failed.error };
  }

  /** Presses a button, or uses another element, of a message that this person sees. */
  async press(press: Press): Promise<Outcome> {
    const { user, channel } = this.#where(press.user, press.channel);
    const message = this.#core.workspace.message(channel.id, press.ts);
    const ephemeral = this.#core.workspace.ephemeral(channel.id, press.ts);
    const shown = message ?? (ephemeral?.to === user.id ? ephemeral : undefined);
    if (shown === undefined) return { ok: false, error: 'message_not_found' };
    const action = this.#action(shown.blocks ?? [], press);
    if (action === undefined) return { ok: false, error: 'action_not_found' };
    const place: Place = {
      kind: 'actions',
      user: user.id,
      channel: channel.id,
      source: { ts: shown.ts, ephemeral: message === undefined },
      ...(shown.threadTs === undefined ? {} : { threadTs: shown.threadTs }),
    };
    const payload = {
      ...this.#interaction('block_actions', user),
      container: this.#container(shown, channel, message === undefined),
      channel: { id: channel.id, name: channel.name },
      // What only one person sees is not sent along.
      ...(message === undefined ? {} : { message: messageJson(this.#core.workspace, this.#core.app, message) }),
      state: { values: {} },
      response_url: this.#responseUrl(place),
      actions: [action],
    };
    return this.#interact(`button ${press.actionId}`, user, payload);
  }

  /** Sends a modal with what was filled in: `{ block_id: { action_id: { type, value } } }`. */
  async submit(userId: string, viewId: string, values: Json): Promise<Outcome> {
    const user = this.#person(userId);
    const view = this.#core.workspace.views.get(viewId);
    if (view === undefined || view.user !== user.id) return { ok: false, error: 'view_not_found' };
    const payload = {
      ...this.#interaction('view_submission', user),
      view: viewJson(view, this.#core.app, values),
      response_urls: [],
    };
    const what = `submit ${String(view.content['callback_id'] ?? view.id)}`;
    const answer = await this.#deliverInteraction(what, user, payload, (one) => this.#afterSubmit(view, one));
    return answer.ok ? { ok: true } : { ok: false, error: answer.error };
  }

  /** Closes a modal by its cross or its close button. */
  async close(userId: string, viewId: string): Promise<Outcome> {
    const user = this.#person(userId);
    const view = this.#core.workspace.views.get(viewId);
    if (view === undefined || view.user !== user.id) return { ok: false, error: 'view_not_found' };
    dropView(this.#core, view, view.content['clear_on_close'] === true);
    if (view.content['notify_on_close'] !== true) return { ok: true };
    const payload = {
      ...this.#interaction('view_closed', user),
      view: viewJson(view, this.#core.app),
      is_cleared: view.content['clear_on_close'] === true,
    };
    return this.#interact(`close ${String(view.content['callback_id'] ?? view.id)}`, user, payload);
  }

  /** Uses an element inside a modal. */
  async pressInView(
    userId: string,
    viewId: string,
    press: Pick<Press, 'actionId' | 'blockId' | 'chosen'>,
  ): Promise<Outcome> {
    const user = this.#person(userId);
    const view = this.#core.workspace.views.get(viewId);
    if (view === undefined || view.user !== user.id) return { ok: false, error: 'view_not_found' };
    const action = this.#action(view.content['blocks'] as Json[], press);
    if (action === undefined) return { ok: false, error: 'action_not_found' };
    const payload = {
      ...this.#interaction('block_actions', user),
      container: { type: 'view', view_id: view.id },
      view: viewJson(view, this.#core.app),
      actions: [action],
    };
    return this.#interact(`button ${press.actionId}`, user, payload);
  }

  #event(type: string, message: Message): Promise<Answer> {
    const { app, clock, newId } = this.#core;
    const json = messageJson(this.#core.workspace, app, message);
    const event: Json = {
      ...json,
      type,
      channel: message.channel,
      event_ts: message.ts,
      client_msg_id: newId('client-'),
    };
    if (type === 'message') event['channel_type'] = 'channel';
    const payload: Json = {
      token: 'verification-token',
      team_id: TEAM.id,
      api_app_id: app.appId,
      event,
      type: 'event_callback',
      event_id: newId('Ev'),
      event_time: Math.floor(clock.now() / 1000),
      authorizations: [
        { enterprise_id: null, team_id: TEAM.id, user_id: app.botUserId, is_bot: true, is_enterprise_install: false },
      ],
      is_ext_shared_channel: false,
      event_context: newId('context-'),
    };
    return this.#core.deliveries.deliver({
      kind: 'events_api',
      what: type,
      user: message.user,
      payload,
      retried: true,
    });
  }

  #afterSubmit(view: View, answer: Answer): void {
    if (!answer.ok) {
      view.errors = { '': 'We had some trouble connecting. Try again?' };
      this.#core.workspace.tell({ type: 'views', user: view.user });
      return;
    }
    const body = isObject(answer.body) ? answer.body : {};
    const content = isObject(body['view']) ? body['view'] : undefined;
    if (body['response_action'] === 'errors' && isObject(body['errors'])) {
      view.errors = body['errors'] as Record<string, string>;
      this.#core.workspace.tell({ type: 'views', user: view.user });
    } else if (body['response_action'] === 'update' && content !== undefined) changeView(this.#core, view, content);
    else if (body['response_action'] === 'push' && content !== undefined)
      openView(this.#core, view.user, content, view);
    else dropView(this.#core, view, body['response_action'] === 'clear');
  }

  async #interact(what: string, user: Person, payload: Json): Promise<Outcome> {
    const answer = await this.#deliverInteraction(what, user, payload);
    return answer.ok ? { ok: true } : { ok: false, error: answer.error };
  }

  #deliverInteraction(what: string, user: Person, payload: Json, onAnswer?: (answer: Answer) => void): Promise<Answer> {
    return this.#core.deliveries.deliver(
      { kind: 'interactive', what, user: user.id, payload, retried: false },
      onAnswer,
    );
  }

  #interaction(type: string, user: Person): Json {
    return {
      type,
      user: { id: user.id, username: user.name, name: user.name, team_id: TEAM.id },
      api_app_id: this.#core.app.appId,
      token: 'verification-token',
      trigger_id: this.#core.triggers.give(user.id),
      team: { id: TEAM.id, domain: TEAM.domain },
      enterprise: null,
      is_enterprise_install: false,
    };
  }

  #container(shown: Message | Ephemeral, channel: Channel, ephemeral: boolean): Json {
    const container: Json = {
      type: 'message',
      message_ts: shown.ts,
      channel_id: channel.id,
      is_ephemeral: ephemeral,
    };
    if (shown.threadTs !== undefined) container['thread_ts'] = shown.threadTs;
    return container;
  }

  #action(blocks: Json[], press: Pick<Press, 'actionId' | 'blockId' | 'chosen'>): Json | undefined {
    const found = interactiveElements(blocks).find(
      ({ block, element }) =>
        element['action_id'] === press.actionId && (press.blockId === undefined || block['block_id'] === press.blockId),
    );
    if (found === undefined) return undefined;
    const action: Json = {
      action_id: press.actionId,
      block_id: found.block['block_id'],
      type: found.element['type'],
      action_ts: this.#core.workspace.nextTs(),
      ...press.chosen,
    };
    if (found.element['type'] !== 'button') return action;
    for (const field of ['text', 'value', 'style', 'url']) {
      if (found.element[field] !== undefined) action[field] = found.element[field];
    }
    return action;
  }

  // An answer in the channel shows the command before it, as if its sender had written it there.
  #showAnswer(place: Place, body: Json | string | undefined, typed: string): string | undefined {
    if (body === undefined) return undefined;
    const answer = typeof body === 'string' ? { text: body } : body;
    if (answer['response_type'] === 'in_channel') {
      this.#core.workspace.post({ channel: place.channel, user: place.user, text: escapeText(typed) });
    }
    return this.#core.responses.answer(place, answer);
  }

  #fromSlackbot(user: Person, channel: Channel, text: string, threadTs: string | undefined): void {
    const draft = { channel: channel.id, to: user.id, from: SLACKBOT, text };
    this.#core.workspace.whisper(threadTs === undefined ? draft : { ...draft, threadTs });
  }

  #responseUrl(place: Place): string {
    return `${this.#core.baseUrl}${this.#core.responses.give(place)}`;
  }

  #mention(name: string): string | undefined {
    const person = [...this.#core.workspace.people.values()].find((one) => one.name === name);
    if (person !== undefined) return `<@${person.id}>`;
    const group = [...this.#core.workspace.groups.values()].find((one) => one.handle === name);
    return group === undefined ? undefined : `<!subteam^${group.id}>`;
  }

  #where(userId: string, channelId: string): { user: Person; channel: Channel } {
    const channel = this.#core.workspace.channel(channelId);
    if (channel === undefined) throw new RangeError(`channel: "${channelId}" is not in this workspace`);
    return { user: this.#person(userId), channel };
  }

  #person(userId: string): Person {
    const person = this.#core.workspace.people.get(userId);
    if (person === undefined || person.isBot) throw new RangeError(`user: "${userId}" is no person of this workspace`);
    return person;
  }
}

function escapeText(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
