import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { cpus } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import { PlatformError } from '../domain/platform-error.ts';
import { createLog } from '../runtime/log.ts';
import { createRenderer, type RendererOptions } from './create-renderer.ts';
import type { MailParts, Renderer } from './renderer.ts';

const log = createLog('test', 'silent');
const open: Renderer[] = [];

async function aRenderer(options: Partial<RendererOptions> = {}): Promise<Renderer> {
  const renderer = await createRenderer({ log, ...options });
  open.push(renderer);
  return renderer;
}
const render = (renderer: Renderer, parts: Partial<MailParts>, variables = {}) =>
  renderer.render({ parts: { subject: 's', ...parts }, variables });
const isUnavailable = (error: unknown) =>
  error instanceof PlatformError && error.code === 'unavailable';

const LOOP = `{% for a in range(9999) %}{% for b in range(9999) %}{% endfor %}{% endfor %}`;
// Two huge texts that V8 lays out to compare them: it aborts the whole process (needs a large output limit).
const capture = (name: string) =>
  `{% set ${name} %}{% for i in range(9999) %}{% for j in range(10) %}${'x'.repeat(5000)}{% endfor %}{% endfor %}{% endset %}`;
const BOMB = `${capture('a')}${capture('b')}{% if a == b %}{% endif %}`;
const BOMB_LIMITS = { outputLimitBytes: 1_000_000_000, cpuLimitMs: 2_000 };

/** Process ids of our renderer processes; Linux only. */
function rendererPids(of = process.pid): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      try {
        const parent = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ')[1];
        const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8');
        return Number(parent) === of && command.includes('rendering/process/main.ts');
      } catch {
        return false;
      }
    })
    .map(Number);
}

describe('rendering a mail', () => {
  let renderer: Renderer;
  before(async () => {
    renderer = await createRenderer({ log });
  });
  after(() => renderer.close());

  it('renders all parts, HTML escaped and the others not', async () => {
    const result = await renderer.render({
      parts: {
        subject: ' Hi {{ name }} ',
        preheader: '\n{{ name }}\n',
        html: '<b>{{ name }}</b>',
        text: '{{ name }}\n',
      },
      variables: { name: '<Ada>' },
    });
    assert.ok(result.ok && result.ms > 0);
    assert.deepEqual(result.parts, {
      subject: 'Hi <Ada>',
      preheader: '<Ada>',
      html: '<b>&lt;Ada&gt;</b>',
      text: '<Ada>\n',
    });
  });

  it('keeps absent parts absent', async () => {
    const result = await render(renderer, {});
    assert.ok(result.ok);
    assert.deepEqual(result.parts, { subject: 's' });
  });

  it('refuses a line break in a rendered subject or preheader', async () => {
    for (const lineBreak of ['\n', '\r', '\r\n', '\u2028', '\u2029', '\u0085', '\0', '\v'])
      for (const part of ['subject', 'preheader'] as const) {
        const result = await render(renderer, { [part]: 'a{{ x }}' }, { x: `${lineBreak}Bcc: b` });
        assert.ok(!result.ok, JSON.stringify(lineBreak));
        assert.equal(result.error.part, part);
        assert.match(result.error.detail, /line break/);
      }
  });

  it('says what was meant by a missing variable', async () => {
    const hint = async (html: string, variables: object) => {
      const result = await render(renderer, { html }, variables);
      assert.ok(!result.ok);
      assert.equal(result.error.code, 'variable_missing');
      return result.error.hint;
    };
    assert.equal(await hint('{{ fristName }}', { firstName: 1 }), 'Did you mean `firstName`?');
    assert.equal(await hint('{{ first_name }}', { firstName: 1 }), 'Did you mean `firstName`?');
    assert.equal(
      await hint('{{ firstName }}', { user: { firstName: 1 } }),
      'Did you mean `user.firstName`?',
    );
    assert.equal(await hint('{{ user.nmae }}', { user: { name: 1 } }), 'Did you mean `user.name`?');
    assert.match((await hint('{{ x }}', { firstName: 1 })) ?? '', /default/);
  });

  it('lets a name be missing where it is only asked about', async () => {
    const html = [
      `{% if x %}1{% endif %}{% if not x and not user.x %}2{% endif %}{{ '3' if (x or y) else '4' }}`,
      `{{ x | default('5') }}{{ user.x | d('6') }}{{ x is defined }}{{ x or '7' }}`,
      `{% macro m(a) %}{% if a %}{% else %}8{% endif %}{% endmacro %}{{ m() }}{{ nothing }}`,
    ].join('');
    const result = await render(renderer, { html }, { user: {}, nothing: null });
    assert.ok(result.ok, JSON.stringify(result));
    assert.equal(result.parts.html, '2456false78');
  });

  it('checks parts without rendering them: the first error of each', async () => {
    const errors = await renderer.check({
      subject: '{{ name',
      preheader: '{{ anything.goes }}',
      html: `line\n${' '.repeat(200)}{{ x | uper }}${' '.repeat(200)}`,
      text: '{% if a %}{% endfor %}',
    });
    assert.deepEqual(
      errors.map(({ part, line, column, hint }) => ({ part, line, column, hint })),
      [
        { part: 'subject', line: 1, column: 8, hint: 'Close the expression with `}}`.' },
        { part: 'html', line: 2, column: 208, hint: 'Did you mean `upper`?' },
        {
          part: 'text',
          line: 1,
          column: 14,
          hint: 'It closes nothing: its opening tag is missing above, or closed already.',
        },
      ],
    );
    assert.ok(errors[1]?.excerpt?.includes('{{ x | uper }}'));
    assert.ok((errors[1]?.excerpt?.length ?? 0) <= 120);
  });

  it('leaves a process in peace that has nothing to do', async () => {
    const renderer = await aRenderer({ cpuLimitMs: 25 }); // silent for 1.2 s is too long while there is work
    await render(renderer, {});
    const pids = rendererPids();
    await delay(1_600);
    assert.deepEqual(rendererPids(), pids);
  });

  it('lists the variables that a mail takes', async () => {
    const names = await renderer.variablesUsed({
      subject: '{{ user.name }}',
      html: '{% for item in items %}{{ item.price * loop.index + rate }}{% endfor %}{% set a = b %}',
      text: '{{ broken',
    });
    assert.deepEqual(names, ['b', 'items', 'rate', 'user']);
  });
});

