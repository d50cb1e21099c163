import nunjucks, { type Frame } from 'nunjucks/src/runtime.js';
import { didYouMean, pathsOf } from './did-you-mean.ts';
import { filters } from './filters.ts';
import { functions } from './functions.ts';
import { TemplateFault, toFault } from './template-fault.ts';
import { tests } from './tests.ts';
import * as values from './values.ts';

// What compiled templates call, as GuardedCompiler writes it. Replaces Nunjucks' runtime: nothing here reads a
// prototype, calls a function that it did not make, or keeps anything for the next render.

/** One part being rendered. */
export interface PartRun {
  readonly autoescape: boolean;
  readonly outputLimit: number;
  /** Characters written so far, those of captures and macros included: so more than come out. */
  printed: number;
}

/** Captured text is written twice, nested captures more often: room for that, while a runaway loop ends early. */
const WRITTEN_PER_OUTPUT = 4;

export class RenderContext {
  readonly variables: values.Dict;
  readonly made = Object.create(null) as values.Dict;

  constructor(variables: values.Dict) {
    this.variables = variables;
  }
  setVariable(name: string, value: unknown): void {
    this.made[name] = value;
  }
  // Exports are for imports, which there are none of.
  addExport(): void {
    return;
  }
  lookup(name: string): unknown {
    if (name in this.made) return this.made[name];
    if (name in this.variables) return this.variables[name];
    return Object.hasOwn(functions, name) ? functions[name] : undefined;
  }
}

const position = (line: number, column: number) => ({ line: line + 1, column: column + 1 });

function missing(detail: string, hint: string | undefined, line: number, column: number) {
  return new TemplateFault(detail, {
    code: 'variable_missing',
    hint: hint ?? 'Pass it in `variables`, or write `| default("…")` after it.',
    position: position(line, column),
  });
}

function at<Result>(line: number, column: number, compute: () => Result): Result {
  try {
    return compute();
  } catch (error) {
    throw toFault(error).at(position(line, column));
  }
}

/** A name where it may be missing. */
function find(context: RenderContext, frame: Frame, name: string): unknown {
  const local = frame.lookup(name);
  return local === undefined ? context.lookup(name) : local;
}

function get(context: RenderContext, frame: Frame, name: string, line: number, column: number) {
  const value = find(context, frame, name);
  if (value !== undefined) return value;
  const known = [...Object.keys(context.made), ...pathsOf(context.variables)];
  throw missing(`There is no variable \`${name}\`.`, didYouMean(name, known), line, column);
}

/** A name that the compiler keeps in a JavaScript variable. */
function known(value: unknown, name: string, line: number, column: number): unknown {
  if (value !== undefined) return value;
  throw missing(`\`${name}\` has no value here.`, undefined, line, column);
}

function findMember(target: unknown, key: unknown, path: string, line: number, column: number) {
  if (target === null || target === undefined)
    throw missing(`\`${path}\`: what it is a member of is empty.`, undefined, line, column);
  return at(line, column, () => values.memberOf(target, key));
}

function getMember(target: unknown, key: unknown, path: string, line: number, column: number) {
  const value = findMember(target, key, path, line, column);
  if (value !== undefined) return value;
  const parent = path.slice(0, path.lastIndexOf('.') + 1);
  const near = values.isDict(target) ? Object.keys(target).map((name) => parent + name) : [];
  throw missing(`There is no \`${path}\`.`, didYouMean(values.textOf(key), near), line, column);
}

function print(run: PartRun, value: unknown, line: number, column: number): string {
  if (value === undefined) throw missing('This expression has no value.', undefined, line, column);
  const text = at(line, column, () => values.textOf(value));
  const isRaw = !run.autoescape || value instanceof values.SafeText || typeof value === 'number';
  const written = isRaw ? text : values.escapeHtml(text);
  count(run, written.length, line, column);
  return written;
}

function count(run: PartRun, length: number, line: number, column: number): void {
  run.printed += length;
  if (run.printed > run.outputLimit * WRITTEN_PER_OUTPUT)
    throw outputFault(run.outputLimit).at(position(line, column));
}

export function outputFault(limit: number): TemplateFault {
  return new TemplateFault(`The mail is larger than ${limit} bytes.`, {
    code: 'template_resource',
    limit: 'output',
  });
}

