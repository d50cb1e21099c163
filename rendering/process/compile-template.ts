import lexer from 'nunjucks/src/lexer.js';
import type { TreeNode } from 'nunjucks/src/nodes.js';
import parser from 'nunjucks/src/parser.js';
import nunjucks from 'nunjucks/src/runtime.js';
import { didYouMean } from './did-you-mean.ts';
import { GuardedCompiler } from './guarded-compiler.ts';
import { RenderContext, runtime, type PartRun } from './guarded-runtime.ts';
import { TemplateFault, toFault, type Position } from './template-fault.ts';
import { runInRealm } from './template-realm.ts';
import { checkTree, type CheckedTree } from './tree-rules.ts';
import type { Dict } from './values.ts';

/** A part that is ready to run; keeps nothing between runs. */
export interface CompiledPart {
  run: (variables: Dict, run: PartRun) => string;
  /** Length of the generated code: what it weighs in a cache. */
  codeLength: number;
}

type Root = (
  env: PartRun,
  context: RenderContext,
  frame: unknown,
  guarded: typeof runtime,
  done: (error: unknown, output?: string) => void,
) => void;

/** Throws a TemplateFault with its place: wrong syntax, or something that templates may not do. */
export function parseTemplate(source: string): CheckedTree {
  const tokens = lexer.lex(source);
  let root: TreeNode;
  try {
    root = new parser.Parser(tokens).parseAsRoot();
  } catch (error) {
    throw syntaxFault(error, { line: tokens.lineno + 1, column: tokens.colno + 1 });
  }
  try {
    return checkTree(root);
  } catch (error) {
    throw toFault(error);
  }
}

export function compileTemplate(source: string): CompiledPart {
  const { root, asked } = parseTemplate(source);
  let code: string;
  let start: Root;
  try {
    const compiler = new GuardedCompiler(asked);
    compiler.compile(root);
    code = compiler.getCode();
    start = (runInRealm(code) as { root: Root }).root;
  } catch (error) {
    throw toFault(error);
  }
  return {
    codeLength: code.length,
    run: (variables, run) => {
      let output = '';
      const frame = Object.assign(new nunjucks.Frame(), { topLevel: true });
      start(run, new RenderContext(variables), frame, runtime, (error, text = '') => {
        // eslint-disable-next-line @typescript-eslint/only-throw-error -- handleError made it a TemplateFault
        if (error) throw error;
        output = text;
      });
      return output;
    },
  };
}

const TAGS = ['if', 'elif', 'else', 'endif', 'for', 'endfor', 'set', 'endset', 'macro', 'endmacro'];
TAGS.push('call', 'endcall', 'filter', 'endfilter', 'switch', 'case', 'default', 'endswitch');
TAGS.push('raw', 'endraw', 'verbatim', 'endverbatim');

const SYNTAX_HINTS: [pattern: RegExp, hint: (match: RegExpExecArray) => string | undefined][] = [
  [
    /unknown block tag: (?:end|else|elif|elseif)/,
    () => 'It closes nothing: its opening tag is missing above, or closed already.',
  ],
  [/unknown block tag: (\S+)/, (match) => didYouMean(match[1] ?? '', TAGS)],
  [/expected variable end/, () => 'Close the expression with `}}`.'],
  [/expected block end/, () => 'Close the tag with `%}`.'],
  [/end of file|got EOF/, () => 'A tag above is not closed, such as `{% if %}` by `{% endif %}`.'],
  [/end of comment/, () => 'A comment is `{# … #}`.'],
];

function syntaxFault(thrown: unknown, reached: Position): TemplateFault {
  const { lineno, colno, message } = thrown as { lineno?: number; colno?: number; message: string };
  const fault = toFault(thrown);
  if (fault.details.code === 'template_resource') return fault.at(reached);
  // A TypeError is the parser stumbling over something it did not expect.
  const detail = thrown instanceof TypeError ? 'This cannot be read' : message;
  let hint: string | undefined;
  for (const [pattern, toHint] of SYNTAX_HINTS) {
    const match = pattern.exec(message);
    if (match) hint ??= toHint(match);
  }
  const position = lineno && colno ? { line: lineno, column: colno } : reached;
  return new TemplateFault(`Syntax: ${detail.slice(0, 200)}.`, { position, hint });
}
