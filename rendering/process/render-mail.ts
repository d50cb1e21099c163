import type { MailParts, PartName, TemplateError } from '../renderer.ts';
import { compileTemplate, parseTemplate, type CompiledPart } from './compile-template.ts';
import { outputFault, type PartRun } from './guarded-runtime.ts';
import type { SizedCache } from './sized-cache.ts';
import { partNames, type Answer, type RenderedMail, type Task } from './protocol.ts';
import { TemplateFault, toFault, toTemplateError } from './template-fault.ts';
import { parseVariables, type Dict } from './values.ts';

export type CompiledMail = Partial<Record<PartName, CompiledPart>>;

export interface MailWork {
  outputBytes: number;
  compiled: SizedCache<CompiledMail>;
  onPart: (part: PartName) => void;
}

/** Does one task, in a thread. Never throws for what a template does. */
export function perform(task: Task, work: MailWork): Answer {
  if (task.kind === 'render') return renderMail(task, work);
  const errors: TemplateError[] = [];
  const names = new Set<string>();
  for (const part of partNames) {
    const source = task.parts[part];
    if (source === undefined) continue;
    work.onPart(part);
    try {
      // Compiled too: what only the code generator refuses is an error before publishing, not while sending.
      for (const name of parseTemplate(source).variables) names.add(name);
      if (task.kind === 'check') compileTemplate(source);
    } catch (error) {
      errors.push(toTemplateError(toFault(error), part, task.parts));
    }
  }
  return { ok: true, value: task.kind === 'check' ? errors : [...names].sort() };
}

function renderMail(task: Task & { kind: 'render' }, work: MailWork): Answer {
  const startedMs = performance.now();
  const { parts, cacheKey } = task;
  if (!parts) throw new Error('A task came without its parts.');
  const known = cacheKey === undefined ? undefined : work.compiled.get(cacheKey);
  const compiled = known ?? {};
  const rendered: Partial<MailParts> = {};
  let variables: Dict | undefined;
  let remainingBytes = work.outputBytes;
  for (const part of partNames) {
    const source = parts[part];
    if (source === undefined) continue;
    work.onPart(part);
    try {
      variables ??= parseVariables(task.variables);
      const template = (compiled[part] ??= compileTemplate(source));
      const run = { autoescape: part === 'html', outputLimit: work.outputBytes, printed: 0 };
      const text = finish(part, renderPart(template, variables, run));
      remainingBytes -= Buffer.byteLength(text);
      if (remainingBytes < 0) throw outputFault(work.outputBytes);
      rendered[part] = text;
    } catch (error) {
      return { ok: false, error: toTemplateError(toFault(error), part, parts) };
    }
  }
  if (!known && cacheKey !== undefined) work.compiled.set(cacheKey, compiled, sizeOf(compiled));
  const mail: RenderedMail = {
    parts: { subject: '', ...rendered },
    ms: performance.now() - startedMs,
  };
  return { ok: true, value: mail };
}

const sizeOf = (compiled: CompiledMail) =>
  Object.values(compiled).reduce((size, part) => size + part.codeLength, 0);

function renderPart(template: CompiledPart, variables: Dict, run: PartRun): string {
  const output = template.run(variables, run);
  if (output.length > run.outputLimit) throw outputFault(run.outputLimit);
  // Half of a surrogate pair (an emoji cut by `truncate`) has no UTF-8.
  return output.toWellFormed();
}

// Everything that ends a line somewhere, and NUL: RFC 5322 allows none of it in a header's value.
const LINE_BREAK = /[\u0000\n\v\f\r\u0085\u2028\u2029]/;

/** Subject and preheader are one line. */
function finish(part: PartName, output: string): string {
  if (part === 'html' || part === 'text') return output;
  const line = output.trim();
  if (!LINE_BREAK.test(line)) return line;
  throw new TemplateFault(`The rendered ${part} has a line break.`, {
    hint: 'Tags leave their line break behind: write `{%- … -%}`; or a variable holds one.',
  });
}
