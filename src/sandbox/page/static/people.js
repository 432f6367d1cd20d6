import { h } from './dom.js';

const HUES = { alice: 262, bob: 205, eve: 18 };

/** A person's picture: their initial on a colour of their own. */
export function avatar(person, size = '') {
  if (person.isBot && person.id !== 'USLACKBOT') {
    return h(`img.avatar.${size || 'normal'}`, { src: '/page/ephyra.svg', alt: '', width: 36, height: 36 });
  }
  const node = h(`span.avatar.${size || 'normal'}`, { 'aria-hidden': 'true' }, (person.realName ?? '?').slice(0, 1));
  node.style.setProperty('--hue', String(HUES[person.name] ?? 150));
  return node;
}