function add(left: unknown, right: unknown): unknown {
  if (typeof left === 'number' && typeof right === 'number') return left + right;
  return concat(left, right);
}

function concat(left: unknown, right: unknown): string {
  return values.boundedText(values.textOf(left) + values.textOf(right));
}

const keywordArguments = new WeakSet();

function makeKeywordArgs(given: values.Dict): values.Dict {
  keywordArguments.add(given);
  return given;
}

/** Arguments as they were given: by position, and by name. */
function splitArguments(args: unknown[]): [byPosition: unknown[], byName: values.Dict] {
  const last = args.at(-1);
  if (typeof last !== 'object' || last === null || !keywordArguments.has(last))
    return [args, Object.create(null) as values.Dict];
  return [args.slice(0, -1), last as values.Dict];
}

function makeMacro(names: string[], keywordNames: string[], body: values.Callable) {
  return values.makeCallable((...args: unknown[]) => {
    const [byPosition, byName] = splitArguments(args);
    const rest = Object.assign(Object.create(null) as values.Dict, byName);
    const passed = names.map((name, index) => {
      if (index < byPosition.length) return byPosition[index];
      const value = rest[name];
      Reflect.deleteProperty(rest, name);
      return value;
    });
    for (const [index, value] of byPosition.slice(names.length).entries()) {
      const name = keywordNames[index];
      if (name !== undefined) rest[name] = value;
    }
    return body(...passed, rest);
  });
}

function call(callee: unknown, name: string, line: number, column: number, args: unknown[]) {
  return at(line, column, () => {
    if (!values.isCallable(callee)) throw new TemplateFault(`\`${name}\` cannot be called.`);
    return callee(...args);
  });
}

function applyFilter(name: string, line: number, column: number, args: unknown[]): unknown {
  return at(line, column, () => {
    const filter = Object.hasOwn(filters, name) ? filters[name] : undefined;
    if (!filter) throw new TemplateFault(`There is no filter \`${name}\`.`);
    const [[value, ...byPosition], byName] = splitArguments(args);
    for (const [key, given] of Object.entries(byName)) {
      const index = filter.params.indexOf(key);
      if (index < 0)
        throw new TemplateFault(`\`${name}\` has no argument \`${key}\`.`, {
          hint: didYouMean(key, filter.params),
        });
      byPosition[index] = given;
    }
    const result = filter.run(value, ...byPosition);
    return typeof result === 'string' ? values.boundedText(result) : result;
  });
}

function applyTest(name: string, line: number, column: number, args: unknown[]): boolean {
  return at(line, column, () => {
    const test = Object.hasOwn(tests, name) ? tests[name] : undefined;
    if (!test) throw new TemplateFault(`There is no test \`${name}\`.`);
    return test(args[0], args[1]);
  });
}

function inOperator(needle: unknown, hay: unknown): boolean {
  if (Array.isArray(hay)) return hay.includes(needle);
  if (values.isDict(hay)) return Object.hasOwn(hay, values.textOf(needle));
  if (typeof hay === 'string' || hay instanceof values.SafeText)
    return values.textOf(hay).includes(values.textOf(needle));
  throw new TemplateFault('`in` looks into a text, a list or an object.');
}

/** What a `for` goes over. */
function fromIterator(value: unknown): unknown {
  if (Array.isArray(value) || typeof value === 'string' || values.isDict(value)) return value;
  if (value instanceof values.SafeText) return value.text;
  throw new TemplateFault('`for` goes over a list, a text or an object.');
}

function loop(index0: number, length: number): values.Dict {
  return {
    index: index0 + 1,
    index0,
    revindex: length - index0,
    revindex0: length - index0 - 1,
    first: index0 === 0,
    last: index0 === length - 1,
    length,
  };
}

/** With the position of the statement that ran, unless the fault knows better. */
function handleError(error: unknown, line: number, column: number): TemplateFault {
  return toFault(error).at(position(line, column));
}

export const runtime = Object.freeze({
  Frame: nunjucks.Frame,
  SafeString: values.SafeText,
  isArray: Array.isArray,
  keys: Object.keys,
  dict: values.toDict,
  fromIterator,
  loop,
  inOperator,
  handleError,
  makeKeywordArgs,
  makeMacro,
  find,
  get,
  known,
  findMember,
  getMember,
  print,
  count,
  add,
  concat,
  call,
  applyFilter,
  applyTest,
});
