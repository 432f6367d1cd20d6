/**
 * Makes an element. Children that are strings become text, never markup: nothing on this page is parsed as HTML.
 * @param {string} tag with classes: `div.message.app`
 * @param {Record<string, unknown>} [attributes] `on…` are listeners, `data` an object, null and false are left out
 * @param {...(Node | string | null | undefined | false | (Node | string)[])} children
 * @returns {HTMLElement}
 */
export function h(tag, attributes = {}, ...children) {
  const [name, ...classes] = tag.split('.');
  const element = document.createElement(name || 'div');
  if (classes.length > 0) element.className = classes.join(' ');
  for (const [key, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (key.startsWith('on')) element.addEventListener(key.slice(2), value);
    else if (key === 'data') Object.assign(element.dataset, value);
    else if (key === 'class') element.classList.add(...String(value).split(' ').filter(Boolean));
    else if (key === 'value' || key === 'checked' || key === 'disabled') element[key] = value;
    else element.setAttribute(key, value === true ? '' : String(value));
  }
  append(element, children);
  return element;
}

export function append(element, children) {
  for (const child of children.flat(3)) {
    if (child !== null && child !== undefined && child !== false) element.append(child);
  }
  return element;
}

const ICONS = {
  thread: 'M4 5h16v10H9l-5 4z',
  eye: 'M2 12s4-6 10-6 10 6 10 6-4 6-10 6S2 12 2 12zm10-3a3 3 0 1 0 0 6 3 3 0 0 0 0-6z',
  send: 'M3 11.5 21 3l-5 18-4.5-7.5z',
  close: 'M6 6l12 12M18 6L6 18',
  warning: 'M12 4 2.5 20h19zM12 10v4M12 17v.5',
  wrench: 'M14.5 6a4 4 0 0 0-5 5L4 16.5 7.5 20l5.5-5.5a4 4 0 0 0 5-5L15.5 12 12 8.5z',
  bolt: 'M13 3 5 14h6l-1 7 8-11h-6z',
  check: 'M5 12.5l4.5 4.5L19 7.5',
  clock: 'M12 4a8 8 0 1 0 0 16 8 8 0 0 0 0-16zm0 3.5V12l3 2',
  cross: 'M7 7l10 10M17 7L7 17',
  lock: 'M7 11V8a5 5 0 0 1 10 0v3M5.5 11h13v9h-13z',
  arrow: 'M5 12h13M13 7l5 5-5 5',
  heart: 'M3 12h4l2-6 4 12 2-6h6',
  chevron: 'M9 6l6 6-6 6',
};

/** A small line drawing, hidden from screen readers. */
export function icon(name, size = 16) {
  const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
  for (const [key, value] of Object.entries({
    viewBox: '0 0 24 24',
    width: size,
    height: size,
    class: `icon icon-${name}`,
  })) {
    svg.setAttribute(key, String(value));
  }
  svg.setAttribute('aria-hidden', 'true');
  const path = document.createElementNS('http://www.w3.org/2000/svg', 'path');
  path.setAttribute('d', ICONS[name] ?? '');
  svg.append(path);
  return svg;
}

/** Puts the `wanted` elements in order into `parent`, moving and removing only what differs. */
export function arrange(parent, wanted) {
  const keep = new Set(wanted);
  for (const child of [...parent.children]) if (!keep.has(child)) child.remove();
  wanted.forEach((element, index) => {
    if (parent.children[index] !== element) parent.insertBefore(element, parent.children[index] ?? null);
  });
}

const clock = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit' });
const clockWithSeconds = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit', second: '2-digit' });
const day = new Intl.DateTimeFormat(undefined, { weekday: 'long', day: 'numeric', month: 'long' });

export const timeOf = (ts) => clock.format(new Date(Number(ts) * 1000));
export const fullTimeOf = (ts) => clockWithSeconds.format(new Date(Number(ts) * 1000));

export function dayOf(ts) {
  const date = new Date(Number(ts) * 1000);
  return date.toDateString() === new Date().toDateString() ? 'Today' : day.format(date);
}
