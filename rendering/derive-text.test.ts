import assert from 'node:assert/strict';
import { deriveText } from './derive-text.ts';

describe('deriveText', () => {
  it('keeps the words, the links and their order', () => {
    const html =
      '<style>p{}</style><h1>Hello</h1><p>Read <a href="https://x.test/a">this</a> &amp; that.</p><img src="x.png" alt="logo"><ul><li>one</li><li>two</li></ul>';
    assert.equal(
      deriveText(html),
      'Hello\n\nRead this [https://x.test/a] & that.\n\n * one\n * two',
    );
  });

  it('keeps Nunjucks tags as they are written, in text and in links', () => {
    const html =
      '<p>Hi {{ name | default("you & me") }}</p>{% if a < b %}<p><a href="{{ url }}">Go</a></p>{% endif %}';
    assert.equal(
      deriveText(html),
      'Hi {{ name | default("you & me") }}\n\n{% if a < b %}\n\nGo [{{ url }}]\n\n{% endif %}',
    );
  });

  it('takes characters that it uses itself for nothing else', () => {
    assert.equal(deriveText('<p>\uE0000\uE001 {{ a }}</p>'), '0 {{ a }}');
  });
});
