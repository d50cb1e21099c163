// What we use of Nunjucks 3.2.4: its lexer, parser and code generator. Its environment, runtime, filters and loaders
// are not used (see compile-template.ts).

declare module 'nunjucks/src/nodes.js' {
  /** A node of the parsed tree; which fields it has depends on `typename`. Positions count from 0. */
  export interface TreeNode {
    readonly typename: string;
    readonly lineno?: number;
    readonly colno?: number;
    readonly [field: string]: unknown;
  }
  const nodes: { Node: abstract new () => TreeNode };
  export default nodes;
}

declare module 'nunjucks/src/lexer.js' {
  export interface Tokenizer {
    readonly lineno: number;
    readonly colno: number;
  }
  const lexer: { lex: (source: string) => Tokenizer };
  export default lexer;
}

declare module 'nunjucks/src/parser.js' {
  import type { Tokenizer } from 'nunjucks/src/lexer.js';
  import type { TreeNode } from 'nunjucks/src/nodes.js';
  const parser: { Parser: new (tokens: Tokenizer) => { parseAsRoot: () => TreeNode } };
  export default parser;
}

declare module 'nunjucks/src/runtime.js' {
  export interface Frame {
    /** At compile time: the JavaScript variable that holds the name; at run time: its value. */
    lookup: (name: string) => unknown;
  }
  const runtime: { Frame: new () => Frame };
  export default runtime;
}

declare module 'nunjucks/src/compiler.js' {
  import type { TreeNode } from 'nunjucks/src/nodes.js';
  import type { Frame } from 'nunjucks/src/runtime.js';
  export class Compiler {
    constructor(templateName: string, throwOnUndefined: boolean);
    readonly buffer: string;
    compile(node: TreeNode, frame?: Frame): void;
    getCode(): string;
    _emit(code: string): void;
    _emitLine(code: string): void;
    _compileAggregate(node: TreeNode, frame: Frame, start: string, end: string): void;
    compileLiteral(node: TreeNode): void;
    compileDict(node: TreeNode, frame: Frame): void;
    compileIf(node: TreeNode, frame: Frame): void;
    compileFor(node: TreeNode, frame: Frame): void;
    compileSet(node: TreeNode, frame: Frame): void;
    compileSwitch(node: TreeNode, frame: Frame): void;
  }
  const compiler: { Compiler: typeof Compiler };
  export default compiler;
}
