import { h } from './dom.js';
import { emojiNode, link, mention } from './mrkdwn.js';

/** A rich_text block as nodes. */
export function richText(block, names) {
  const nodes = [];
  let list = null;
  for (const element of block.elements ?? []) {
    if (element.type === 'rich_text_list') {
      list = h(element.style === 'ordered' ? 'ol' : 'ul', { class: `indent-${element.indent ?? 0}` });
      for (const item of element.elements ?? []) list.append(h('li', {}, inlines(item, names)));
      nodes.push(list);
    } else if (element.type === 'rich_text_quote') nodes.push(h('blockquote', {}, inlines(element, names)));
    else if (element.type === 'rich_text_preformatted') nodes.push(h('pre.code-block', {}, inlines(element, names)));
    else nodes.push(h('div.rich-section', {}, inlines(element, names)));
  }
  return nodes;
}

function inlines(section, names) {
  return (section.elements ?? []).map((one) => styled(inlineNode(one, names), one.style ?? {}));
}

function inlineNode(one, names) {
  switch (one.type) {
    case 'link':
      return link(one.url, one.text);
    case 'emoji':
      return emojiNode(one.name);
    case 'user':
      return mention(`@${names.person(one.user_id) ?? one.user_id}`, one.user_id === names.me);
    case 'usergroup':
      return mention(`@${names.group(one.usergroup_id) ?? one.usergroup_id}`, false);
    case 'broadcast':
      return mention(`@${one.range}`, true);
    case 'channel':
      return mention(`#${names.channel(one.channel_id) ?? one.channel_id}`, false);
    case 'date':
      return h('time', {}, one.fallback ?? new Date(one.timestamp * 1000).toLocaleString());
    case 'color':
      return h('code', {}, one.value);
    default:
      return breaks(String(one.text ?? ''));
  }
}

function breaks(text) {
  return h('span.pre-wrap', {}, text);
}

const STYLES = { bold: 'strong', italic: 'em', strike: 's', code: 'code', underline: 'u' };

function styled(node, style) {
  return Object.keys(STYLES).reduce((inner, name) => (style[name] ? h(STYLES[name], {}, inner) : inner), node);
}
