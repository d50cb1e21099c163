// Who may import whom: one row per folder, what is not listed is forbidden. `import type` is free.
const MAY_IMPORT = {
  domain: [],
  runtime: ['domain'],
  schema: ['domain'],
  providers: ['domain', 'runtime'],
  rendering: ['domain', 'runtime'],
  analytics: ['domain', 'runtime'],
  sandbox: ['domain', 'runtime'],
  services: [
    'domain',
    'schema',
    'providers',
    'rendering',
    'analytics',
    'runtime',
    'workflows/contracts',
  ],
  workflows: ['domain'],
  activities: [
    'domain',
    'services',
    'providers',
    'rendering',
    'analytics',
    'runtime',
    'workflows/contracts',
  ],
  api: ['domain', 'services', 'runtime'],
  worker: ['domain', 'workflows', 'activities', 'services', 'runtime'],
  local: ['domain', 'runtime', 'services', 'tooling'],
  tooling: ['runtime/settings'],
  examples: ['runtime', 'local'],
};

const rules = Object.entries(MAY_IMPORT).map(([folder, others]) => ({
  name: `${folder}-imports`,
  severity: 'error',
  comment: `${folder}/ may import only: ${others.join(', ') || 'nothing'}`,
  from: { path: `^${folder}/`, pathNot: '\\.test\\.ts$|^(api|worker)/main\\.ts$' },
  to: {
    path: '^(api|worker|workflows|activities|services|schema|providers|rendering|analytics|runtime|sandbox|local|test|domain|tooling|examples)/',
    pathNot: `^(${[folder, ...others].join('|')})[/.]`,
    dependencyTypesNot: ['type-only'],
  },
}));

export default {
  forbidden: [
    ...rules,
    {
      name: 'no-cycles',
      severity: 'error',
      from: {},
      to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } },
    },
    {
      name: 'no-dev-dependencies',
      severity: 'error',
      comment: 'production installs with --omit=dev',
      from: {
        path: '^(api|worker|workflows|activities|services|schema|providers|rendering|analytics|runtime|domain)/',
        pathNot: '\\.test\\.ts$',
      },
      to: { dependencyTypes: ['npm-dev'], dependencyTypesNot: ['type-only'] },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '^(\\.data|\\.cache|dist)/' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'node', 'default', 'types'],
    },
  },
};
