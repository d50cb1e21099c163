import { Ajv2020 as Ajv, type ErrorObject, type ValidateFunction } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import type { ErrorItem } from '../../domain/platform-error.ts';

const ajv = new Ajv({ allErrors: true, strict: false, validateFormats: true });
addFormats.default(ajv);

// By version id: a published version's schema never changes; drafts are compiled each time.
const compiled = new Map<string, ValidateFunction>();
const MAX_COMPILED = 1_000;

/** What a template's JSON Schema says of these variables; nothing where it has none. */
export function findVariableProblems(
  versionId: string,
  schema: Record<string, unknown> | null,
  variables: Record<string, unknown>,
): ErrorItem[] {
  if (!schema) return [];
  let validate = compiled.get(versionId);
  if (!validate) {
    validate = ajv.compile(schema);
    compiled.set(versionId, validate);
    if (compiled.size > MAX_COMPILED) compiled.delete(compiled.keys().next().value ?? '');
  }
  if (validate(variables)) return [];
  return (validate.errors ?? []).map(toItem);
}

/** Why this is not a JSON Schema; undefined when it is. */
export function schemaProblem(schema: Record<string, unknown>): string | undefined {
  // A tenant's regular expression would run in the process that all tenants share.
  if (/"(pattern|patternProperties)":/.test(JSON.stringify(schema)))
    return '"pattern" and "patternProperties" are not supported; use enum, format, minLength or maxLength';
  try {
    new Ajv({ strict: false, validateFormats: false }).compile(schema);
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

function toItem(error: ErrorObject): ErrorItem {
  const missing =
    error.keyword === 'required'
      ? (error.params as { missingProperty: string }).missingProperty
      : undefined;
  const pointer = `/variables${error.instancePath}${missing === undefined ? '' : `/${missing}`}`;
  return missing === undefined
    ? {
        pointer,
        code: 'variable_invalid',
        detail: `The variable ${error.message ?? 'is not valid'}.`,
      }
    : {
        pointer,
        code: 'variable_missing',
        detail: `The template needs the variable "${missing}".`,
      };
}
