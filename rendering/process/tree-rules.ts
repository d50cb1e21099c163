import nodes, { type TreeNode } from 'nunjucks/src/nodes.js';
import { didYouMean } from './did-you-mean.ts';
import { filters } from './filters.ts';
import { functions } from './functions.ts';
import { TemplateFault, positionOf } from './template-fault.ts';
import { tests } from './tests.ts';

// Which parsed trees may be compiled. Nunjucks writes names into JavaScript unescaped and takes any expression where
// it expects a name, so every position that must hold a name has a rule here. A kind of node without a row is refused.

export interface CheckedTree {
  root: TreeNode;
  /**
   * Names and members that are only asked about, so may be missing: a condition (through `and`, `or`, `not` and
   * brackets), the left side of `or`, of `is …` and of `| default`. Everywhere else (written out, looped over, compared,
   * an argument, one more member) a missing one is an error: Nunjucks' `throwOnUndefined` sees only what is written
   * out, and takes null for missing. Only the last step of a path may be missing. Null is written as nothing.
   */
  asked: WeakSet<TreeNode>;
  /** Names that the template takes from outside. */
  variables: Set<string>;
}

interface Walk extends CheckedTree {
  /** Names that the template itself makes: set, for, macro and its arguments. */
  bound: Set<string>;
  called: TreeNode[];
}

type Rule = (node: TreeNode, walk: Walk) => void;

const IDENTIFIER = /^[\p{ID_Start}_]\p{ID_Continue}*$/u;
const RESERVED = /^(?:__.*|constructor|prototype)$/;

const isNode = (value: unknown): value is TreeNode => value instanceof nodes.Node;
const isA = (value: unknown, typename: string): value is TreeNode =>
  isNode(value) && value.typename === typename;

function refuse(node: TreeNode, detail: string, hint?: string): never {
  throw new TemplateFault(detail, { position: positionOf(node), hint });
}

/** The list under `field`: an array, or the children of a NodeList. */
function listOf(node: TreeNode, field: string): TreeNode[] {
  const value = node[field];
  const list: unknown = isNode(value) ? value['children'] : value;
  return Array.isArray(list) ? list.filter(isNode) : [];
}

function nameOf(node: unknown, parent: TreeNode, what: string): string {
  if (!isA(node, 'Symbol') || typeof node['value'] !== 'string')
    return refuse(isNode(node) ? node : parent, `A ${what} must be a plain name.`);
  return refuseOddName(node['value'], node, what);
}

function refuseOddName(name: string, node: TreeNode, what: string): string {
  if (!IDENTIFIER.test(name))
    refuse(node, `\`${name.slice(0, 40)}\` cannot be a ${what}.`, 'Use letters, digits and `_`.');
  if (RESERVED.test(name)) refuse(node, `The name \`${name.slice(0, 40)}\` is not allowed.`);
  return name;
}

function bind(node: unknown, parent: TreeNode, what: string, walk: Walk): void {
  const name = nameOf(node, parent, what);
  if (name === 'loop') refuse(parent, '`loop` is the loop itself and cannot be set.');
  walk.bound.add(name);
}

function visit(value: unknown, walk: Walk): void {
  if (Array.isArray(value)) for (const each of value) visit(each, walk);
  if (!isNode(value)) return;
  const rule = rules.get(value.typename);
  if (!rule) return refuse(value, `\`${value.typename}\` is not allowed.`);
  rule(value, walk);
}

/** As {@link visit}, for a place that only asks whether there is a value. */
function ask(value: unknown, walk: Walk): void {
  if (!isNode(value)) return;
  if (value.typename === 'Symbol' || value.typename === 'LookupVal') walk.asked.add(value);
  for (const field of ASKING_THROUGH[value.typename] ?? []) ask(value[field], walk);
  if (value.typename === 'Group') for (const child of listOf(value, 'children')) ask(child, walk);
}
const ASKING_THROUGH: Partial<Record<string, string[]>> = {
  Not: ['target'],
  And: ['left', 'right'],
  Or: ['left', 'right'],
};

const children =
  (...fields: string[]): Rule =>
  (node, walk) => {
    for (const field of fields) visit(node[field], walk);
  };

const condition: Rule = (node, walk) => {
  ask(node['cond'], walk);
  children('cond', 'body', 'else_')(node, walk);
};

const noLayouts =
  (tag: string): Rule =>
  (node) =>
    refuse(node, `\`{% ${tag} %}\` is not available.`, 'Put its content into this template.');

const noAsync =
  (tag: string, instead: string): Rule =>
  (node) =>
    refuse(node, `\`{% ${tag} %}\` is not available.`, `Use \`{% ${instead} %}\`.`);

function signature(node: TreeNode, walk: Walk): void {
  const args = listOf(node, 'args');
  for (const [index, arg] of args.entries()) {
    if (!isA(arg, 'KeywordArgs') || index < args.length - 1) {
      bind(arg, node, 'macro argument', walk);
      continue;
    }
    for (const pair of listOf(arg, 'children')) {
      bind(pair['key'], node, 'macro argument', walk);
      visit(pair['value'], walk);
    }
  }
  visit(node['body'], walk);
}

