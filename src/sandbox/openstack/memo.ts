/** So many results are kept; then all are forgotten at once, which is simpler than knowing the oldest. */
const MOST = 2000;

/** `make` with its results kept by argument: for pure functions whose results nobody changes, asked the same again and again. */
export function memo<A, R extends NonNullable<unknown>>(make: (argument: A) => R): (argument: A) => R {
  const known = new Map<A, R>();
  return (argument) => {
    const found = known.get(argument);
    if (found !== undefined) return found;
    const made = make(argument);
    if (known.size >= MOST) known.clear();
    known.set(argument, made);
    return made;
  };
}
