import type { Page } from 'playwright-core';

/** What the page looks like now as an SVG without scripts, fonts or links: small enough to be read on a web page. */
export async function drawn(page: Page, title: string): Promise<string> {
  const { width, height, body, styles } = await page.evaluate(capture);
  const css = styles.map((style, index) => `.${className(index)}{${style}}`).join('');
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img">`,
    `<title>${title}</title>`,
    `<style>text{white-space:pre}${css}</style>`,
    ...body.map((line) => line.replace(/class="#(\d+)"/g, (_, index) => `class="${className(Number(index))}"`)),
    '</svg>\n',
  ].join('\n');
}

const className = (index: number): string => `c${index.toString(36)}`;

/** Runs in the page: everything has to be inside. Boxes with what fills and borders them, lines of text, drawings. */
async function capture(): Promise<{ width: number; height: number; body: string[]; styles: string[] }> {
  const SANS =
    "Inter,-apple-system,'Segoe UI',Helvetica,Arial,'Apple Color Emoji','Segoe UI Emoji','Noto Color Emoji',sans-serif";
  const MONO = "ui-monospace,'SF Mono',Menlo,Consolas,monospace";
  const SQUARES: Record<string, string> = {
    '🟩': '#7cb342',
    '🟦': '#3578d4',
    '🟨': '#f5c542',
    '🟧': '#f08a24',
    '🟥': '#d9363e',
    '⬜': '#d9d9e0',
  };
  const width = window.innerWidth;
  const height = window.innerHeight;
  const body: string[] = [];
  const styles: string[] = [];
  const pictures = new Map<string, string>();
  const ruler = document.createElement('canvas').getContext('2d');

  const number = (value: number): string => String(Math.round(value * 10) / 10);
  const escaped = (text: string): string => text.replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/"/g, '&quot;');
  const styled = (style: string): string => {
    const known = styles.indexOf(style);
    return `class="#${known >= 0 ? known : styles.push(style) - 1}"`;
  };
  const visible = (color: string): boolean => color !== '' && !/^(transparent|rgba\(.*, 0\))$/.test(color);

  function box(x: number, y: number, w: number, h: number, radius: number, style: string): void {
    if (w <= 0 || h <= 0 || x >= width || y >= height || x + w <= 0 || y + h <= 0) return;
    const round = radius > 0 ? ` rx="${number(Math.min(radius, w / 2, h / 2))}"` : '';
    body.push(
      `<rect x="${number(x)}" y="${number(y)}" width="${number(w)}" height="${number(h)}"${round} ${styled(style)}/>`,
    );
  }

  function borders(style: CSSStyleDeclaration, rect: DOMRect, radius: number): void {
    const sides = (['Top', 'Right', 'Bottom', 'Left'] as const).map((side) => ({
      side,
      width: style[`border${side}Style`] === 'none' ? 0 : Number.parseFloat(style[`border${side}Width`]),
      color: style[`border${side}Color`],
    }));
    const [top] = sides;
    const first = top?.width ?? 0;
    if (first > 0 && sides.every((one) => one.width === first && one.color === top?.color)) {
      if (!visible(top?.color ?? '')) return;
      const dashes = style.borderTopStyle === 'dashed' ? ';stroke-dasharray:4 3' : '';
      const inset = first / 2;
      const stroke = `fill:none;stroke:${top?.color};stroke-width:${first}${dashes}`;
      box(rect.x + inset, rect.y + inset, rect.width - first, rect.height - first, radius - inset, stroke);
      return;
    }
    for (const one of sides) {
      if (one.width === 0 || !visible(one.color)) continue;
      const flat = one.side === 'Top' || one.side === 'Bottom';
      const x = one.side === 'Right' ? rect.right - one.width : rect.x;
      const y = one.side === 'Bottom' ? rect.bottom - one.width : rect.y;
      box(x, y, flat ? rect.width : one.width, flat ? one.width : rect.height, 0, `fill:${one.color}`);
    }
  }

  /** What stands before or after the content without being an element. Only boxes placed by hand are drawn. */
  function pseudo(element: Element, which: '::before' | '::after', rect: DOMRect): void {
    const style = getComputedStyle(element, which);
    if (style.content === 'none' || style.position !== 'absolute') return;
    const px = (value: string): number => Number.parseFloat(value) || 0;
    const w = px(style.width);
    const top = px(style.borderTopWidth);
    const place = new DOMRect(rect.x + px(style.left), rect.y + px(style.top), w, px(style.height) + top);
    const tone = getComputedStyle(element).getPropertyValue('--tone').trim();
    const color = style.backgroundImage === 'none' ? style.backgroundColor : tone;
    if (visible(color)) box(place.x, place.y, place.width, place.height, 1.5, `fill:${color}`);
    if (top > 0) borders(style, place, 0);
  }

  function text(node: Text, style: CSSStyleDeclaration): void {
    const value = node.data;
    const lines: { words: string; x: number; right: number; rect: DOMRect }[] = [];
    for (const found of value.matchAll(/\S+/gu)) {
      const range = document.createRange();
      range.setStart(node, found.index);
      range.setEnd(node, found.index + found[0].length);
      const rect = range.getBoundingClientRect();
      const last = lines.at(-1);
      if (last !== undefined && Math.abs(last.rect.y - rect.y) < 3) {
        last.words += ` ${found[0]}`;
        last.right = rect.right;
      } else lines.push({ words: found[0], x: rect.x, right: rect.right, rect });
    }
    for (const line of lines) draw(line.words, line.x, line.right - line.x, line.rect, style);
  }

  function draw(words: string, x: number, w: number, rect: DOMRect, style: CSSStyleDeclaration): void {
    if (w <= 0 || rect.y >= height || rect.bottom <= 0 || x >= width || !ruler) return;
    // Half of all fonts draw these as outlines.
    const squares = [...words];
    if (squares.every((one) => SQUARES[one] !== undefined)) {
      const side = w / squares.length;
      squares.forEach((one, at) => {
        box(x + at * side + 1, rect.y + (rect.height - side) / 2 + 1, side - 2, side - 2, 2, `fill:${SQUARES[one]}`);
      });
      return;
    }
    ruler.font = `${style.fontWeight} ${style.fontSize} ${style.fontFamily}`;
    const { fontBoundingBoxAscent: up, fontBoundingBoxDescent: down } = ruler.measureText(words);
    const y = rect.y + (rect.height - up - down) / 2 + up;
    const family = /mono|menlo|consolas/i.test(style.fontFamily.split(',')[0] ?? '') ? MONO : SANS;
    const look = `font:${style.fontStyle === 'italic' ? 'italic ' : ''}${style.fontWeight} ${style.fontSize} ${family};fill:${style.color}`;
    const cased = style.textTransform === 'uppercase' ? words.toUpperCase() : words;
    // Other fonts have other widths: the length keeps words where they are.
    body.push(
      `<text x="${number(x)}" y="${number(y)}" textLength="${number(w)}" lengthAdjust="spacingAndGlyphs" ${styled(look)}>${escaped(cased)}</text>`,
    );
  }

  function drawing(svg: SVGSVGElement, rect: DOMRect, style: CSSStyleDeclaration): void {
    const inner = svg.innerHTML.replace(/ xmlns="[^"]*"/g, '');
    const line = `fill:${style.fill};stroke:${style.stroke};stroke-width:${style.strokeWidth};stroke-linecap:round;stroke-linejoin:round`;
    // A group and no svg in the svg: that would have to have a title of its own.
    const [, , side = 24] = (svg.getAttribute('viewBox') ?? '').split(' ').map(Number);
    const place = `translate(${number(rect.x)} ${number(rect.y)}) scale(${Math.round((rect.width / side) * 1000) / 1000})`;
    body.push(`<g transform="${place}" ${styled(line)}>${inner}</g>`);
  }

  async function picture(image: HTMLImageElement, rect: DOMRect): Promise<void> {
    const place = `x="${number(rect.x)}" y="${number(rect.y)}" width="${number(rect.width)}" height="${number(rect.height)}"`;
    let id = pictures.get(image.src);
    if (id === undefined) {
      id = `picture${pictures.size}`;
      pictures.set(image.src, id);
      const source = await (await fetch(image.src)).text();
      const inner = source.replace(/^[\s\S]*?<svg[^>]*>|<\/svg>\s*$|<title>.*?<\/title>/g, '').replace(/\s*\n\s*/g, '');
      const [, viewBox = '0 0 48 48'] = /viewBox="([^"]*)"/.exec(source) ?? [];
      body.unshift(`<symbol id="${id}" viewBox="${viewBox}">${inner}</symbol>`);
    }
    body.push(`<use href="#${id}" ${place}/>`);
  }

  async function walk(element: Element): Promise<void> {
    const style = getComputedStyle(element);
    const rect = element.getBoundingClientRect();
    if (style.display === 'none' || style.visibility === 'hidden' || Number(style.opacity) === 0) return;
    if (rect.width <= 1 || rect.height <= 1 || rect.y >= height || rect.bottom <= 0) return;
    if (element instanceof SVGSVGElement) return drawing(element, rect, style);
    if (element instanceof HTMLImageElement) return picture(element, rect);
    const radius = Number.parseFloat(style.borderTopLeftRadius) || 0;
    if (visible(style.backgroundColor))
      box(rect.x, rect.y, rect.width, rect.height, radius, `fill:${style.backgroundColor}`);
    borders(style, rect, radius);
    pseudo(element, '::before', rect);
    if (element instanceof HTMLTextAreaElement) {
      const size = Number.parseFloat(style.fontSize);
      const line = new DOMRect(rect.x, rect.y, rect.width, rect.height);
      if (ruler) ruler.font = `${style.fontWeight} ${style.fontSize} ${style.fontFamily}`;
      const w = ruler?.measureText(element.placeholder).width ?? size;
      draw(
        element.placeholder,
        rect.x + Number.parseFloat(style.paddingLeft),
        w,
        line,
        getComputedStyle(element, '::placeholder'),
      );
      return;
    }
    for (const child of element.childNodes) {
      if (child instanceof Text) text(child, style);
      else if (child instanceof Element) await walk(child);
    }
    pseudo(element, '::after', rect);
  }

  await walk(document.body);
  return { width, height, body, styles };
}
