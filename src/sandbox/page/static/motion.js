const calm = () => window.matchMedia('(prefers-reduced-motion: reduce)').matches;

/** Lets an element come from where `from` was to where it is now. */
export function fly(element, from) {
  if (calm()) return;
  const to = element.getBoundingClientRect();
  const dx = from.left - to.left;
  const dy = from.top - to.top;
  element.classList.add('flying');
  const way = element.animate(
    [
      { transform: `translate(${dx}px, ${dy}px)`, opacity: 0.75 },
      { transform: `translate(${dx * 0.5}px, ${dy * 0.5 - 6}px) scale(1.03)`, opacity: 1, offset: 0.5 },
      { transform: 'none', opacity: 1 },
    ],
    { duration: 900, easing: 'cubic-bezier(0.45, 0, 0.2, 1)' },
  );
  const land = () => element.classList.remove('flying');
  way.addEventListener('finish', land);
  way.addEventListener('cancel', land);
}

/** Lets an element that was nowhere before appear. */
export function settle(element) {
  if (!calm())
    element.animate(
      [
        { opacity: 0, transform: 'scale(0.96)' },
        { opacity: 1, transform: 'none' },
      ],
      { duration: 300, easing: 'ease-out' },
    );
}
