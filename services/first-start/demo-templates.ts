/** The demo tenant's templates, as their drafts are written. */
export const demoTemplates = [
  {
    key: 'welcome',
    name: 'Welcome',
    content: {
      subject: 'Welcome to Acme, {{ firstName }}',
      preheader: 'Your account is ready.',
      html: `<!doctype html>
<html lang="en">
  <head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Welcome</title></head>
  <body style="margin:0;padding:24px;background:#f2f4f7;font-family:Helvetica,Arial,sans-serif;color:#1d2733">
    <table role="presentation" width="100%" style="max-width:560px;margin:0 auto;background:#ffffff;border-radius:8px">
      <tr><td style="padding:32px">
        <h1 style="margin:0 0 16px;font-size:24px">Welcome, {{ firstName }}!</h1>
        <p style="margin:0 0 24px;font-size:16px;line-height:1.5">Your account is ready. {% if plan %}You are on the
        {{ plan }} plan. {% endif %}Have a look around, and write to us whenever something is unclear.</p>
        <p style="margin:0"><a href="{{ startUrl }}" style="display:inline-block;padding:12px 20px;border-radius:6px;background:#1f5fd0;color:#ffffff;text-decoration:none">Get started</a></p>
      </td></tr>
    </table>
  </body>
</html>
`,
      text: `Welcome, {{ firstName }}!

Your account is ready. Get started: {{ startUrl }}
`,
      variablesSchema: {
        type: 'object',
        required: ['firstName', 'startUrl'],
        properties: {
          firstName: { type: 'string', minLength: 1 },
          startUrl: { type: 'string', format: 'uri' },
          plan: { type: 'string' },
        },
      },
      sample: { firstName: 'Ada', startUrl: 'https://acme.test/start', plan: 'team' },
      locale: 'en',
    },
  },
];
