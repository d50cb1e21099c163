import compiler from 'nunjucks/src/compiler.js';
import type { TreeNode } from 'nunjucks/src/nodes.js';
import type { Frame } from 'nunjucks/src/runtime.js';

/** The expression as its author wrote it, roughly: `user.address[…]`. */
function describe(node: TreeNode): string {
  if (node.typename === 'Symbol') return String(node['value']);
  if (node.typename !== 'LookupVal') return '…';
  const member = node['val'] as TreeNode;
  const name = member.typename === 'Literal' ? String(member['value']).slice(0, 40) : '…';
  const target = describe(node['target'] as TreeNode);
  return /^[\p{L}_]/u.test(name) ? `${target}.${name}` : `${target}[${name}]`;
}

/**
 * Nunjucks' code generator for a tree that passed `checkTree`, writing calls of our guarded runtime, each with its
 * position, where Nunjucks would read members, call functions or concatenate by itself.
 */
export class GuardedCompiler extends compiler.Compiler {
  readonly #asked: WeakSet<TreeNode>;

  constructor(asked: WeakSet<TreeNode>) {
    super('mail', false);
    this.#asked = asked;
  }

  compileSymbol(node: TreeNode, frame: Frame): void {
    const name = JSON.stringify(node['value']);
    const held = frame.lookup(String(node['value']));
    const isAsked = this.#asked.has(node);
    if (typeof held === 'string')
      this._emit(isAsked ? held : `runtime.known(${held}, ${name}, ${place(node)})`);
    else if (isAsked) this._emit(`runtime.find(context, frame, ${name})`);
    else this._emit(`runtime.get(context, frame, ${name}, ${place(node)})`);
  }

  compileLookupVal(node: TreeNode, frame: Frame): void {
    this._emit(`runtime.${this.#asked.has(node) ? 'findMember' : 'getMember'}(`);
    this.compile(node['target'] as TreeNode, frame);
    this._emit(', ');
    this.compile(node['val'] as TreeNode, frame);
    this._emit(`, ${JSON.stringify(describe(node))}, ${place(node)})`);
  }

  compileFunCall(node: TreeNode, frame: Frame): void {
    const callee = node['name'] as TreeNode;
    this._emit('runtime.call(');
    this.compile(callee, frame);
    this._emit(`, ${JSON.stringify(describe(callee))}, ${place(node)}, `);
    this._compileAggregate(node['args'] as TreeNode, frame, '[', '])');
  }

  compileFilter(node: TreeNode, frame: Frame): void {
    const name = (node['name'] as TreeNode)['value'];
    this._emit(`runtime.applyFilter(${JSON.stringify(name)}, ${place(node)}, `);
    this._compileAggregate(node['args'] as TreeNode, frame, '[', '])');
  }

  compileIs(node: TreeNode, frame: Frame): void {
    const right = node['right'] as TreeNode;
    const name = ((right['name'] ?? right) as TreeNode)['value'];
    this._emit(`runtime.applyTest(${JSON.stringify(String(name))}, ${place(node)}, [`);
    this.compile(node['left'] as TreeNode, frame);
    if (right.typename === 'FunCall') {
      this._emit(',');
      this._compileAggregate(right['args'] as TreeNode, frame, '', '');
    }
    this._emit('])');
  }

  override compileDict(node: TreeNode, frame: Frame): void {
    this._emit('runtime.dict(');
    super.compileDict(node, frame);
    this._emit(')');
  }

  compileAdd(node: TreeNode, frame: Frame): void {
    this.#callWithBoth('add', node, frame);
  }

  compileConcat(node: TreeNode, frame: Frame): void {
    this.#callWithBoth('concat', node, frame);
  }

  compileOutput(node: TreeNode, frame: Frame): void {
    for (const child of node['children'] as TreeNode[]) {
      if (child.typename === 'TemplateData') {
        this._emitLine(`runtime.count(env, ${String(child['value']).length}, ${place(child)});`);
        this._emit(`${this.buffer} += `);
        this.compileLiteral(child);
        this._emitLine(';');
        continue;
      }
      this.#emitPosition(node);
      this._emit(`${this.buffer} += runtime.print(env, `);
      this.compile(child, frame);
      this._emitLine(`, ${place(child)});`);
    }
  }

  override compileIf(node: TreeNode, frame: Frame): void {
    this.#emitPosition(node);
    super.compileIf(node, frame);
  }

  override compileFor(node: TreeNode, frame: Frame): void {
    this.#emitPosition(node);
    super.compileFor(node, frame);
  }

  // Nunjucks sets seven variables named `loop.…` one by one.
  _emitLoopBindings(_: TreeNode, __: string, index: string, length: string): void {
    this._emitLine(`frame.variables.loop = runtime.loop(${index}, ${length});`);
  }

  override compileSet(node: TreeNode, frame: Frame): void {
    this.#emitPosition(node);
    super.compileSet(node, frame);
  }

  override compileSwitch(node: TreeNode, frame: Frame): void {
    this.#emitPosition(node);
    super.compileSwitch(node, frame);
  }

  #callWithBoth(name: string, node: TreeNode, frame: Frame): void {
    this._emit(`runtime.${name}(`);
    this.compile(node['left'] as TreeNode, frame);
    this._emit(', ');
    this.compile(node['right'] as TreeNode, frame);
    this._emit(')');
  }

  // The generated function hands these two to `handleError`.
  #emitPosition(node: TreeNode): void {
    this._emitLine(`lineno = ${node.lineno ?? 0}; colno = ${node.colno ?? 0};`);
  }
}

function place(node: TreeNode): string {
  return `${node.lineno ?? 0}, ${node.colno ?? 0}`;
}
