/** The part of JSON Schema that our documents use. */
export interface JsonSchema {
  $ref?: string;
  type?: string | string[];
  anyOf?: JsonSchema[];
  oneOf?: JsonSchema[];
  properties?: Record<string, JsonSchema>;
  required?: string[];
  items?: JsonSchema;
  additionalProperties?: boolean | JsonSchema;
  enum?: unknown[];
  const?: unknown;
  format?: string;
  minimum?: number;
  maximum?: number;
  minLength?: number;
  maxLength?: number;
  maxItems?: number;
  default?: unknown;
  description?: string;
  example?: unknown;
  examples?: unknown[];
}

/** A schema for reading: a field a line, `→ Name` for another schema. */
export function showSchema(schema: JsonSchema, indent = ''): string {
  const { properties, items, additionalProperties } = schema;
  if (schema.$ref !== undefined) return `→ ${nameOf(schema.$ref)}`;
  const branches = schema.anyOf ?? schema.oneOf;
  if (branches) return branches.map((branch) => showSchema(branch, indent)).join(' | ');
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  if (schema.enum) return schema.enum.map((value) => JSON.stringify(value)).join(' | ');
  if (properties) {
    const required = schema.required ?? [];
    const lines = Object.entries(properties).map(([name, property]) => {
      const optional = required.includes(name) ? '' : '?';
      const about = property.description === undefined ? '' : `  // ${property.description}`;
      return `${indent}  ${name}${optional}: ${showSchema(property, `${indent}  `)}${about}`;
    });
    return `{\n${lines.join('\n')}\n${indent}}`;
  }
  if (items) return `[${showSchema(items, indent)}]${limits(schema)}`;
  if (typeof additionalProperties === 'object')
    return `{ [key]: ${showSchema(additionalProperties, indent) || 'any'} }`;
  const type = [schema.type ?? 'any'].flat().join(' | ');
  return `${schema.format ?? type}${limits(schema)}`;
}

function limits({ minimum, maximum, maxLength, maxItems, default: fallback }: JsonSchema): string {
  const parts = [
    minimum !== undefined && minimum > Number.MIN_SAFE_INTEGER ? `from ${minimum}` : '',
    maximum !== undefined && maximum < Number.MAX_SAFE_INTEGER ? `to ${maximum}` : '',
    maxLength === undefined ? '' : `≤ ${maxLength} characters`,
    maxItems === undefined ? '' : `≤ ${maxItems} entries`,
    fallback === undefined ? '' : `default ${JSON.stringify(fallback)}`,
  ].filter((part) => part !== '');
  return parts.length === 0 ? '' : ` (${parts.join(', ')})`;
}

/** The example that a schema names, or one made of its required fields. */
export function exampleOf(schema: JsonSchema, components: Record<string, JsonSchema>): unknown {
  const example = schema.example ?? schema.examples?.[0];
  if (example !== undefined) return example;
  if (schema.$ref !== undefined)
    return exampleOf(components[nameOf(schema.$ref)] ?? {}, components);
  const [branch] = schema.anyOf ?? schema.oneOf ?? [];
  if (branch) return exampleOf(branch, components);
  if (schema.enum) return schema.enum[0];
  if (schema.properties) {
    const required = schema.required ?? [];
    return Object.fromEntries(
      Object.entries(schema.properties)
        .filter(([name]) => required.includes(name))
        .map(([name, property]) => [name, exampleOf(property, components)]),
    );
  }
  if (schema.items) return [exampleOf(schema.items, components)];
  return { string: 'text', number: 1, integer: 1, boolean: true }[String(schema.type)] ?? {};
}

function nameOf(reference: string): string {
  return reference.slice(reference.lastIndexOf('/') + 1);
}
