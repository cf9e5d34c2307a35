/** Every command as a row: how it is called, what it says of itself, and where its code is. The code is imported when it is called. */
import { SETTINGS } from '../config/settings.ts'
import type { Settings } from '../config/config.ts'
import type { Run } from './call.ts'

export interface OptionRow {
  /** As commander writes them: `--since <time>`. */
  readonly flags: string
  readonly help: string
  readonly required?: boolean
  readonly fallback?: string
}

export interface Verb {
  readonly usage: string
  readonly summary: string
  readonly load: () => Promise<Run>
  /** Settings that are flags of this verb. */
  readonly settings?: readonly (keyof Settings)[]
  /** Speaks to a running hub. */
  readonly client?: boolean
  readonly json?: boolean
  readonly options?: readonly OptionRow[]
  /** What its group means when no verb is named. */
  readonly isDefault?: boolean
}

export interface Group {
  readonly group: string
  readonly summary: string
  readonly verbs: readonly Verb[]
}

const FILES = ['configFile', 'dataDir'] as const
const SERVE = Object.keys(SETTINGS) as (keyof Settings)[]
const LOOK = { settings: FILES, json: true } as const
const ASK = { settings: ['dataDir'], client: true, json: true } as const
const DATA = { settings: ['dataDir'], json: true } as const

const only = (...names: readonly string[]): OptionRow[] =>
  names.map((name) => ({ flags: `--${name} <${name}>`, help: `only of this ${name}` }))

const YES: OptionRow = { flags: '--yes', help: 'do it without asking' }
const DRY_RUN: OptionRow = { flags: '--dry-run', help: 'only count' }
const LISTING: readonly OptionRow[] = [
  ...only('installation', 'form', 'response', 'event', 'reason'),
  { flags: '--since <time>', help: 'created at or after' },
  { flags: '--until <time>', help: 'created before' },
  { flags: '--limit <n>', help: 'at most so many', fallback: '50' },
]

const CONFIG: Group = {
  group: 'config',
  summary: 'check, print or describe manifold.yaml',
  verbs: [
    {
      usage: 'check',
      summary: 'every mistake in the file, with line and column',
      load: async () => (await import('./config.ts')).check,
      ...LOOK,
    },
    {
      usage: 'print',
      summary: 'the file with its variables filled in',
      load: async () => (await import('./config.ts')).print,
      ...LOOK,
      options: [{ flags: '--redacted', help: 'hide secrets' }],
    },
    {
      usage: 'schema',
      summary: 'the JSON Schema for editors',
      load: async () => (await import('./config.ts')).schema,
      settings: FILES,
    },
  ],
}

const PLUGIN: Group = {
  group: 'plugin',
  summary: 'make, list, test and approve plugins',
  verbs: [
    {
      usage: 'new <id>',
      summary: 'make a plugin folder that works, with a test',
      load: async () => (await import('./plugin-new.ts')).run,
      options: [{ flags: '--dir <dir>', help: 'folder to make it in', fallback: 'my-plugins' }],
    },
    {
      usage: 'list',
      summary: 'plugins that can be used here',
      load: async () => (await import('./plugin.ts')).list,
      ...LOOK,
    },
    {
      usage: 'info <id-or-folder>',
      summary: 'what a plugin does, may do, and can be set to',
      load: async () => (await import('./plugin.ts')).info,
      ...LOOK,
    },
    {
      usage: 'test <folder>',
      summary: 'check the manifest against the code in the sandbox, and run its tests',
      load: async () => (await import('./plugin-test.ts')).run,
      json: true,
    },
    {
      usage: 'approve <id>',
      summary: 'grant what the version on disk asks for',
      load: async () => (await import('./plugin.ts')).approve,
      ...LOOK,
    },
  ],
}

const DELIVERIES: Group = {
  group: 'deliveries',
  summary: 'what left, what waits, and every attempt',
  verbs: [
    {
      usage: 'list',
      summary: 'list, newest first',
      load: async () => (await import('./deliveries.ts')).list,
      ...ASK,
      isDefault: true,
      options: [...only('state'), ...LISTING],
    },
    {
      usage: 'show <id>',
      summary: 'one delivery with its attempts',
      load: async () => (await import('./deliveries.ts')).show,
      ...ASK,
    },
    {
      usage: 'replay <id...>',
      summary: 'send these again',
      load: async () => (await import('./deliveries.ts')).replay,
      ...ASK,
    },
  ],
}

