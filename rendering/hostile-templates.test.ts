import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createLog } from '../runtime/log.ts';
import { createRenderer } from './create-renderer.ts';
import type { Renderer, TemplateError } from './renderer.ts';

const SECRET = 'canary-8f1c';
const folder = mkdtempSync(join(tmpdir(), 'canary-'));
const file = join(folder, 'canary.txt');

interface Expected {
  code?: TemplateError['code'];
  /** Part of the error's words. */
  says?: string;
  /** "line:column" */
  at?: string;
  limit?: TemplateError['limit'];
  /** It is harmless, and this comes out. */
  renders?: string;
}
const refused = (says: string, at?: string): Expected => ({ code: 'template_error', says, at });
const missing = (says: string, at?: string): Expected => ({ code: 'variable_missing', says, at });
const resource = (limit: TemplateError['limit']): Expected => ({
  code: 'template_resource',
  limit,
});
const tooLong: Expected = {
  code: 'template_resource',
  says: 'A text grows too large',
  limit: 'memory',
};
const renders = (text: string): Expected => ({ renders: text });

const RUN = `global.process.mainModule.require('fs').writeFileSync('${file}','x')`;

// [what it tries, template, what must happen]
const attacks: [string, string, Expected][] = [
  // Members
  ['constructor of a text', `{{ 'a'.constructor }}`, refused('`constructor`', '1:8')],
  ['constructor chain', `{{ ''.constructor.constructor("${RUN}")() }}`, refused('plain name')],
  ['constructor by index', `{{ []['constructor'] }}`, refused('`constructor`', '1:7')],
  [
    'constructor, assembled',
    `{% set c = 'const' ~ 'ructor' %}{{ user[c] }}`,
    missing('user[…]', '1:40'),
  ],
  ['constructor of a list, assembled', `{{ [1]['const' ~ 'ructor'] }}`, missing('There is no')],
  [
    'constructor of a function, assembled',
    `{{ range['const' ~ 'ructor'] }}`,
    missing('There is no'),
  ],
  ['a list as a name', `{{ user[['constructor']] }}`, refused('text or a number')],
  ['prototype', `{{ range.prototype }}`, refused('`prototype`')],
  ['__proto__', `{{ user.__proto__ }}`, refused('`__proto__`', '1:9')],
  ['__proto__, assembled', `{{ user['__pro' ~ 'to__'] }}`, missing('There is no')],
  ['__proto__ in a key', `{% set d = {'__proto__': user} %}{{ d.name }}`, refused('`__proto__`')],
  ['__defineGetter__', `{{ user.__defineGetter__('a', range) }}`, refused('__defineGetter__')],
  ['methods of texts', `{{ user.name.replace('a', 'b') }}`, refused('plain name')],
  ['methods of texts, by a name', `{{ name.toString() }}`, missing('name.toString')],
  ['methods of lists', `{{ items.push(1) }}`, missing('items.push')],
  ['functions as values', `{{ range }}`, refused('function cannot be written')],
  ['a macro as value', `{% macro m() %}{% endmacro %}{{ m }}`, refused('function cannot')],
  ['members of a macro', `{% macro m() %}{% endmacro %}{{ m.name }}`, missing('m.name')],
  ['members of a loop', `{% for i in [1] %}{{ loop.toString }}{% endfor %}`, missing('loop.to')],
  [
    'sort by a prototype',
    `{{ [user] | sort(attribute='constructor.name') | length }}`,
    renders('1'),
  ],
  ['groupby a prototype', `{{ [user] | groupby('constructor') | length }}`, renders('1')],
  ['join by a prototype', `{{ [user] | join(',', 'constructor') }}`, renders('')],
  ['own data named so', `{{ odd | dump }}`, renders('{"__proto__":1}')],

  // Registries and globals
  ['process', `{{ process.env.CANARY }}`, missing('`process`', '1:4')],
  ['require', `{{ require('fs') }}`, refused('no function or macro `require`', '1:4')],
  ['globalThis', `{{ globalThis.process }}`, missing('`globalThis`')],
  ['this', `{{ this.env }}`, missing('`this`')],
  ['env and context of the compiler', `{{ env.getFilter }}{{ context.ctx }}`, missing('`env`')],
  ['arguments of the compiler', `{{ runtime.SafeString }}`, missing('`runtime`')],
  ['filter valueOf', `{{ 'a' | valueOf }}`, refused('no filter `valueOf`', '1:10')],
  ['filter constructor', `{{ 'a' | constructor }}`, refused('`constructor`')],
  ['filter __proto__', `{{ 'a' | __proto__ }}`, refused('`__proto__`')],
  ['filter hasOwnProperty', `{{ 'a' | hasOwnProperty }}`, refused('no filter')],
  ['filter block', `{% filter valueOf %}a{% endfilter %}`, refused('no filter')],
  ['test valueOf', `{{ 'a' is valueOf }}`, refused('no test `valueOf`', '1:4')],
  ['test toString', `{{ 'a' is toString('b') }}`, refused('no test')],
  ['select by a prototype', `{{ [1] | select('valueOf') | length }}`, refused('no test')],
  ['global toString', `{{ toString() }}`, refused('no function or macro')],
  ['global valueOf as value', `{{ valueOf }}`, missing('`valueOf`')],
  [
    'macro argument valueOf',
    `{% macro m(valueOf) %}{{ valueOf() }}{% endmacro %}{{ m() }}`,
    missing('valueOf'),
  ],
  [
    'macro argument constructor',
    `{% macro m(constructor) %}{{ constructor('1') }}{% endmacro %}{{ m() }}`,
    refused('`constructor`'),
  ],
  [
    'a dict as named arguments',
    `{{ [2,1] | sort({'__keywords': true, 'reverse': 1}) | join }}`,
    refused(''),
  ],
  [
    'data as named arguments',
    `{% macro m(a) %}{{ a.a }}{% endmacro %}{{ m(kwargs) }}`,
    renders('1'),
  ],
  ['call what is data', `{{ name() }}`, refused('no function or macro `name`')],
  ['call a member that is data', `{{ user.name() }}`, refused('cannot be called')],

  // Names that the compiler would write into code
  ['set', `{% set a";globalThis.x=1;" = 1 %}`, refused('Syntax')],
  ['set without dots', '{% set a";process`x`; = 1 %}', refused('cannot be a variable')],
  ['set a text', `{% set "a\\"+1+\\"" = 1 %}`, refused('plain name')],
  ['set a member', `{% set user.name = 1 %}`, refused('plain name')],
  ['variable', '{{ a"+1+"b }}', refused('')],
  ['variable with a quote', '{{ a"b }}', refused('cannot be a variable', '1:4')],
  ['variable with a backslash', '{{ a\\ }}', refused('cannot be a variable')],
  ['variable with a back-tick', '{{ a`b }}', refused('cannot be a variable')],
  ['filter name', '{{ 1 | a";b }}', refused('cannot be a filter')],
  ['filter name with dots', '{{ 1 | a.b"c }}', refused('cannot be a filter')],
  ['test name', '{{ 1 is a"b }}', refused('cannot be a test')],
  ['test as a text', '{{ 1 is "defined\\").call(x),(\\"" }}', refused('plain name')],
  ['loop name', '{% for a"b in [1] %}{% endfor %}', refused('cannot be a loop variable')],
  ['loop name, destructured', '{% for a, "b\\"" in [[1,2]] %}{% endfor %}', refused('plain name')],
  ['the loop itself', '{% for loop in [range] %}{% endfor %}', refused('`loop`')],
  ['macro name', '{% macro a"b() %}{% endmacro %}', refused('cannot be a macro name')],
  ['macro argument', '{% macro a(b"c) %}{% endmacro %}', refused('cannot be a macro argument')],
  ['macro argument as a text', '{% macro a("b") %}{% endmacro %}', refused('plain name')],
  ['macro default', '{% macro a(b"c=1) %}{% endmacro %}', refused('cannot be a macro argument')],
  ['macro default as a text', '{% macro a("b\\"":1) %}{% endmacro %}', refused('Syntax')],
  ['caller argument', '{% call(a"b) m() %}{% endcall %}', refused('cannot be a macro argument')],
  ['call of nothing', '{% call m %}{% endcall %}', refused('Syntax')],
  ['called text', `{{ user["\\\\\\"+1+\\""]() }}`, refused('called member')],
  ['called expression', `{{ (1 if x else 'a\\\\')() }}`, refused('plain name')],
  ['named argument', `{{ range(a"b=1) }}`, refused('cannot be a named argument')],
  ['key', '{% set a = {b"c: 1} %}', refused('cannot be a key')],
  ['block name', '{% block a"b %}{% endblock %}', refused('not available')],
  ['import name', `{% import "a" as a"b %}`, refused('not available', '1:4')],
  ['from name', `{% from "a" import a"b as c %}`, refused('not available')],
  ['async loop name', '{% asyncEach a"b in [1] %}{% endeach %}', refused('not available')],
  ['a text that ends its literal', `{{ "\\\\\\"+1+\\"\\u2028" | length }}`, renders('11')],
  ['data that ends its literal', '"+process.exit()+"\\', renders('"+process.exit()+"\\')],

  // Files
  ['include', `{% include "${file}" %}`, refused('not available', '1:4')],
  ['include what a variable says', `{% include name ignore missing %}`, refused('not available')],
  ['extends', `{% extends "${file}" %}`, refused('not available')],
  ['import', `{% import "${file}" as x %}`, refused('not available')],

  // State
  ['joiner: a new one each time', `{% set j = joiner() %}{{ j() }}{{ j() }}`, renders(',')],
  ['cycler members', `{{ cycler('a')['const' ~ 'ructor'] }}`, missing('There is no')],
  ['cycler of nothing', `{% set c = cycler() %}{{ c.next() }}`, missing('no value')],
  ['change of a variable', `{% set name = 'x' %}{{ name }}`, renders('x')],
  ['… is gone in the next mail', `{{ name }}`, renders('Ada')],
  ['change of a function', `{% set range = 1 %}{{ range }}`, renders('1')],
  ['… is gone in the next mail, too', `{{ range(2) | join }}`, renders('01')],

  // Time, memory, output
  [
    'endless loop',
    `{% for a in range(9999) %}{% for b in range(9999) %}{% for c in range(9999) %}{% endfor %}{% endfor %}{% endfor %}`,
    resource('cpu'),
  ],
  ['range', `{{ range(1000000000) | length }}`, refused('at most 10000', '1:9')],
  ['endless range', `{{ range(0, 1, 0) }}`, refused('at most 10000')],
  ['range of nothing', `{{ range(0, 1, 1 / 0) | length }}`, renders('0')],
  [
    'macro that calls itself',
    `{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}`,
    resource('memory'),
  ],
  ['deep brackets', `{{ ${'('.repeat(50_000)}1 }}`, resource('memory')],
  ['center', `{{ 'a' | center(1000000000) }}`, resource('memory')],
  ['indent', `{{ 'a\nb' | indent(1000000000) }}`, resource('memory')],
  ['batch', `{{ [1] | batch(1000000000, 2) }}`, resource('memory')],
  ['slice', `{{ [1] | slice(1000000000) }}`, resource('memory')],
  [
    'doubling',
    `{% set a = 'ab' %}{% for i in range(40) %}{% set a = a ~ a %}{% endfor %}`,
    tooLong,
  ],
  ['adding', `{% set a = 'ab' %}{% for i in range(40) %}{% set a = a + a %}{% endfor %}`, tooLong],
  [
    'replace',
    `{% set a = 'a' %}{% for i in range(20) %}{% set a = a | replace('a', 'aaa') %}{% endfor %}`,
    tooLong,
  ],
  [
    'join',
    `{% set a = ['abc'] %}{% for i in range(40) %}{% set a = [a, a] %}{% endfor %}{{ a | join('-') }}`,
    { code: 'template_resource' },
  ],
  ['much output', `{% for i in range(9999) %}${'x'.repeat(1000)}{% endfor %}`, resource('output')],
  [
    'much output in a capture',
    `{% set a %}{% for i in range(9999) %}${'x'.repeat(1000)}{% endfor %}{% endset %}`,
    resource('output'),
  ],
  [
    'a little too much output',
    `{% for i in range(301) %}${'é'.repeat(3500)}{% endfor %}`,
    resource('output'),
  ],
  [
    'lists',
    `{% set a = [] %}{% for i in range(9999) %}{% set a = [a, range(9999)] %}{% endfor %}`,
    {
      code: 'template_resource',
    },
  ],
  ['regular expression', `{{ 'aaa' | replace(r/(a+)+$/g, 'b') }}`, refused('Regular expressions')],

  // Undefined
  ['printed', `{{ nmae }}`, missing('`nmae`', '1:4')],
  ['member', `{{ user.nmae }}`, missing('`user.nmae`')],
  ['member of null', `{{ nothing.name }}`, missing('empty')],
  ['member of what is missing', `{% if no.name %}{% endif %}`, missing('`no`')],
  ['argument', `{{ name | replace('a', nmae) }}`, missing('`nmae`')],
  ['loop', `{% for i in itmes %}{% endfor %}`, missing('`itmes`')],
  ['compared', `{% if plan == 'pro' %}{% endif %}`, missing('`plan`')],
  ['concatenated', `{{ 'a' ~ nmae }}`, missing('`nmae`')],
  ['set', `{% set a = nmae %}`, missing('`nmae`')],
  ['index', `{{ items[7] }}`, missing('items[7]')],
  ['macro argument not given', `{% macro m(a) %}{{ a }}{% endmacro %}{{ m() }}`, missing('`a`')],
];

