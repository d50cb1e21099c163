import assert from 'node:assert/strict';
import nunjucks from 'nunjucks';
import { filters } from './filters.ts';
import { SizedCache } from './sized-cache.ts';
import { perform } from './render-mail.ts';

// What is allowed comes out as Nunjucks itself renders it.

const variables = {
  name: 'ada LOVELACE',
  html: '<b>"x" & y</b>',
  n: 3.456,
  items: [
    { t: 'b', p: 2 },
    { t: 'A', p: 10 },
    { t: 'c', p: 2 },
  ],
  words: ['b', 'A', 'c'],
  user: { last: 'L', first: 'F' },
  none: null,
  long: 'The quick brown fox jumps over the lazy dog',
  lines: 'one\ntwo\nthree',
};

const templates = [
  '{{ name }} {{ html }} {{ html | safe }} {{ html | escape }} {{ n }} {{ none }} {{ true }} {{ words }}',
  '{% set x = n * 2 + 1 %}{{ x }} {{ 7 // 2 }} {{ 7 % 4 }} {{ 2 ** 5 }} {{ -n }} {{ 1 + 2 }} {{ "a" + 1 }} {{ 1 ~ 2 }}',
  '{% if n > 3 and name %}yes{% elif n == 3 %}three{% else %}no{% endif %}{{ "a" if n < 3 else "b" }}{{ "a" if n < 3 }}',
  '{% for i in items %}{{ loop.index }}{{ loop.last }}{{ loop.revindex }}{{ loop.length }}{{ i.t }},{% else %}none{% endfor %}',
  '{% for k, v in user %}{{ k }}={{ v }};{% endfor %}{% for a, b in [[1, 2], [3, 4]] %}{{ a }}{{ b }}{% endfor %}',
  '{% for i in [] %}{% else %}empty{% endfor %}{% for c in "abc" %}{{ c }}-{% endfor %}{% for x in none %}{% endfor %}',
  '{% macro m(a, b="d", c=3) %}{{ a }}{{ b }}{{ c }}|{% endmacro %}{{ m(1) }}{{ m(1, 2) }}{{ m(1, c=5) }}{{ m(a=1, b="<") }}',
  '{% macro w(t) %}<i>{{ t }}{{ caller() }}</i>{% endmacro %}{% call w("x<") %}in{{ n }}{% endcall %}',
  '{% macro w(l) %}{% for i in l %}{{ caller(i) }}{% endfor %}{% endmacro %}{% call(i) w(words) %}({{ i }}){% endcall %}',
  '{% set b %}<b>{{ name }}</b>{% endset %}{{ b }}{{ b | safe }}{% filter upper %}a{{ name }}{% endfilter %}',
  '{% switch n %}{% case 1 %}one{% case 3.456 %}hit{% default %}d{% endswitch %}{% switch 9 %}{% case 1 %}{% default %}d{% endswitch %}',
  '{% raw %}{{ raw }}{% endraw %}{# gone #}{%- if true -%} x {%- endif -%} {{- name -}} !',
  '{% set c = cycler("odd", "even") %}{{ c.next() }}{{ c.next() }}{{ c.next() }}{{ c.current }}{% set j = joiner("; ") %}{{ j() }}a{{ j() }}b',
  '{{ range(5) }} {{ range(2, 8, 3) }} {{ range(3, 0, -1) }}',
  '{{ "a" in words }} {{ "A" in words }} {{ "first" in user }} {{ "ada" in name }} {{ 1 not in [1] }}',
  '{{ n is number }}{{ name is string }}{{ 4 is even }}{{ 4 is odd }}{{ 9 is divisibleby(3) }}{{ none is null }}{{ words is iterable }}{{ user is mapping }}{{ 1 is not even }}{{ 3 is gt(2) }}{{ 3 is le(2) }}{{ "a" is lower }}{{ 3 is sameas(3) }}',
  '{{ name | capitalize }}|{{ name | title }}|{{ name | upper }}|{{ name | lower }}|{{ "  x " | trim }}|{{ "ab" | center(10) }}|{{ name | length }}|{{ user | length }}|{{ words | length }}',
  '{{ long | truncate(10) }}|{{ long | truncate(10, true) }}|{{ long | truncate(10, false, "…") }}|{{ long | truncate(100) }}|{{ long | wordcount }}|{{ lines | indent(2) }}|{{ lines | indent(2, true) }}|{{ lines | nl2br }}',
  '{{ "aXbXc" | replace("X", "-") }}|{{ "aXbXc" | replace("X", "-", 1) }}|{{ "abc" | replace("", ".") }}|{{ "a1b" | replace(1, 2) }}|{{ "abc" | replace("z", "y") }}',
  '{{ words | join }}|{{ words | join(", ") }}|{{ items | join("-", "t") }}|{{ words | first }}|{{ words | last }}|{{ words | reverse | join }}|{{ "abc" | reverse }}',
  '{{ words | sort | join }}|{{ words | sort(true) | join }}|{{ words | sort(false, true) | join }}|{{ items | sort(attribute="p") | join(",", "t") }}|{{ items | sort(false, false, "t") | join(",", "t") }}',
  '{{ user | dictsort }}|{{ user | dictsort(false, "value") }}|{% for k, l in items | groupby("p") %}{{ k }}:{{ l | join(",", "t") }};{% endfor %}',
  '{% for b in [1,2,3,4,5] | batch(2, 9) %}{{ b | join }};{% endfor %}{% for b in [1,2,3,4,5] | slice(3) %}{{ b | join }};{% endfor %}{% for b in [1,2,3,4,5] | slice(3, "x") %}{{ b | join }};{% endfor %}',
  '{{ [1,2,3] | sum }}|{{ items | sum("p") }}|{{ items | sum("p", 10) }}|{{ items | selectattr("p") | length }}|{{ [0,1] | select | join }}|{{ [1,2,3] | select("odd") | join }}|{{ [1,2,3] | reject("odd") | join }}|{{ [1,2,6] | select("divisibleby", 3) | join }}',
  '{{ n | round }}|{{ n | round(1) }}|{{ n | round(1, "floor") }}|{{ n | round(0, "ceil") }}|{{ -3 | abs }}|{{ "12px" | int }}|{{ "z" | int(7) }}|{{ "ff" | int(0, 16) }}|{{ "3.5x" | float }}|{{ "z" | float(1.5) }}',
  '{{ "a b&c/é" | urlencode }}|{{ user | urlencode }}|{{ html | striptags }}|{{ "<p>a</p>\n\n\n<p>b</p>" | striptags(true) }}|{{ [1, {a: "x"}] | dump | safe }}|{{ user | dump(2) | safe }}|{{ words | list | join }}|{{ "abc" | list | join("-") }}',
  '{{ none | default("d") }}|{{ "" | default("d") }}|{{ "" | default("d", true) }}|{{ false | d("x", true) }}|{{ html | forceescape }}|{{ html | e | e }}|{{ (html | safe) | upper }}|{{ 5 | string }}',
  '{{ items[0].t }}{{ items[1]["t"] }}{{ words[n - 2.456] }}{{ user[ "first" ] }}{{ name.length }}{{ words.length }}',
  '{% if none %}a{% endif %}{% if words %}b{% endif %}{{ not none }}{{ none == null }}{{ 1 == "1" }}{{ 1 === "1" }}{{ 1 != 2 }}{{ (1 < 2) }}',
];