describe('renderer processes', function () {
  before(function () {
    if (process.platform !== 'linux') this.skip();
  });
  afterEach(async () => {
    await Promise.all(open.splice(0).map((renderer) => renderer.close()));
    assert.deepEqual(rendererPids(), [], 'no process is left');
  });

  it('keeps a compiled mail by its key, without mixing up keys or variables', async () => {
    const renderer = await aRenderer({ threadsPerProcess: 1 });
    for (const [cacheKey, text] of [
      ['a', 'A{{ n }}'],
      ['b', 'B{{ n }}'],
      ['a', 'A{{ n }}'],
    ] as const)
      for (const n of [1, 2]) {
        const result = await renderer.render({
          cacheKey,
          parts: { subject: text },
          variables: { n },
        });
        assert.ok(result.ok);
        assert.equal(result.parts.subject, `${cacheKey.toUpperCase()}${n}`);
      }
  });

  it('ends an endless loop after its CPU time and goes on; the mails beside it are unharmed', async () => {
    const renderer = await aRenderer({ threadsPerProcess: 2 });
    const startedMs = performance.now();
    const stuck = render(renderer, { html: LOOP });
    const others = Array.from({ length: 50 }, (_, n) => render(renderer, { html: `${n}` }));
    const result = await stuck;
    assert.ok(!result.ok);
    assert.equal(result.error.limit, 'cpu');
    assert.equal(result.error.part, 'html');
    assert.ok(performance.now() - startedMs >= 250);
    for (const [n, other] of (await Promise.all(others)).entries())
      assert.ok(other.ok && other.parts.html === `${n}`);
    const next = await Promise.all([1, 2, 3].map(() => render(renderer, { html: 'next' })));
    assert.ok(next.every((each) => each.ok));
  });

  it('does not blame a mail for a machine that is too busy', async () => {
    // More loops than cores: each gets a fraction of the CPU time that passes.
    const renderer = await aRenderer({ threadsPerProcess: 6, cpuLimitMs: 60 });
    const loops = Array.from({ length: 6 }, async () => {
      const startedMs = performance.now();
      const result = await render(renderer, { html: LOOP });
      assert.ok(!result.ok);
      assert.equal(result.error.limit, 'cpu');
      return performance.now() - startedMs;
    });
    // The wall clock would have ended all of them after 60 ms.
    assert.ok(Math.max(...(await Promise.all(loops))) > (6 * 60) / cpus().length / 1.5);
  });

  it('ends a mail that fills the memory of its thread, and names the limit', async () => {
    const renderer = await aRenderer({ memoryLimitMb: 32, cpuLimitMs: 5_000 });
    const html = `{% set a = [] %}{% for i in range(9999) %}{% set a = [a, range(9999)] %}{% endfor %}`;
    const [result, other] = await Promise.all([
      render(renderer, { html }),
      render(renderer, { html: 'other' }),
    ]);
    assert.ok(!result.ok);
    assert.equal(result.error.limit, 'memory');
    assert.equal(result.error.detail, 'Rendering the html takes more than 32 MB of memory.');
    assert.ok(other.ok);
  });

  it('blames only the mail that killed the process', async () => {
    const renderer = await aRenderer({ ...BOMB_LIMITS, threadsPerProcess: 2 });
    const [pid] = rendererPids();
    const all = await Promise.all([
      ...['1', '2'].map((html) => render(renderer, { html })),
      render(renderer, { html: BOMB }),
      ...['3', '4', '5'].map((html) => render(renderer, { html })),
    ]);
    const texts = all.map((result) => (result.ok ? result.parts.html : result.error.limit));
    assert.deepEqual(texts, ['1', '2', 'memory', '3', '4', '5']);
    const bomb = all[2];
    assert.ok(bomb && !bomb.ok && bomb.error.code === 'template_resource');
    assert.equal(bomb.error.part, 'html');
    assert.ok(!rendererPids().includes(pid!), 'it did die');
  });

  it('blames nobody when the process is killed from outside', async () => {
    const renderer = await aRenderer({ cpuLimitMs: 2_000 });
    const slow = `{% for a in range(1000) %}{% for b in range(100) %}{% endfor %}{% endfor %}done`;
    const mails = Array.from({ length: 6 }, () => render(renderer, { html: slow }));
    await delay(30);
    for (const pid of rendererPids()) process.kill(pid, 'SIGKILL');
    for (const result of await Promise.all(mails)) assert.ok(result.ok, JSON.stringify(result));
  });

  it('replaces a process that has stopped answering', async () => {
    const renderer = await aRenderer({ cpuLimitMs: 20 });
    for (const pid of rendererPids()) process.kill(pid, 'SIGSTOP');
    assert.ok((await render(renderer, { html: 'on' })).ok);
  });

  it('answers by its deadline, whatever happens', async () => {
    const renderer = await aRenderer({ deadlineMs: 200, cpuLimitMs: 5_000 });
    await assert.rejects(render(renderer, { html: LOOP }), isUnavailable);
  });

  it('refuses what the queue cannot hold', async () => {
    const renderer = await aRenderer({ threadsPerProcess: 1, queueLimit: 3 });
    const mails = Array.from({ length: 20 }, () => render(renderer, { html: 'x' }));
    const settled = await Promise.allSettled(mails);
    const refused = settled.filter((each) => each.status === 'rejected');
    assert.equal(refused.length, 1); // sixteen in the process, three in the queue
    assert.ok(refused.every((each) => isUnavailable(each.reason)));
  });

  it('abandons what is open when it is closed', async () => {
    const renderer = await aRenderer({ cpuLimitMs: 5_000 });
    const open = render(renderer, { html: LOOP });
    const closed = renderer.close();
    await assert.rejects(open, isUnavailable);
    await closed;
    await assert.rejects(render(renderer, {}), isUnavailable);
  });

  it('ends its processes when the parent is killed, a stuck thread or not', async () => {
    const script = `
      const { createRenderer } = await import(${JSON.stringify(new URL('./create-renderer.ts', import.meta.url))});
      const log = new Proxy({}, { get: () => () => undefined });
      const renderer = await createRenderer({ log, cpuLimitMs: 60_000 });
      void renderer.render({ parts: { subject: ${JSON.stringify(LOOP)} }, variables: {} });
      console.log('ready');
      setInterval(() => undefined, 1000);`;
    const parent = spawn(process.execPath, ['--no-warnings', '--input-type=module', '-e', script]);
    await once(parent.stdout, 'data');
    await delay(50);
    const [pid] = rendererPids(parent.pid);
    assert.ok(pid);
    parent.kill('SIGKILL');
    await once(parent, 'exit');
    for (let tries = 0; tries < 40 && existsSync(`/proc/${pid}`); tries += 1) await delay(50);
    assert.ok(!existsSync(`/proc/${pid}`));
  });

  it('gives its processes no environment, and Node the orders to deny them the rest', async () => {
    await aRenderer();
    const [pid] = rendererPids();
    // Node itself sets these two: the channel to the parent.
    const names = readFileSync(`/proc/${pid!}/environ`, 'utf8').match(/\w+(?==)/g);
    assert.deepEqual(names, ['NODE_CHANNEL_FD', 'NODE_CHANNEL_SERIALIZATION_MODE']);
    const command = readFileSync(`/proc/${pid!}/cmdline`, 'utf8').split('\0');
    assert.ok(command.includes('--permission'));
    assert.ok(command.includes('--disallow-code-generation-from-strings'));
    const readable = command.filter((word) => word.startsWith('--allow-fs-read='));
    for (const word of readable)
      assert.match(word, /rendering\/process|nunjucks|package\.json/, 'nothing else may be read');
    assert.ok(!command.some((word) => /allow-(?:fs-write|child|addons|wasi|net)/.test(word)));
  });
});
