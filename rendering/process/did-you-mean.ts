/** Optimal string alignment: insert, delete, replace and swapping neighbours cost one each. */
function editDistance(a: string, b: string): number {
  const rows = [Array.from({ length: b.length + 1 }, (_, column) => column)];
  for (let i = 1; i <= a.length; i += 1) {
    const row = [i];
    for (let j = 1; j <= b.length; j += 1) {
      const at = (up: number, left: number) => rows[i - up]?.[j - left] ?? 0;
      const replaced = at(1, 1) + (a[i - 1] === b[j - 1] ? 0 : 1);
      const swaps = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      const swapped = swaps ? at(2, 2) + 1 : Infinity;
      row.push(Math.min(at(1, 0) + 1, (row[j - 1] ?? 0) + 1, replaced, swapped));
    }
    rows.push(row);
  }
  return rows[a.length]?.[b.length] ?? 0;
}

const LONGEST_NAME = 64;
// `first_name` and `firstName` are the same word to the person who mistyped it.
const normalise = (name: string) => name.replaceAll('_', '').toLowerCase().slice(0, LONGEST_NAME);
const lastStep = (path: string) => path.slice(path.lastIndexOf('.') + 1);

/** The known name (or path, compared by its last step) that was most likely meant; undefined if none is near. */
function findNearest(name: string, known: Iterable<string>): string | undefined {
  const wanted = normalise(name);
  let nearest: string | undefined;
  let least = Math.floor(wanted.length / 3) + 1;
  for (const candidate of known) {
    const other = normalise(lastStep(candidate));
    if (Math.abs(other.length - wanted.length) >= least) continue;
    const distance = editDistance(wanted, other);
    if (distance >= least) continue;
    nearest = candidate;
    least = distance;
  }
  return nearest;
}

export function didYouMean(name: string, known: Iterable<string>): string | undefined {
  const nearest = findNearest(name, known);
  return nearest === undefined ? undefined : `Did you mean \`${nearest}\`?`;
}

const MOST_PATHS = 500;
const DEEPEST_PATH = 5;

/** Dotted paths of the variables, shallow ones first; lists are not entered. */
export function pathsOf(variables: object): string[] {
  const paths: string[] = [];
  let level: [prefix: string, value: object][] = [['', variables]];
  for (let depth = 0; depth < DEEPEST_PATH && level.length > 0; depth += 1) {
    const next: typeof level = [];
    for (const [prefix, value] of level) {
      for (const [key, member] of Object.entries(value) as [string, unknown][]) {
        if (paths.length >= MOST_PATHS) return paths;
        paths.push(prefix + key);
        if (typeof member === 'object' && member !== null && !Array.isArray(member))
          next.push([`${prefix}${key}.`, member]);
      }
    }
    level = next;
  }
  return paths;
}