describe('templates that are allowed', () => {
  for (const template of templates)
    for (const autoescape of [true, false])
      it(`${autoescape ? 'html' : 'text'}: ${template.slice(0, 80)}`, () => {
        const expected = new nunjucks.Environment(null, { autoescape }).renderString(
          template,
          variables,
        );
        const parts = { subject: 's', [autoescape ? 'html' : 'text']: template };
        const answer = perform(
          { kind: 'render', parts, variables: JSON.stringify(variables) },
          { outputBytes: 1_000_000, compiled: new SizedCache(0), onPart: () => undefined },
        );
        assert.ok(answer.ok, JSON.stringify(answer));
        const { parts: rendered } = answer.value as { parts: Record<string, string> };
        assert.equal(rendered[autoescape ? 'html' : 'text'], expected);
      });

  // Nunjucks drops the sign after a web address.
  it('link addresses, and keep the signs around them', () => {
    const urlize = filters['urlize'];
    const link = (text: string) => String(urlize?.run(text));
    assert.equal(
      link('see http://a.test/x, or (www.b.test) <b> c@d.test.'),
      'see <a href="http://a.test/x">http://a.test/x</a>, or (www.b.test) &lt;b&gt; <a href="mailto:c@d.test">c@d.test</a>.',
    );
    assert.equal(
      link('https://x.test/"onclick=1'),
      '<a href="https://x.test/&quot;onclick=1">https://x.test/&quot;onclick=1</a>',
    );
  });
});