const rules = new Map<string, Rule>(
  Object.entries({
    Root: children('children'),
    NodeList: children('children'),
    Output: children('children'),
    Array: children('children'),
    Dict: children('children'),
    Capture: children('body'),
    TemplateData: () => undefined,
    Literal: (node) => {
      const { value } = node;
      if (value === null || ['string', 'number', 'boolean'].includes(typeof value)) return;
      refuse(node, 'Regular expressions are not available.', 'Use `replace` with a text, or `in`.');
    },
    Symbol: (node, walk) => {
      walk.variables.add(nameOf(node, node, 'variable'));
    },
    Group: (node, walk) => {
      if (listOf(node, 'children').length !== 1) refuse(node, 'Brackets must hold one expression.');
      children('children')(node, walk);
    },
    Pair: (node, walk) => {
      const { key } = node;
      if (isA(key, 'Symbol')) nameOf(key, node, 'key');
      else if (!isA(key, 'Literal') || typeof key['value'] !== 'string')
        refuse(node, 'A key must be a name or a text.');
      else if (RESERVED.test(key['value']))
        refuse(key, `The key \`${key['value']}\` is not allowed.`);
      visit(node['value'], walk);
    },
    KeywordArgs: (node, walk) => {
      for (const pair of listOf(node, 'children')) {
        nameOf(pair['key'], node, 'named argument');
        visit(pair['value'], walk);
      }
    },
    LookupVal: (node, walk) => {
      const { val } = node;
      if (!isNode(val)) return refuse(node, 'The brackets `[]` are empty.');
      const name = isA(val, 'Literal') ? val['value'] : undefined;
      if (typeof name === 'string' && RESERVED.test(name))
        refuse(val, `The member \`${name.slice(0, 40)}\` is not allowed.`);
      children('target', 'val')(node, walk);
    },
    If: condition,
    InlineIf: condition,
    For: (node, walk) => {
      const names = isA(node['name'], 'Array') ? listOf(node, 'name') : [node['name']];
      for (const name of names) bind(name, node, 'loop variable', walk);
      children('arr', 'body', 'else_')(node, walk);
    },
    Macro: (node, walk) => {
      bind(node['name'], node, 'macro name', walk);
      signature(node, walk);
    },
    Caller: signature,
    FunCall: (node, walk) => {
      const { name } = node;
      // Only `f(…)` and `x.f(…)`: the compiler puts the text of what is called into the code.
      if (isA(name, 'LookupVal')) {
        nameOf(name['target'], node, 'called object');
        const member = isA(name['val'], 'Literal') ? name['val']['value'] : undefined;
        if (typeof member !== 'string') return refuse(node, 'What is called must be a plain name.');
        refuseOddName(member, node, 'called member');
        visit(name, walk);
      } else {
        nameOf(name, node, 'called function');
        walk.called.push(name as TreeNode);
      }
      visit(node['args'], walk);
    },
    Filter: (node, walk) => {
      const name = nameOf(node['name'], node, 'filter');
      if (!Object.hasOwn(filters, name))
        refuse(node, `There is no filter \`${name}\`.`, didYouMean(name, Object.keys(filters)));
      if (name === 'default' || name === 'd') ask(listOf(node, 'args')[0], walk);
      visit(node['args'], walk);
    },
    Set: (node, walk) => {
      for (const target of listOf(node, 'targets')) bind(target, node, 'variable', walk);
      children('value', 'body')(node, walk);
    },
    Switch: children('expr', 'cases', 'default'),
    Case: children('cond', 'body'),
    Is: (node, walk) => {
      const { right } = node;
      // `is null` parses as a literal.
      const isNull = isA(right, 'Literal') && right['value'] === null;
      const symbol = isA(right, 'FunCall') ? right['name'] : right;
      const name = isNull ? 'null' : nameOf(symbol, node, 'test');
      if (!Object.hasOwn(tests, name))
        refuse(node, `There is no test \`${name}\`.`, didYouMean(name, Object.keys(tests)));
      ask(node['left'], walk);
      visit(node['left'], walk);
      if (isA(right, 'FunCall')) visit(right['args'], walk);
    },
    Or: (node, walk) => {
      ask(node['left'], walk);
      children('left', 'right')(node, walk);
    },
    Compare: children('expr', 'ops'),
    CompareOperand: children('expr'),
    ...Object.fromEntries(
      ['In', 'And', 'Add', 'Concat', 'Sub', 'Mul', 'Div', 'FloorDiv', 'Mod', 'Pow'].map((kind) => [
        kind,
        children('left', 'right'),
      ]),
    ),
    Not: children('target'),
    Neg: children('target'),
    Pos: children('target'),
    Include: noLayouts('include'),
    Extends: noLayouts('extends'),
    Import: noLayouts('import'),
    FromImport: noLayouts('from'),
    Block: noLayouts('block'),
    IfAsync: noAsync('ifAsync', 'if'),
    AsyncEach: noAsync('asyncEach', 'for'),
    AsyncAll: noAsync('asyncAll', 'for'),
  } satisfies Record<string, Rule>),
);

/** Throws a TemplateFault at the first node that may not be compiled. */
export function checkTree(root: TreeNode): CheckedTree {
  const walk: Walk = {
    root,
    asked: new WeakSet(),
    variables: new Set(),
    bound: new Set(['loop', 'caller', ...Object.keys(functions)]),
    called: [],
  };
  visit(root, walk);
  for (const symbol of walk.called) {
    const name = String(symbol['value']);
    if (!walk.bound.has(name))
      refuse(
        symbol,
        `There is no function or macro \`${name}\`.`,
        didYouMean(name, [...walk.bound]) ?? 'Variables cannot be called; filters go after a `|`.',
      );
  }
  for (const name of walk.bound) walk.variables.delete(name);
  return walk;
}