const variables = {
  name: 'Ada',
  user: { name: 'Ada' },
  items: [1, 2],
  nothing: null,
  kwargs: { __keywords: true, a: 1 },
  odd: JSON.parse('{"__proto__": 1}') as unknown,
};

describe('hostile templates', () => {
  let renderer: Renderer;

  before(async () => {
    writeFileSync(file, SECRET);
    process.env['CANARY'] = SECRET;
    renderer = await createRenderer({ log: createLog('test', 'silent') });
  });

  after(async () => {
    await renderer.close();
    assert.equal(readFileSync(file, 'utf8'), SECRET, 'the canary file is untouched');
    delete process.env['CANARY'];
    rmSync(folder, { recursive: true });
  });

  for (const [what, template, expected] of attacks) {
    it(`${what}: ${template.slice(0, 70).replaceAll('\n', '⏎')}`, async () => {
      // In the text part, so that nothing is escaped.
      const result = await renderer.render({ parts: { subject: 's', text: template }, variables });
      const answer = JSON.stringify(result);
      assert.ok(!answer.includes(SECRET) && !answer.includes('native code'), answer);
      if (result.ok) {
        assert.equal(result.parts.text, expected.renders, answer);
        return;
      }
      const { error } = result;
      assert.equal(error.part, 'text');
      assert.equal(error.code, expected.code, answer);
      assert.ok(error.detail.includes(expected.says ?? ''), answer);
      if (expected.limit) assert.equal(error.limit, expected.limit, answer);
      if (expected.at) assert.equal(`${error.line}:${error.column}`, expected.at, answer);
      if (error.code !== 'template_resource') assert.ok(error.line && error.excerpt, answer);
    });
  }

  it('refuses names of a prototype when a template is checked, not only when it is rendered', async () => {
    for (const text of ["{{ 'a' | valueOf }}", "{{ 'a' is valueOf }}", '{{ toString() }}']) {
      const errors = await renderer.check({ subject: 's', text });
      assert.equal(errors[0]?.code, 'template_error', text);
      assert.ok(errors[0].line === 1 && errors[0].column);
    }
  });
});
