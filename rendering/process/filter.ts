/** A filter: the names of its arguments after the value (they may be given by name), and what it does. */
export interface Filter {
  params: string[];
  run: (value: unknown, ...args: unknown[]) => unknown;
}

export function filter(params: string[], run: Filter['run']): Filter {
  return { params, run };
}