const DEAD_LETTERS: Group = {
  group: 'dead-letters',
  summary: 'what will not be tried again by itself',
  verbs: [
    {
      usage: 'list',
      summary: 'list, newest first, with a count per reason',
      load: async () => (await import('./dead-letters.ts')).list,
      ...ASK,
      isDefault: true,
      options: LISTING,
    },
    {
      usage: 'replay [id...]',
      summary: 'send these again, or all that the filters match',
      load: async () => (await import('./dead-letters.ts')).replay,
      ...ASK,
      options: [...only('installation', 'form', 'reason'), { flags: '--all', help: 'every dead letter' }, DRY_RUN],
    },
  ],
}

const KEYS: Group = {
  group: 'keys',
  summary: 'make, list and end API keys',
  verbs: [
    {
      usage: 'create',
      summary: 'make a key; it is shown once',
      load: async () => (await import('./keys.ts')).create,
      ...ASK,
      options: [
        { flags: '--name <name>', help: 'what it is for', required: true },
        {
          flags: '--scope <scope...>',
          help: 'what it may do: forms:read|write, responses:read|write, analytics:read, deliveries:write, hooks:write, admin',
          required: true,
        },
        { flags: '--expires <time>', help: 'when it ends: 90d or 2h from now, 2027-01-31, or a full time' },
      ],
    },
    {
      usage: 'list',
      summary: 'all keys, without their secrets',
      load: async () => (await import('./keys.ts')).list,
      ...ASK,
    },
    {
      usage: 'revoke <id>',
      summary: 'end a key at once',
      load: async () => (await import('./keys.ts')).revoke,
      ...ASK,
    },
  ],
}

const DB: Group = {
  group: 'db',
  summary: 'back up, restore and bring up to date',
  verbs: [
    {
      usage: 'migrate',
      summary: 'bring the schema up to date, or say that it is',
      load: async () => (await import('./db.ts')).migrate,
      ...DATA,
      options: [{ flags: '--dry-run', help: 'only say what would be done' }],
    },
    {
      usage: 'backup <file>',
      summary: 'a consistent copy, also while the hub runs',
      load: async () => (await import('./db.ts')).backup,
      ...DATA,
      options: [{ flags: '--force', help: 'replace the file' }],
    },
    {
      usage: 'restore <file>',
      summary: 'put a backup in the place of the database; the old one is kept',
      load: async () => (await import('./db.ts')).restore,
      ...DATA,
      options: [YES],
    },
    {
      usage: 'accept-loss',
      summary: 'go on without events that are gone for good',
      load: async () => (await import('./db.ts')).acceptLoss,
      ...DATA,
      options: [YES],
    },
  ],
}

/** The whole tree, in the order of `--help`. */
export const VERBS: readonly (Verb | Group)[] = [
  { usage: 'start', summary: 'run the hub', load: async () => (await import('./start.ts')).run, settings: SERVE },
  {
    usage: 'dev',
    summary: 'run the hub; plugins are loaded again when they are saved',
    load: async () => (await import('./dev.ts')).run,
    settings: SERVE,
  },
  {
    usage: 'init [file]',
    summary: 'write a commented manifold.yaml and its editor schema',
    load: async () => (await import('./init.ts')).run,
    options: [{ flags: '--force', help: 'replace files that are there' }],
  },
  {
    usage: 'doctor',
    summary: 'look for what is wrong, and say how to mend it',
    load: async () => (await import('./doctor.ts')).run,
    ...ASK,
    settings: FILES,
  },
  {
    usage: 'status',
    summary: 'the running hub at a glance',
    load: async () => (await import('./status.ts')).run,
    ...ASK,
  },
  CONFIG,
  PLUGIN,
  {
    usage: 'send <form> [answers...]',
    summary: 'post a response: key=value …, --answers, or JSON on stdin',
    load: async () => (await import('./send.ts')).run,
    ...ASK,
    options: [
      { flags: '--answers <json>', help: 'the answers as JSON; - reads stdin' },
      { flags: '--partial', help: 'store it as not finished' },
      { flags: '--client-id <id>', help: 'your own id: sending it again changes nothing' },
    ],
  },
  DELIVERIES,
  DEAD_LETTERS,
  {
    usage: 'replay',
    summary: 'send again what died in a stretch of time',
    load: async () => (await import('./replay.ts')).run,
    ...ASK,
    options: [
      { flags: '--since <time>', help: 'from this creation time on: 2026-01-31, a full time, or 2h', required: true },
      { flags: '--until <time>', help: 'up to before this time' },
      ...only('installation', 'form', 'reason'),
      { flags: '--delivered', help: 'also what had arrived' },
      DRY_RUN,
    ],
  },
  KEYS,
  DB,
  {
    usage: 'openapi',
    summary: 'the API description (OpenAPI 3.1)',
    load: async () => (await import('./openapi.ts')).run,
  },
]
